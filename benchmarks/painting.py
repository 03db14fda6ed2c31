"""Paint in a headless browser, and compare with the same painting in Python.

    python benchmarks/painting.py RUN [--threads one] [--screenshot PNG]

RUN is a run whose site has the paint view. Prints, as JSON: bytes fetched, seconds until the first
step is shown and until the picture is done, and the PSNR of both pictures, without and with a mask:
the object's own, moved, which takes its looks along.
`--runtime webgpu` takes the way of a GPU, played by software: for the answer, not the time.
`--threads one` serves the site as hosts do that do not isolate pages.
"""

import argparse
import base64
import io
import json
import math
import shutil
import threading
import time
from functools import reduce
from pathlib import Path
from urllib.parse import urlencode

import numpy as np
import torch
from jaxtyping import Float
from PIL import Image
from playwright.sync_api import Page, sync_playwright
from torch import Tensor

from underpaint.core.arrays import to_image
from underpaint.core.prompts import Prompt
from underpaint.models import Model, load
from underpaint.models.capture import Tap
from underpaint.models.layers import Layer, find_layers
from underpaint.models.traces import trace
from underpaint.probes.moments import merge
from underpaint.runs import runs
from underpaint.site import painting, serving
from underpaint.site.serving import server_for
from underpaint.steering.aims import aim_at_drawn
from underpaint.steering.edits import Edit, taps

SOFTWARE_GPU = (
    "--enable-unsafe-webgpu",
    "--use-webgpu-adapter=swiftshader",
    "--enable-features=Vulkan",
)
DRAWN = "() => new Promise((drawn) => requestAnimationFrame(() => requestAnimationFrame(drawn)))"
"""What was clicked is on the canvas two frames later."""
MOVES = ("ArrowRight",) * 6 + ("ArrowUp",) * 2


def main() -> None:
    """Measure one run's site."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--threads", choices=("all", "one"), default="all")
    parser.add_argument("--runtime", choices=("webgpu", "wasm"), help="Software plays the GPU.")
    parser.add_argument("--screenshot", type=Path)
    chosen = parser.parse_args()
    if chosen.threads == "one":
        serving.ISOLATED = {}
    run = runs.find_run(chosen.run)
    page = runs.read_json(run.folder / "site" / "data" / "paint" / "paint.json")
    prompt = Prompt(page["prompts"][0]["text"], int(page["prompts"][0]["seed"]))
    with server_for(run.folder / "site", port=0) as server, sync_playwright() as playwright:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        browser = playwright.chromium.launch(
            executable_path=shutil.which("chromium"),
            args=["--no-sandbox", *(SOFTWARE_GPU if chosen.runtime == "webgpu" else ())],
        )
        asked = {"text": prompt.text, "seed": prompt.seed, "runtime": chosen.runtime or ""}
        query = urlencode(asked)
        address = f"http://localhost:{server.server_port}/#/paint?{query}"
        found, plain, edited, mask, own = _paint(browser.new_page(), address, chosen.screenshot)
        browser.close()
        server.shutdown()
    settings = runs.read_json(run.settings)
    model = load(settings["model"], device="cpu", dtype="float32")
    found["psnr_plain"] = _psnr(plain, in_python(run, model, prompt))
    edits = page_taps(run, model, prompt, mask, own)
    found["psnr_masked"] = _psnr(edited, in_python(run, model, prompt, edits))
    print(json.dumps(found, indent=1))


def _paint(
    page: Page, address: str, screenshot: Path | None
) -> tuple[dict, np.ndarray, np.ndarray, Tensor, Tensor]:
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(int(answer.headers["content-length"])))
    page.set_viewport_size({"width": 1200, "height": 1100})
    begun = time.perf_counter()
    page.goto(address)
    page.get_by_role("button", name="Load the painter").click()
    page.locator(".primary", has_text="Stop").wait_for(timeout=300_000)
    seconds_ready = time.perf_counter() - begun
    _finish(page)
    plain = _canvas(page, "canvas.picture")[..., :3]
    page.get_by_role("button", name="Object's mask").click()
    own = _mask(page)
    page.locator(".board").focus()
    for key in MOVES:
        page.keyboard.press(key)
    mask = _mask(page)
    begun = time.perf_counter()
    page.get_by_role("button", name="Paint", exact=True).click()
    page.locator(".scrub", has_text="Step 1 of").wait_for(timeout=300_000)
    first = time.perf_counter() - begun
    _finish(page)
    done = time.perf_counter() - begun
    if screenshot is not None:
        page.screenshot(path=screenshot)
    note = page.locator(".more > .note").inner_text()
    found = {
        "runtime": note.rpartition("Runs on ")[2].rstrip("."),
        "bytes": sum(sizes),
        "seconds_ready": round(seconds_ready, 2),
        "seconds_first_step": round(first, 2),
        "seconds": round(done, 2),
    }
    return found, plain / 255, _canvas(page, "canvas.picture")[..., :3] / 255, mask, own


def _mask(page: Page) -> Tensor:
    return torch.from_numpy(_canvas(page, "canvas.mask")[..., 3] > 0).float()[None, None]


def _finish(page: Page) -> None:
    page.locator(".status", has_text="Painted in").wait_for(timeout=300_000)


def _canvas(page: Page, selector: str) -> np.ndarray:
    page.evaluate(DRAWN)
    read = "(canvas) => canvas.toDataURL('image/png').split(',')[1]"
    encoded = base64.b64decode(page.locator(selector).evaluate(read))
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGBA"))


def page_taps(
    run: runs.Run,
    model: Model,
    prompt: Prompt,
    mask: Float[Tensor, "1 1 height width"],
    own: Float[Tensor, "1 1 height width"] | None,
) -> dict[Layer, Tap]:
    """Make the taps that paint a mask as the page does, by the settings that it was given.

    Args:
        own: The object that the picture has without the mask, to take its looks along; None for
            the mask alone.
    """
    settings, cpu = runs.read_json(run.settings), torch.device("cpu")
    page = runs.read_json(run.folder / "site" / "data" / "paint" / "paint.json")
    how = page["edit"]
    carried = [each["name"] for each in how["moved"]][1:]
    probes = runs.read_probes(run, cpu)
    sums = reduce(merge, runs.read_moments(run, cpu)[0].values())
    layers = find_layers(model)
    last = settings["steps"] - 1
    steps = {"steps": settings["steps"], "guidance": settings["guidance"]}
    targets, where = {"saliency": mask}, None
    if own is not None:
        seen = trace(model, [prompt], **steps, layers=layers).activations
        by_name = {layer.name: activation[last] for layer, activation in seen.items()}
        there = {"saliency": own}
        for name in carried:
            layer = page["reads"][name]["layer"]
            read = probes[name, layer, last](by_name[layer]).float()
            there[name] = to_image(read, model.resolution)
        targets, where = aim_at_drawn(mask, there, carried)
    strength = how["strength_alone" if own is None else "strength"]
    edit = Edit(
        targets,
        dict.fromkeys(range(how["steps"]), strength),
        held=tuple(name for name in carried if name not in targets),
        where=where,
        unconditional=how["push"],
    )
    return taps(edit, probes, sums, layers=painting.edited_layers(layers))


def in_python(
    run: runs.Run, model: Model, prompt: Prompt, edits: dict[Layer, Tap] | None = None
) -> np.ndarray:
    """Generate a picture with everything in Python: row by column by channel, in 0..1."""
    settings = runs.read_json(run.settings)
    steps = {"steps": settings["steps"], "guidance": settings["guidance"]}
    return trace(model, [prompt], **steps, edits=edits).images[0].permute(1, 2, 0).numpy()


def _psnr(one: np.ndarray, other: np.ndarray) -> float:
    return round(-10 * math.log10(float(((one - other) ** 2).mean()) + 1e-12), 1)


if __name__ == "__main__":
    main()
