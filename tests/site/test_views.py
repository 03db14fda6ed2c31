"""Views of what few runs have, on a small site made by hand: crossed draws, splits, gaps."""

import json
import shutil
import threading

import pytest
from PIL import Image

from underpaint.site.folder import STATIC
from underpaint.site.numbers import page_numbers
from underpaint.site.serving import server_for

STEPS, LAYERS = 4, ("up.0", "up.1")
SEEN = (1, 4)


def point(mean):
    spread = None if mean is None else 0.05
    return {
        "mean": mean,
        "low": None if spread is None else mean - spread,
        "high": None if spread is None else mean + spread,
        "undefined": 0,
    }


def source(means, **more):
    by_step = [point(mean) for mean in means]
    return {"layer": "up.0", "by_step": by_step, "final": by_step[-1], "onset": None, **more}


def summary():
    step = {"step": 2, "low": 2, "high": 3}
    found = {
        "metric": "spearman",
        "best_layer": "up.0",
        "bar": 0.5,
        "sources": {
            "probe": source([0.2, 0.5, 0.6, 0.7], reached=step),
            "image": source([0.1, 0.2, 0.6, 0.9]),
            "estimate": source([0.3, None, None, 0.9], seen=list(SEEN)),
        },
        "lead": {"image": {"steps": 1, "low": 0, "high": 2}, "estimate": None},
        "crossover": {"image": None, "estimate": None},
        "layers": {name: {"by_step": [point(0.1 * at) for at in range(STEPS)]} for name in LAYERS},
    }
    return {
        "model": "small",
        "steps": STEPS,
        "noise": [None, 2.0, 1.0, 0.5],
        "images": {"train": 8, "validation": 4, "test": 2},
        "properties": {"depth": found},
    }


def crossed():
    shares = [
        {"caption": point(0.1 * at), "noise": point(0.6 - 0.1 * at), "meeting": point(0.4)}
        for at in range(STEPS)
    ]
    own = {"label": shares[-1], "layers": {name: {"by_step": shares} for name in LAYERS}}
    return {"captions": 3, "noises": 5, "properties": {"depth": own}}


def split():
    return {
        "count": 6,
        "properties": {
            "depth": {
                "sources": {"probe": {"final": {"mean": 0.71, "sd": 0.012}, "layers": LAYERS}}
            }
        },
    }


@pytest.fixture
def served(tmp_path):
    """Serve a small site with these parts of a summary; give its address."""
    servers = []

    def serve(recognition=None, **parts):
        site = tmp_path / "site"
        ignored = shutil.ignore_patterns("*.wasm", "build.json", "widget.js")
        shutil.copytree(STATIC, site, ignore=ignored)
        settings = {"model": "small", "layers": list(LAYERS)}
        whole = {**summary(), **parts}
        page = page_numbers(settings, whole, layers=(), files=[], version="0")
        page["has"] = {"edits": False, "recognition": recognition is not None}
        row = {
            "index": 0, "text": "a cone", "seed": 1, "has_maps": False,
            "thumb": {"sheet": 0, "place": 0},
            "scores": {
                "depth": {"estimate": [0.3, None, None, 0.9], "probe": [0.2, 0.5, 0.6, 0.7]}
            },
        }  # fmt: skip
        files = {"run": page, "drawn": [], "prompts": [row]}
        if recognition is not None:
            files["recognition"] = recognition
        for name, value in files.items():
            path = site / "data" / f"{name}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(json.dumps(value))
        for name in ("thumbs/0", "images/00000"):
            (site / "data" / name).parent.mkdir()
            Image.new("RGB", (128, 128)).save(site / "data" / f"{name}.webp")
        server = server_for(site, port=0)
        servers.append(server)
        threading.Thread(target=server.serve_forever, daemon=True).start()
        return f"http://localhost:{server.server_port}/"

    yield serve
    for server in servers:
        server.shutdown()
        server.server_close()


def serious(page):
    from axe_playwright_python.sync_playwright import Axe

    found = Axe().run(page).response["violations"]
    return [each["id"] for each in found if each["impact"] in ("serious", "critical")]


@pytest.mark.parametrize("width", [390, 1200])
def test_shares_and_splits_are_shown_with_their_numbers(browser, served, width):
    address = served(cross=crossed(), splits=split())
    page = browser.new_page(viewport={"width": width, "height": 800})
    page.goto(f"{address}#/layers?layer=up.1")
    page.wait_for_selector(".crossed .chart svg")
    # An interval of a share may end beyond 0 and 1, its band not beyond the axis.
    assert page.locator(".crossed .chart [aria-label=area][clip-path]").count() == 1
    said = page.inner_text(".crossed")
    assert "3 captions were each drawn from the same 5 noises" in said
    rows = page.locator(".crossed tbody tr").all_inner_texts()
    assert [row.split()[0] for row in rows] == ["1", "2", "3", "4", "the"]
    assert rows[2].split("\t")[1:] == ["20% [15%, 25%]", "40% [35%, 45%]", "40% [35%, 45%]"]
    assert "depth at up.1" in page.inner_text(".crossed caption")
    row = page.inner_text(".splits tbody tr").split("\t")
    assert row == ["probe", "0.71", "0.012", "0.026", "up.0, up.1"]
    assert serious(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    page.close()


def test_what_was_not_asked_is_not_shown(browser, served):
    page = browser.new_page()
    page.goto(f"{served()}#/layers")
    page.wait_for_selector(".chart svg")
    assert page.locator(".crossed, .splits").count() == 0
    assert "Recognition" not in page.locator("nav a").all_inner_texts()
    page.close()


def test_a_curve_with_gaps_has_gaps_and_says_so(browser, served):
    page = browser.new_page()
    page.goto(served())
    page.wait_for_selector(".found .chart svg")
    said = page.inner_text(".found .gaps")
    assert said.startswith("Gaps: estimate: looked at at steps 1, 4 alone")
    dots = page.locator(".found .chart svg g[aria-label=dot] circle").count()
    assert dots == len(SEEN)  # of the line with gaps alone
    lines = page.locator(".found .chart svg g[aria-label=line] path")
    assert sorted(lines.nth(at).get_attribute("d").count("L") for at in range(3)) == [0, 3, 3]
    table = page.inner_text(".leads")
    assert "not measurably different (0 to 2 later)" in table
    page.goto(f"{page.url.split('#')[0]}#/examples?prompt=0")
    page.wait_for_selector(".gaps")
    assert "not measured at these steps (estimate)" in page.inner_text(".gaps")
    assert serious(page) == []
    page.close()


def test_a_class_that_was_not_asked_for_is_not_a_miss(browser, served):
    classes = [
        {"class": "ball", "by_step": [0.2, None, None, 0.1]},
        {"class": "cone", "by_step": [0.1, None, None, 0.8]},
    ]
    picture = {"probabilities": {"image": classes}, "hits": {"image": [0, None, None, 1]}}
    page = browser.new_page()
    page.goto(f"{served({'pictures': {'0': picture}}, classify=classified())}#/recognition?step=2")
    page.wait_for_selector(".hits")
    marks = page.locator(".hits tbody td span")
    labels = [marks.nth(at).get_attribute("aria-label") for at in range(STEPS)]
    assert labels == ["no", "not measured", "not measured", "yes"]
    assert "– is not measured" in page.inner_text(".hits caption")
    assert "not measured" in page.inner_text("p[aria-live]")
    assert serious(page) == []
    page.close()


def classified():
    means = [0.2, None, None, 0.9]
    image = {**source(means), "chance": point(0.5), "stays": {**point(2.0), "median": 2}}
    return {"namer": "n", "classes": ["ball", "cone"], "left_out": 0, "sources": {"image": image}}
