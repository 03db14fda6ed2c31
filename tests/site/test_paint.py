"""The paint view: its graphs say what the model says, and a browser paints what Python does."""

import base64
import io
import json
import math
import threading

import numpy as np
import pytest
import torch
from benchmarks.painting import DRAWN, in_python, page_taps
from PIL import Image

import worlds
from underpaint.core.prompts import Prompt, split_prompts
from underpaint.core.properties import ALBEDO, DEPTH, SALIENCY, SHADING
from underpaint.labelers import Labeler
from underpaint.models.layers import find_layers
from underpaint.models.traces import trace
from underpaint.runs import runs
from underpaint.site import painting
from underpaint.site.export import export
from underpaint.site.graphs import picture_graph, word_graph
from underpaint.site.maps import draw_sheets
from underpaint.site.painting import plan_steps, reason_against
from underpaint.site.serving import server_for
from underpaint.steering import targets
from underpaint.study.showing import show_anew
from underpaint.study.stages import carry_out
from underpaint.study.study import Study
from underpaint.world.words import CAPTIONS, grammar

onnx = pytest.importorskip("onnx")
onnxruntime = pytest.importorskip("onnxruntime")

STEPS, GUIDANCE, SPAN = 8, 3.0, 3  # three are the first third of eight
EDITED = ("up.0.0", "up.0.1", "up.1.0", "up.1.1")


def look(images):
    """Read what an object is asked for with, of what a picture's colours are."""
    shading = images.roll(2, -1).amax(dim=1, keepdim=True)
    return {**worlds.brightness(images), "shading": shading, "albedo": images}


READ = (SALIENCY, DEPTH, SHADING, ALBEDO)
LOOK = Labeler("colours", tuple(each.name for each in READ), "MIT", look)
CARRIED = ("albedo", "shading")


def plan(model):
    """Plan a small study of four properties."""
    split = split_prompts([Prompt(f"thing {i}", i, i) for i in range(18)])
    return Study(model, (LOOK,), READ, find_layers(model), split, STEPS, GUIDANCE, 12)


@pytest.fixture(scope="module")
def run(tmp_path_factory, model):
    """Carry that study out once."""
    layers = find_layers(model)
    settings = {
        "model": "world",
        "fingerprint": model.fingerprint,
        "scheduler": "DDIMScheduler",
        "steps": STEPS,
        "guidance": GUIDANCE,
        "layers": [layer.name for layer in layers],
        "properties": [each.name for each in READ],
    }
    made = runs.open_run(tmp_path_factory.mktemp("runs") / "run", settings)
    carry_out(plan(model), made, lambda *_: None)
    return made


@pytest.fixture(scope="module")
def site(run, model):
    folder = run.folder / "site"
    export(run, folder, again=lambda: plan(model), prompts=0, progress=lambda *_: None, paint=True)
    return folder


def corner(model):
    target = torch.zeros(1, 1, *model.resolution)
    target[..., :9, 3:11] = 1
    return target


def psnr(one, other):
    return -10 * math.log10(float(((one - other) ** 2).mean()) + 1e-12)


def test_graphs_step_and_read_as_the_edited_model_does(run, site, model):
    prompt, target = Prompt("a red cone", 5), corner(model)
    edits = page_taps(run, model, prompt, target, None)
    layers = find_layers(model)
    wanted = trace(model, [prompt], steps=STEPS, guidance=GUIDANCE, layers=layers, edits=edits)
    page = json.loads((site / "data" / "paint" / "paint.json").read_text())
    opened = {
        name: onnxruntime.InferenceSession(site / "data" / "paint" / f"{name}.onnx")
        for name in ("words", "step", "picture")
    }
    nodes = onnx.load(site / "data" / "paint" / "step.onnx").graph.node
    assert "Shape" not in {node.op_type for node in nodes}, "Browsers' GPUs do not run it."
    tokens = model.pipeline.tokenizer
    texts = tokens(["", prompt.text], padding="max_length", return_tensors="np").input_ids
    context = opened["words"].run(None, {"ids": texts.astype(np.int32)})[0]
    x = wanted.latents[0].numpy()
    probes = runs.read_probes(run, torch.device("cpu"))
    nothing = np.zeros((1, 4, *model.resolution), dtype=np.float32)
    for step, plan in enumerate(page["steps"]):
        scalars = {
            "timestep": plan["timestep"],
            "strength": painting.STRENGTH_ALONE * (step < SPAN),
            "push": 0.5,
        }
        out, *reads = opened["step"].run(
            None,
            {
                "latents": x,
                "context": context,
                "step": np.array(step, dtype=np.int32),
                "targets": np.concatenate([target.numpy(), nothing], axis=1),
                "asked": np.eye(1, 5, dtype=np.float32)[0],
                "where": np.ones_like(target.numpy()),
                **{name: np.array(value, dtype=np.float32) for name, value in scalars.items()},
            },
        )
        for (name, read), seen in zip(page["reads"].items(), reads, strict=True):
            layer = next(each for each in wanted.activations if each.name == read["layer"])
            expected = probes[name, layer.name, step](wanted.activations[layer][step])
            # Weights of half precision move readings of probes with hardly any penalty so far.
            np.testing.assert_allclose(seen, expected.numpy(), atol=0.05)
        out = out[:1] + GUIDANCE * (out[1:] - out[:1])
        clean = plan["clean"][0] * x + plan["clean"][1] * out
        np.testing.assert_allclose(clean, wanted.estimates[step].numpy(), atol=0.05)
        x = plan["next"][0] * x + plan["next"][1] * out
    picture = opened["picture"].run(None, {"latents": x})[0]
    assert psnr(picture, wanted.images.numpy()) > 45
    plain = trace(model, [prompt], steps=STEPS, guidance=GUIDANCE).images
    assert psnr(plain.numpy(), wanted.images.numpy()) < 35, "The edit changes next to nothing."


def test_words_and_pictures_are_those_of_the_model(model):
    tokens = model.pipeline.tokenizer
    ids = tokens(["fog", "a cone"], padding="max_length", return_tensors="pt").input_ids
    session = onnxruntime.InferenceSession(word_graph(model))
    seen = session.run(None, {"ids": ids.numpy().astype(np.int32)})[0]
    expected = model.pipeline.text_encoder(ids)[0].detach().numpy()
    np.testing.assert_allclose(seen, expected, atol=0.01)
    session = onnxruntime.InferenceSession(picture_graph(model))
    latents = trace(model, [Prompt("fog", 1)], steps=2, guidance=1.0)
    seen = session.run(None, {"latents": latents.final.numpy()})[0]
    assert psnr(seen, latents.images.numpy()) > 50


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction", "sample"])
def test_four_numbers_a_step_are_the_scheduler(prediction):
    scheduler = worlds.ddim(prediction_type=prediction, timestep_spacing="trailing")
    latents = torch.randn(1, 4, 8, 8, generator=torch.Generator().manual_seed(0))
    scheduler.set_timesteps(5)
    for timestep, plan in zip(scheduler.timesteps, plan_steps(scheduler, 5), strict=True):
        out = latents.flip(-1) * 0.5
        stepped = scheduler.step(out, timestep, latents)
        (a, b), (c, d) = plan["next"], plan["clean"]
        torch.testing.assert_close(a * latents + b * out, stepped.prev_sample)
        torch.testing.assert_close(c * latents + d * out, stepped.pred_original_sample)
        latents = stepped.prev_sample


def test_what_no_browser_can_run_is_said(model, monkeypatch):
    layers, settings = find_layers(model), {"properties": ["saliency", "depth"]}
    assert reason_against(model, settings, layers) == ""
    flow = worlds.flow_model()
    assert "not StableDiffusion3Pipeline" in reason_against(flow, settings, find_layers(flow))
    clipped = worlds.model(scheduler=worlds.ddim(thresholding=True))
    assert "DDIM scheduler that clips nothing" in reason_against(clipped, settings, layers)
    assert "no probes of saliency" in reason_against(model, {"properties": ["depth"]}, layers)
    down = [layer for layer in layers if layer.name.startswith("down")]
    assert "no probes of saliency" in reason_against(model, settings, down)
    monkeypatch.setattr(painting, "LARGEST_BYTES", 1000)
    assert "0 MB is the most" in reason_against(model, settings, layers)
    monkeypatch.setattr(painting, "find_spec", lambda _name: None)
    assert "pip install 'underpaint[paint]'" in reason_against(model, settings, layers)


def test_a_site_without_its_model_says_why_and_ships_no_runtime(run, model, tmp_path, monkeypatch):
    monkeypatch.setattr(painting, "LARGEST_BYTES", 1000)
    said, folder = [], tmp_path / "site"
    nothing = {"prompts": 0, "progress": lambda *_: None}
    export(run, folder, again=lambda: plan(model), paint=True, say=said.append, **nothing)
    assert len(said) == 1
    assert said[0].startswith("No paint view: the weights are")
    assert json.loads((folder / "data" / "run.json").read_text())["has"]["paint"] is False
    assert not (folder / "data" / "paint").exists()
    assert not list(folder.rglob("*.wasm"))


def test_a_site_with_its_model_is_small_enough_to_download(site):
    runtimes = [path.stat().st_size for path in site.rglob("*.wasm")]
    assert len(runtimes) == 2
    assert painting.LARGEST_BYTES + max(runtimes) < 60e6


def test_words_are_offered_where_every_prompt_is_of_the_grammar():
    offered = grammar(map(str, CAPTIONS))
    for caption in CAPTIONS[::97]:
        spoken = {part: words[getattr(caption, part)] for part, words in offered["parts"].items()}
        assert offered["template"].format(**spoken) == str(caption)
    assert grammar([str(CAPTIONS[0]), "fog"]) is None


def test_maps_of_three_targets_are_drawn_in_their_own_colours(run, model):
    prompt = Prompt("a red cone", 5, 0)
    _, position = runs.read_moments(run, torch.device("cpu"))
    probes = runs.read_probes(run, torch.device("cpu"))
    [shown] = show_anew(plan(model), [prompt], probes, position)
    sheets = draw_sheets(shown, READ)
    picture = trace(model, [prompt], steps=STEPS, guidance=GUIDANCE).images[0]
    side = picture.shape[-1]
    assert sheets.notes["maps"]["albedo"]["targets"] == 3
    assert sheets.images["albedo-probe.webp"].mode == "RGB"
    assert sheets.images["shading.webp"].mode == "L"
    sheet = np.asarray(sheets.images["albedo.webp"])
    assert sheet.shape == (3 * side, STEPS * side, 3)
    label = sheet[2 * side :, :side] / 255  # this labeler's albedo is the picture itself
    np.testing.assert_allclose(label, picture.permute(1, 2, 0).numpy(), atol=0.01)


@pytest.fixture(scope="module")
def address(site):
    with server_for(site.parent, port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/site/"
        server.shutdown()


def canvas(page, selector):
    """Read a canvas back, as RGBA."""
    page.evaluate(DRAWN)
    read = "(canvas) => canvas.toDataURL('image/png').split(',')[1]"
    encoded = page.locator(selector).evaluate(read)
    return np.asarray(Image.open(io.BytesIO(base64.b64decode(encoded))).convert("RGBA"))


def masked(page):
    """Read the mask back, as an edit takes it."""
    return torch.from_numpy(canvas(page, "canvas.mask")[..., 3] > 0).float()[None, None]


PAINT = """() => new Promise((done) => {
  const status = document.querySelector('.status');
  let isBegun = false;
  new MutationObserver((_, observer) => {
    isBegun ||= status.textContent.startsWith('Painting');
    if (!isBegun || status.textContent.startsWith('Painting')) return;
    observer.disconnect();
    done(status.textContent);
  }).observe(status, { childList: true, subtree: true, characterData: true });
  document.querySelector('.primary').click();
})"""
STOPPED = PAINT.replace(
    "click();", "click(); setTimeout(() => document.querySelector('.primary').click(), 20);"
)
"""Click, and give what is said at the end: watched inside the page, for a small model is fast."""


@pytest.fixture(scope="module")
def page(browser, address):
    """Open the view once, with a prompt and a seed, and let it paint without a mask."""
    opened = browser.new_page(viewport={"width": 390, "height": 800})
    asked, errors = [], []
    opened.on("request", lambda request: asked.append(request.url))
    opened.on("pageerror", lambda error: errors.append(str(error)))
    opened.goto(address)
    opened.wait_for_selector("h1")
    assert not [url for url in asked if "paint" in url or "wasm" in url], "Fetched too early."
    opened.goto(f"{address}#/paint?text=A+red++c%C3%B4ne+7&seed=7000000001")
    opened.wait_for_selector(".primary")
    assert not [url for url in asked if ".onnx" in url or "wasm" in url], "Fetched unasked."
    assert opened.locator("img.still").count() == 0  # no stored picture is of these words
    opened.get_by_role("button", name="Load the painter").click()
    opened.locator(".status", has_text="Painted in").wait_for(timeout=60_000)
    assert "Drag the object" in opened.inner_text(".status")
    opened.get_by_role("button", name="Draw", exact=True).click()
    opened.get_by_label("Paint when I let go").uncheck()
    yield opened
    assert errors == []
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)
    opened.close()


def first_nearest(maps, known):
    """Spread as the page does: of pixels that are equally near, the first. SciPy leaves it open."""
    if not known.any():
        return maps
    places = known.nonzero().double()
    rows, cols = torch.meshgrid(*(torch.arange(n) for n in known.shape), indexing="ij")
    own = torch.stack([rows.flatten(), cols.flatten()], dim=1).double()
    squared = (own[:, None] - places[None]).square().sum(dim=2)
    row, col = places[squared.argmin(dim=1)].long().T
    return maps[..., row.view(known.shape), col.view(known.shape)]


def test_a_browser_paints_what_python_paints(page, run, model, monkeypatch):
    monkeypatch.setattr(targets, "_spread", first_nearest)
    prompt = Prompt("A red  cône 7", 7000000001)
    plain = trace(model, [prompt], steps=STEPS, guidance=GUIDANCE).images[0].permute(1, 2, 0)
    assert psnr(canvas(page, "canvas.picture")[..., :3] / 255, plain.numpy()) > 35

    page.get_by_role("button", name="Object's mask").click()
    own = masked(page)
    assert own.any()
    page.get_by_role("button", name="Clear").click()
    page.get_by_role("button", name="Add oval").click()
    page.locator(".board").focus()
    for key in ("ArrowLeft", "ArrowLeft", "ArrowUp", "ArrowUp", "+"):
        page.keyboard.press(key)
    mask = masked(page)
    assert 0.05 < mask.mean() < 0.5
    assert page.evaluate(PAINT).startswith("Painted in")
    assert "overlaps your mask by" in page.inner_text(".verdict")
    page.locator(".wipe input").fill("0.5")
    before = canvas(page, ".board .before canvas")[..., :3] / 255
    assert psnr(before, plain.numpy()) > 35  # the picture without the mask, over the left half
    assert "50%" in page.locator(".board .before").evaluate("(each) => each.style.clipPath")
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save before and after").click()
    assert saved.value.suggested_filename == "a-red-cône-7-7000000001-before-after.png"
    with Image.open(saved.value.path()) as card:
        assert card.size == (1024, 588)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save GIF").click()
    assert saved.value.suggested_filename == "a-red-cône-7-7000000001.gif"
    after = canvas(page, "canvas.picture")[..., :3] / 255
    with Image.open(saved.value.path()) as moving:
        assert (moving.format, moving.size, moving.n_frames) == ("GIF", (512, 294), STEPS + 1)
        moving.seek(STEPS)
        last = moving.convert("RGB")
    for left, wanted in ((0, plain.numpy()), (256, after)):
        half = last.crop((left, 0, left + 256, 256)).resize(after.shape[1::-1])
        assert psnr(np.asarray(half) / 255, wanted) > 25  # of 256 colours
    with_looks = canvas(page, "canvas.picture")[..., :3] / 255
    page.get_by_text("How hard, how long").click()
    page.get_by_label("The object takes its looks along").uncheck()
    assert page.evaluate(PAINT).startswith("Painted in")
    alone = canvas(page, "canvas.picture")[..., :3] / 255
    page.get_by_label("The object takes its looks along").check()
    for seen, looks in ((with_looks, own), (alone, None)):
        wanted = in_python(run, model, prompt, page_taps(run, model, prompt, mask, looks))
        assert psnr(seen, wanted) > 35
        assert psnr(plain.numpy(), wanted) < 35, "The edit changes next to nothing."
    assert psnr(alone, with_looks) < 35


def test_undo_brings_masks_back(page):
    page.get_by_role("button", name="Clear").click()
    assert not canvas(page, "canvas.mask")[..., 3].any()
    page.get_by_role("button", name="Undo").click()
    before = canvas(page, "canvas.mask")[..., 3] > 0
    assert before.any()
    page.locator("canvas.mask").scroll_into_view_if_needed()
    box = page.locator("canvas.mask").bounding_box()
    page.mouse.move(box["x"] + 0.8 * box["width"], box["y"] + 0.8 * box["height"])
    page.mouse.down()
    page.mouse.move(box["x"] + 0.9 * box["width"], box["y"] + 0.8 * box["height"])
    page.mouse.up()
    drawn = canvas(page, "canvas.mask")[..., 3] > 0
    assert drawn[12:14, 13].any()
    page.locator(".board").focus()
    page.keyboard.press("Control+z")
    assert ((canvas(page, "canvas.mask")[..., 3] > 0) == before).all()


def test_a_picture_can_be_stopped_and_saved(page):
    said = (page.evaluate(STOPPED) for _ in range(5))  # a busy machine may be late with the click
    assert any(each.startswith("Stopped after step") for each in said)
    with page.expect_download() as saved:
        page.get_by_role("button", name="Save PNG").click()
    assert saved.value.suggested_filename == "a-red-cône-7-7000000001.png"


def test_mask_and_picture_are_still_there_after_another_view(page, address):
    before = canvas(page, "canvas.mask"), canvas(page, "canvas.picture")
    here = page.evaluate("location.hash")
    page.evaluate("location.hash = '#/data'")
    page.wait_for_selector("main.data h1")
    page.evaluate(f"location.hash = {json.dumps(here)}")
    page.wait_for_selector("canvas.mask")
    assert "Load the painter" not in page.inner_text(".stage")
    after = canvas(page, "canvas.mask"), canvas(page, "canvas.picture")
    for one, other in zip(before, after, strict=True):
        assert (one == other).all()
    page.get_by_label("Paint when I let go").uncheck()


def test_a_link_holds_words_seed_and_mask(page, browser, address):
    page.get_by_role("button", name="Copy link").click()
    edge = canvas(page, "canvas.mask")[..., 3] > 0  # where a picture has the mask, its outline
    link = page.evaluate("location.href")
    assert "mask=" in link
    other = browser.new_page(viewport={"width": 390, "height": 800})
    other.goto(link)
    other.wait_for_selector("canvas.mask")
    filled = canvas(other, "canvas.mask")[..., 3] > 0
    assert edge.any()
    assert filled[edge].all()
    assert filled.sum() >= edge.sum()
    other.get_by_role("button", name="Copy link").click()
    assert other.evaluate("location.href") == link
    other.goto(link + "&embed=true")
    other.wait_for_selector("canvas.mask")
    assert other.locator("header").count() == other.locator("footer").count() == 0
    other.close()


def test_a_swipe_over_the_picture_scrolls_until_a_finger_is_to_draw(browser, address):
    context = browser.new_context(viewport={"width": 390, "height": 800}, has_touch=True)
    phone = context.new_page()
    phone.goto(f"{address}#/paint")
    phone.wait_for_selector("canvas.mask")
    action = "getComputedStyle(document.querySelector('canvas.mask')).touchAction"
    assert phone.evaluate(action) == "auto"
    phone.evaluate("document.querySelector('.touching').click()")
    wait = "getComputedStyle(document.querySelector('canvas.mask')).touchAction === 'none'"
    phone.wait_for_timeout(100)
    assert phone.evaluate(wait)
    context.close()


def test_the_view_is_usable_by_all(page):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    serious = [each["id"] for each in found if each["impact"] in ("serious", "critical")]
    assert serious == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


def test_hostile_words_stay_words(page, address):
    page.goto(f"{address}#/paint?text=%3Cimg+src%3Dx+onerror%3Dalert(1)%3E+%F0%9F%8E%88&seed=junk")
    assert page.locator("img[src=x]").count() == 0
    assert page.locator(".own").input_value().startswith("<img src=x")
