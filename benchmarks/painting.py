"""Paint in a headless browser, and compare with the same painting in Python.

    python benchmarks/painting.py RUN [--threads one] [--screenshot PNG]

RUN is a run whose site has the paint view. Prints, as JSON: bytes fetched, seconds until the first
step is shown and until the picture is done, and the PSNR of both pictures, without and with a mask.
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
from PIL import Image
from playwright.sync_api import Page, sync_playwright

from underpaint import runs
from underpaint.edits import Edit, taps
from underpaint.layers import find_layers
from underpaint.models import load
from underpaint.moments import merge
from underpaint.prompts import Prompt
from underpaint.site import painting, server_for, serving
from underpaint.traces import trace

MOVES = ("ArrowRight",) * 6 + ("ArrowUp",) * 2


def main() -> None:
    """Measure one run's site."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("run", type=Path)
    parser.add_argument("--threads", choices=("all", "one"), default="all")
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
            executable_path=shutil.which("chromium"), args=["--no-sandbox"]
        )
        query = urlencode({"text": prompt.text, "seed": prompt.seed})
        address = f"http://localhost:{server.server_port}/#/paint?{query}"
        found, plain, edited, mask = _paint(browser.new_page(), address, chosen.screenshot)
        browser.close()
        server.shutdown()
    found["psnr_plain"] = _psnr(plain, _in_python(run, page, prompt, None))
    found["psnr_masked"] = _psnr(edited, _in_python(run, page, prompt, mask))
    print(json.dumps(found, indent=1))


def _paint(
    page: Page, address: str, screenshot: Path | None
) -> tuple[dict, np.ndarray, np.ndarray, np.ndarray]:
    sizes: list[int] = []
    page.on("response", lambda answer: sizes.append(int(answer.headers["content-length"])))
    page.set_viewport_size({"width": 1200, "height": 1100})
    begun = time.perf_counter()
    page.goto(address)
    page.locator(".primary", has_text="Stop").wait_for(timeout=300_000)
    seconds_ready = time.perf_counter() - begun
    _finish(page)
    plain = _canvas(page, "canvas.picture")[..., :3]
    page.get_by_role("button", name="Object's mask").click()
    page.locator(".board").focus()
    for key in MOVES:
        page.keyboard.press(key)
    mask = _canvas(page, "canvas.mask")[..., 3] > 0
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
    return found, plain / 255, _canvas(page, "canvas.picture")[..., :3] / 255, mask


def _finish(page: Page) -> None:
    page.locator(".status", has_text="Painted in").wait_for(timeout=300_000)


def _canvas(page: Page, selector: str) -> np.ndarray:
    read = "(canvas) => canvas.toDataURL('image/png').split(',')[1]"
    encoded = base64.b64decode(page.locator(selector).evaluate(read))
    return np.asarray(Image.open(io.BytesIO(encoded)).convert("RGBA"))


def _in_python(run: runs.Run, page: dict, prompt: Prompt, mask: np.ndarray | None) -> np.ndarray:
    settings, cpu = runs.read_json(run.settings), torch.device("cpu")
    model = load(settings["model"], device="cpu", dtype="float32")
    edits = None
    if mask is not None:
        target = torch.from_numpy(mask).float()[None, None]
        schedule = dict.fromkeys(range(page["edit"]["steps"]), painting.STRENGTH)
        edit = Edit({"saliency": target}, schedule, unconditional=painting.PUSH)
        sums = reduce(merge, runs.read_moments(run, cpu)[0].values())
        layers = [each for each in find_layers(model) if each.name.startswith(("up.2.", "up.3."))]
        edits = taps(edit, runs.read_probes(run, cpu), sums, layers=layers)
    steps, guidance = settings["steps"], settings["guidance"]
    images = trace(model, [prompt], steps=steps, guidance=guidance, edits=edits).images
    return images[0].permute(1, 2, 0).numpy()


def _psnr(one: np.ndarray, other: np.ndarray) -> float:
    return round(-10 * math.log10(float(((one - other) ** 2).mean()) + 1e-12), 1)


if __name__ == "__main__":
    main()
