"""The studio's page: what `desk` does, laid out with Gradio. Nothing is asked of another host."""

import os
import re
from collections.abc import Iterator
from typing import Any

os.environ.setdefault("GRADIO_ANALYTICS_ENABLED", "False")  # read when gradio is imported

import gradio
import matplotlib
import numpy as np
import torch
from gradio.components.image_editor import EditorValue
from gradio.themes import Base
from jaxtyping import Float
from PIL import Image
from torch import Tensor

from ...core.errors import PromptError, UnderpaintError
from ..aims import steps_edited
from .desk import Canvas, Desk, Glimpse, Stroke, glimpse, mask_of, paint

COLOURS = {"saliency": "gray", "depth": "turbo", "shading": "viridis"}
"""As in figures and on the site."""

EDITOR_PX = 384
BUTTONS: list[Any] = ["download", "fullscreen"]
"""Of pictures. Gradio's own also offer to share them on another host."""

# Fonts of the system: Gradio's own themes ask another host for theirs.
THEME = Base(
    primary_hue="orange",
    neutral_hue="stone",
    font=["system-ui", "sans-serif"],
    font_mono=["ui-monospace", "monospace"],
)
STYLE = (
    "h1 { font-family: Georgia, serif; } footer { display: none !important; } "
    ".caption-label { max-width: none !important; white-space: normal !important; "
    "overflow: visible !important; text-overflow: clip !important; }"
)
MOST_SEED = 2**63 - 1


def build(desk: Desk, *, text: str, seed: int) -> gradio.Blocks:
    """Lay out the page.

    Args:
        desk: What it works with.
        text: A prompt to begin with.
        seed: And its seed.
    """
    names = [each.name for each in desk.properties]
    most = steps_edited(desk.setup.steps)
    with gradio.Blocks(title="underpaint studio", analytics_enabled=False) as page:
        gradio.Markdown(
            f"# underpaint studio\n{desk.setup.model.name}, {desk.setup.steps} steps. Paint where "
            "the object shall be, or find a seed that already puts it there."
        )
        with gradio.Row():
            prompt = gradio.Textbox(text, label="Prompt", scale=4)
            # Text: a number field would refuse a bad seed by stamping an error on every picture.
            chosen = gradio.Textbox(str(seed), label="Seed", max_lines=1)
        said = gradio.Markdown("")
        with gradio.Row():
            with gradio.Column():
                drawn = gradio.ImageEditor(
                    _ground(None), label="Paint the object here", type="numpy", image_mode="RGBA",
                    canvas_size=(EDITOR_PX, EDITOR_PX), fixed_canvas=True, sources=(),
                    transforms=(), layers=False, format="png",
                    brush=gradio.Brush(default_size=48, colors=["#ff8a3d"], color_mode="fixed"),
                )  # fmt: skip
                strength = gradio.Slider(
                    0, 6, 1, step=0.5, label="Strength (1 makes the reading the target)"
                )
                last = gradio.Slider(1, desk.setup.steps, most, step=1, label="Paint through step")
                carries = gradio.Checkbox(
                    bool(desk.carried),
                    label=f"Take its looks along ({', '.join(desk.carried) or 'not in this run'})",
                    interactive=bool(desk.carried),
                )
                with gradio.Row():
                    go = gradio.Button("Paint", variant="primary")
                    stop = gradio.Button("Stop")
            with gradio.Column():
                picture = gradio.Image(
                    label="Picture",
                    format="png",
                    height=EDITOR_PX,
                    buttons=BUTTONS,
                    interactive=False,
                )
            with gradio.Column():
                maps = [
                    gradio.Image(
                        label=f"{name}: read at {desk.readers[name].name}", height=190,
                        format="png", buttons=BUTTONS, interactive=False,
                    )
                    for name in names
                ]  # fmt: skip
        gradio.Markdown("## Pick a seed by its first steps")
        with gradio.Row():
            count = gradio.Slider(4, 64, 16, step=4, label="Seeds, from the one above")
            at = gradio.Slider(
                1, desk.setup.steps, min(3, desk.setup.steps), step=1, label="Stop at step"
            )
            of = gradio.Radio(names, value=names[0], label="Show what is read of")
            look = gradio.Button("Look")
        seen = gradio.Gallery(
            label="Nearest to the mask first; click one to paint it", columns=6, height="auto",
            object_fit="contain", format="png", buttons=[], interactive=False, allow_preview=False,
        )  # fmt: skip
        seeds = gradio.State([])

        def start(
            text: str, seed: str, mask: Any, hard: float, end: float, looks: bool
        ) -> Iterator[tuple]:
            yield from show(desk, text, seed, mask, float(hard), int(end), carries=looks)

        def search(text: str, seed: str, mask: Any, many: float, step: float, name: str) -> tuple:
            return first_steps(desk, text, seed, mask, int(many), int(step), name)

        def take(known: list[int], event: gradio.SelectData) -> str:
            return str(known[int(event.index)])

        asked = [prompt, chosen, drawn, strength, last, carries]
        shown = [picture, *maps, drawn, said]
        how: dict[str, Any] = {"concurrency_id": "model", "concurrency_limit": 1}
        running: list[Any] = [
            go.click(start, asked, shown, show_progress="minimal", **how),
            # A seed that is clicked is painted at once.
            seen.select(take, [seeds], [chosen]).then(
                start, asked, shown, show_progress="minimal", **how
            ),
        ]
        stop.click(None, cancels=running)
        look.click(search, [prompt, chosen, drawn, count, at, of], [seen, seeds, said], **how)
    return page


def show(
    desk: Desk, text: str, seed: str, drawn: Any, strength: float, last: int, *, carries: bool
) -> Iterator[tuple]:
    """Give, at each step, the picture, a map of each property, the editor, and what to say.

    The editor gets the finished picture as its ground, below what is drawn there. What cannot be
    done is said, and leaves pictures as they are.
    """
    same = gradio.skip()
    mask = mask_of(drawn, desk.setup.model.resolution)
    stroke = None if mask is None else Stroke(mask, strength, 0, last - 1, carries)
    try:
        for canvas in paint(desk, text, seed_of(seed), stroke):
            maps = [_coloured(name, found) for name, found in canvas.read.items()]
            pixels = _pixels(canvas.picture)
            is_last = canvas.step + 1 == desk.setup.steps
            ground = _ground(pixels, (drawn or {}).get("layers")) if is_last else same
            yield (pixels, *maps, ground, _words(desk, canvas, stroke))
    except UnderpaintError as error:
        yield (same, *(same for _ in desk.properties), same, _refused(error))


def first_steps(
    desk: Desk, text: str, seed: str, drawn: Any, count: int, stop_at: int, name: str
) -> tuple[Any, Any, str]:
    """Give what is read of many seeds, each with its caption, the seeds so ordered, and a word."""
    mask = mask_of(drawn, desk.setup.model.resolution)
    try:
        first = seed_of(seed)
        found = glimpse(desk, text, range(first, first + count), stop_at=stop_at, mask=mask)
    except UnderpaintError as error:
        return gradio.skip(), gradio.skip(), _refused(error)
    return (
        [(_coloured(name, each.read[name]), _caption(each)) for each in found],
        [each.seed for each in found],
        "",
    )


def seed_of(written: str) -> int:
    """Read a seed.

    Raises:
        PromptError: if it is not a whole number from 0 to 2⁶³ − 1.
    """
    text = str(written).strip()
    if not re.fullmatch(r"[0-9]{1,19}", text) or int(text) > MOST_SEED:
        raise PromptError(f"The seed {text!r} is no whole number of at least 0. Give one, as in 7.")
    return int(text)


def _refused(error: UnderpaintError) -> str:
    return f"**Not done.** {error}"


def _caption(found: Glimpse) -> str:
    return ("" if found.score is None else f"Dice {found.score:.2f} · ") + f"seed {found.seed}"


def _words(desk: Desk, canvas: Canvas, stroke: Stroke | None) -> str:
    if canvas.step + 1 < desk.setup.steps:
        return f"Step {canvas.step + 1} of {desk.setup.steps}: the model's estimate of the picture."
    if stroke is None:
        return "Done. Nothing was painted: this is the prompt's own picture."
    if canvas.score is None:
        return "Done. The labeler sees no object in it."
    return f"Done. Dice of the labeler's mask to yours: **{canvas.score:.2f}**."


def _ground(pixels: np.ndarray | None, layers: Any = None) -> EditorValue:
    """Give what the editor shows: a picture, or a dark ground, below what was drawn."""
    ground = np.full((EDITOR_PX, EDITOR_PX, 4), (29, 27, 25, 255), dtype=np.uint8)
    if pixels is not None:
        sized = Image.fromarray(pixels).resize((EDITOR_PX, EDITOR_PX), Image.Resampling.NEAREST)
        ground[..., :3] = np.asarray(sized)
    drawn: list[Any] = [np.asarray(each) for each in layers or () if each is not None]
    return {"background": ground, "layers": drawn, "composite": None}


def _pixels(picture: Float[Tensor, "3 height width"]) -> np.ndarray:
    return _enlarged((picture.permute(1, 2, 0).clamp(0, 1).numpy() * 255).round().astype(np.uint8))


def _coloured(name: str, found: Float[Tensor, "row col"]) -> np.ndarray:
    low, high = float(found.min()), float(found.max())
    shares = torch.zeros_like(found) if high == low else (found - low) / (high - low)
    shares = found if name == "saliency" else shares
    rgb = matplotlib.colormaps[COLOURS.get(name, "viridis")](shares.numpy())[..., :3]
    return _enlarged((rgb * 255).round().astype(np.uint8))


def _enlarged(pixels: np.ndarray) -> np.ndarray:
    """Repeat pixels: a browser would blur a small picture."""
    factor = max(1, EDITOR_PX // pixels.shape[1])
    return pixels.repeat(factor, axis=0).repeat(factor, axis=1)
