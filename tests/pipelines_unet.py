"""Pipelines around a UNet, small and random: Stable Diffusion's relatives, and others."""

import inspect
from typing import Any

import diffusers
from diffusers import UNet2DConditionModel, VQModel
from transformers import (
    BertConfig,
    BertModel,
    BertTokenizer,
    CLIPImageProcessor,
    CLIPTextModel,
    CLIPTextModelWithProjection,
    CLIPVisionConfig,
    CLIPVisionModelWithProjection,
)

import worlds


def relative(kind: str, *, scheduler: Any = None, **extra: Any) -> Any:
    """Make a pipeline of another class out of Stable Diffusion's parts."""
    made = getattr(diffusers, kind)
    parts = worlds.pipeline(scheduler=scheduler).components
    known = inspect.signature(made.__init__).parameters
    parts = {name: each for name, each in parts.items() if name in known}
    return made(**{**parts, **extra}, requires_safety_checker=False)


def xl_perturbed() -> Any:
    """Make an SDXL pipeline with perturbed attention in its middle."""
    parts = worlds.xl_pipeline().components
    return diffusers.StableDiffusionXLPAGPipeline(**parts, pag_applied_layers=["mid"])


def xl_from_picture() -> Any:
    """Make an SDXL refiner, which begins from a picture."""
    parts = worlds.xl_pipeline().components
    return diffusers.StableDiffusionXLImg2ImgPipeline(**parts, requires_aesthetics_score=True)


def with_control(kind: str) -> Any:
    """Make a pipeline that is also given a picture of edges or the like."""
    parts = worlds.pipeline().components
    control = diffusers.ControlNetModel.from_unet(
        parts["unet"], conditioning_channels=3, load_weights_from_unet=False
    )
    return getattr(diffusers, kind)(**parts, controlnet=control, requires_safety_checker=False)


def movq() -> VQModel:
    """Make Kandinsky's autoencoder."""
    return VQModel(
        block_out_channels=(32, 64),
        down_block_types=("DownEncoderBlock2D", "AttnDownEncoderBlock2D"),
        up_block_types=("AttnUpDecoderBlock2D", "UpDecoderBlock2D"),
        latent_channels=4,
        num_vq_embeddings=12,
        norm_num_groups=32,
        norm_type="spatial",
        vq_embed_dim=4,
    ).eval()


def words() -> BertTokenizer:
    """Make a BERT tokenizer that spells words letter by letter."""
    pieces = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]"]
    pieces += [
        *"abcdefghijklmnopqrstuvwxyz",
        *("##" + each for each in "abcdefghijklmnopqrstuvwxyz"),
    ]
    return BertTokenizer(
        vocab={piece: number for number, piece in enumerate(pieces)}, model_max_length=32
    )


def bert() -> BertModel:
    """Make a BERT of one layer for that tokenizer."""
    return BertModel(
        BertConfig(
            vocab_size=60,
            hidden_size=16,
            num_hidden_layers=1,
            num_attention_heads=2,
            intermediate_size=16,
            max_position_embeddings=300,
        )
    ).eval()


def first_latent() -> Any:
    """Make the first text-to-image latent diffusion, with its BERT."""
    from diffusers.pipelines.latent_diffusion.pipeline_latent_diffusion import (
        LDMBertConfig,
        LDMBertModel,
    )

    config = LDMBertConfig(
        vocab_size=60,
        d_model=16,
        encoder_layers=1,
        encoder_ffn_dim=16,
        encoder_attention_heads=2,
        head_dim=8,
        max_position_embeddings=77,
    )
    return diffusers.LDMTextToImagePipeline(
        vqvae=worlds.vae(),
        bert=LDMBertModel(config).eval(),
        tokenizer=words(),
        unet=worlds.unet(),
        scheduler=worlds.ddim(),
    )


def kandinsky3() -> Any:
    """Make a Kandinsky 3 pipeline, with its own UNet."""
    return diffusers.Kandinsky3Pipeline(
        tokenizer=worlds.letters(),
        text_encoder=worlds.t5(),
        unet=diffusers.Kandinsky3UNet(
            in_channels=4,
            time_embedding_dim=4,
            groups=2,
            attention_head_dim=4,
            layers_per_block=3,
            block_out_channels=(32, 64),
            cross_attention_dim=4,
            encoder_hid_dim=16,
        ).eval(),
        scheduler=diffusers.DDPMScheduler(),
        movq=movq(),
    )


def _prior_parts() -> dict[str, Any]:
    tokens = worlds.tokenizer()
    vision = CLIPVisionConfig(
        hidden_size=16,
        image_size=32,
        projection_dim=16,
        intermediate_size=16,
        patch_size=16,
        num_attention_heads=2,
        num_hidden_layers=1,
    )
    prior = diffusers.PriorTransformer(
        num_attention_heads=2,
        attention_head_dim=8,
        embedding_dim=16,
        num_embeddings=32,
        num_layers=1,
    )
    return {
        "prior": prior.eval(),
        "image_encoder": CLIPVisionModelWithProjection(vision).eval(),
        "text_encoder": CLIPTextModelWithProjection(worlds.text_config(tokens)).eval(),
        "tokenizer": tokens,
        "scheduler": diffusers.UnCLIPScheduler(
            variance_type="fixed_small_log", prediction_type="sample"
        ),
        "image_processor": CLIPImageProcessor(),
    }


def kandinsky_prior() -> Any:
    """Make Kandinsky 2.2's first half, from a text to an image's embedding."""
    return diffusers.KandinskyV22PriorPipeline(**_prior_parts())


def kandinsky_decoder() -> Any:
    """Make Kandinsky 2.2's second half, from an embedding to a picture."""
    return diffusers.KandinskyV22Pipeline(
        unet=_kandinsky_unet(), scheduler=worlds.ddim(), movq=movq()
    )


def kandinsky() -> Any:
    """Make both halves of Kandinsky 2.2."""
    prior = {f"prior_{name}": each for name, each in _prior_parts().items()}
    return diffusers.KandinskyV22CombinedPipeline(
        unet=_kandinsky_unet(), scheduler=worlds.ddim(), movq=movq(), **prior
    )


def _kandinsky_unet() -> UNet2DConditionModel:
    return UNet2DConditionModel(
        in_channels=4,
        out_channels=8,
        addition_embed_type="image",
        down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
        up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
        mid_block_type="UNetMidBlock2DSimpleCrossAttn",
        block_out_channels=(8, 16),
        layers_per_block=1,
        encoder_hid_dim=16,
        encoder_hid_dim_type="image_proj",
        cross_attention_dim=16,
        attention_head_dim=4,
        norm_num_groups=4,
        resnet_time_scale_shift="scale_shift",
    ).eval()


def wuerstchen() -> Any:
    """Make Würstchen's first stage, a prior in the space of its second."""
    from diffusers.pipelines.deprecated.wuerstchen import WuerstchenPrior

    tokens = worlds.tokenizer()
    return diffusers.WuerstchenPriorPipeline(
        tokenizer=tokens,
        text_encoder=CLIPTextModel(worlds.text_config(tokens)).eval(),
        prior=WuerstchenPrior(c_in=2, c=8, depth=2, c_cond=16, c_r=8, nhead=2).eval(),
        scheduler=diffusers.DDPMWuerstchenScheduler(),
    )


def cascade() -> Any:
    """Make Stable Cascade's first stage."""
    tokens = worlds.tokenizer()
    return diffusers.StableCascadePriorPipeline(
        tokenizer=tokens,
        text_encoder=CLIPTextModelWithProjection(worlds.text_config(tokens)).eval(),
        prior=diffusers.StableCascadeUNet(
            conditioning_dim=8,
            block_out_channels=(8, 8),
            num_attention_heads=(1, 1),
            down_num_layers_per_block=(1, 1),
            up_num_layers_per_block=(1, 1),
            clip_image_in_channels=16,
            clip_text_in_channels=16,
            clip_text_pooled_in_channels=16,
            block_types_per_layer=(
                ("SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock"),
                ("SDCascadeResBlock", "SDCascadeTimestepBlock", "SDCascadeAttnBlock"),
            ),
            switch_level=(False,),
            timestep_ratio_embedding_dim=8,
        ).eval(),
        scheduler=diffusers.DDPMWuerstchenScheduler(),
    )


def pixels() -> Any:
    """Make a DeepFloyd pipeline, which draws pixels without an autoencoder."""
    return diffusers.IFPipeline(
        tokenizer=worlds.letters(),
        text_encoder=worlds.t5(),
        unet=UNet2DConditionModel(
            sample_size=8,
            in_channels=3,
            out_channels=6,
            block_out_channels=(8, 16),
            layers_per_block=1,
            down_block_types=("ResnetDownsampleBlock2D", "SimpleCrossAttnDownBlock2D"),
            up_block_types=("SimpleCrossAttnUpBlock2D", "ResnetUpsampleBlock2D"),
            mid_block_type="UNetMidBlock2DSimpleCrossAttn",
            encoder_hid_dim=16,
            cross_attention_dim=16,
            attention_head_dim=4,
            norm_num_groups=4,
        ).eval(),
        scheduler=diffusers.DDPMScheduler(variance_type="learned_range"),
        safety_checker=None,
        feature_extractor=None,
        watermarker=None,
        requires_safety_checker=False,
    )
