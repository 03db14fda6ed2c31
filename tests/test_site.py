"""A run as a website: what is written, who may read it, and that a real browser shows it."""

import csv
import hashlib
import json
import shutil
import threading
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from click.testing import CliRunner

from underpaint import runs
from underpaint.cli import main
from underpaint.errors import RunError
from underpaint.site import export, find_site, server_for
from underpaint.site.export import STATIC
from underpaint.site.numbers import spread_over

WEB = Path(__file__).parent.parent / "web"
HOSTILE = "<img src=x onerror=\"document.title='broken'\"> 🎈 שלום " + "a red cone " * 900
VIEWS = ("#/", "#/explorer", "#/layers", "#/examples", "#/data")


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    out = tmp_path_factory.mktemp("site") / "out"
    words = ["run", str(out), "--count", "24", "--steps", "3", "--quick", "--batch", "12"]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("underpaint.site.painting.find_spec", lambda _name: None)
        result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    assert "No paint view: onnx is not installed." in result.output
    assert find_site(out) == out / "site"
    with (out / "prompts.csv").open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    next(row for row in rows if row["split"] == "test")["prompts"] = HOSTILE
    with (out / "prompts.csv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)
    shutil.rmtree(out / "site")
    words = ["export", str(out), str(out / "site"), "--prompts", "99", "--no-paint"]
    result = CliRunner().invoke(main, words)
    assert result.exit_code == 0, result.output
    return out / "site"


@pytest.fixture(scope="module")
def address(site):
    # One folder up: the page must work below a path.
    with server_for(site.parent, port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://localhost:{server.server_port}/site/"
        server.shutdown()


def read(path):
    return json.loads(path.read_text(encoding="utf-8"))


def test_the_built_page_is_that_of_the_source():
    files = [path for path in (WEB / "src").rglob("*") if path.is_file()]
    tops = ("index.html", "package.json", "package-lock.json", "tsconfig.json", "vite.config.ts")
    names = sorted(path.relative_to(WEB).as_posix() for path in [*files, *(WEB / t for t in tops)])
    seen = hashlib.sha256()
    for name in names:
        seen.update(f"{name}\n".encode() + (WEB / name).read_bytes())
    stamp = json.loads((STATIC / "build.json").read_text())
    assert stamp["sources"] == f"sha256:{seen.hexdigest()}", "Run `npm run build` in web/."


def test_a_site_holds_every_test_prompt_and_the_runs_own_numbers(site):
    page, rows = read(site / "data" / "run.json"), read(site / "data" / "prompts.json")
    summary = runs.read_json(site.parent / "summary.json")
    assert len(rows) == summary["images"]["test"]
    assert HOSTILE in [row["text"] for row in rows]
    for name, found in summary["properties"].items():
        final = page["summary"]["properties"][name]["sources"]["probe"]["final"]["mean"]
        assert final == pytest.approx(found["sources"]["probe"]["final"]["mean"], abs=1e-4)
    assert all((site / "downloads" / name).is_file() for name in page["files"])


def test_scores_of_maps_are_those_of_the_table(site):
    page = read(site / "data" / "run.json")["summary"]["properties"]
    for row in read(site / "data" / "prompts.json"):
        maps = read(site / "data" / "maps" / f"{row['index']:05d}" / "maps.json")
        for name, found in page.items():
            layer = found["best_layer"]
            assert maps["scores"][name][layer] == row["scores"][name]["probe"]


def test_a_folder_that_is_no_site_is_left_alone(site, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(RunError, match="is in use and holds no site"):
        export(
            runs.find_run(site.parent), tmp_path, model=None, prompts=0, progress=lambda *_: None
        )
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_chosen_prompts_are_spread_from_worst_to_best():
    rows = [{"scores": {"saliency": {"probe": [place / 10, None]}}} for place in range(11)]
    assert spread_over(rows, 3) == [0, 5, 10]
    assert spread_over(rows[:1], 12) == [0]
    assert spread_over(rows, 0) == []


def test_a_name_that_is_not_loopbacks_is_refused(address):
    assert urllib.request.urlopen(address).status == 200
    request = urllib.request.Request(address, headers={"Host": "example.org"})
    with pytest.raises(urllib.error.HTTPError, match="421"):
        urllib.request.urlopen(request)


@pytest.mark.parametrize("scheme", ["light", "dark"])
@pytest.mark.parametrize("width", [390, 1200])
def test_every_view_works_with_nothing_from_elsewhere(browser, address, width, scheme):
    from axe_playwright_python.sync_playwright import Axe

    page = browser.new_page(viewport={"width": width, "height": 800}, color_scheme=scheme)
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    for view in VIEWS:
        page.goto(address + view)
        page.wait_for_selector("h1")
        if view == "#/explorer":
            page.wait_for_selector("canvas[data-ready]")
        found = Axe().run(page).response["violations"]
        serious = [each["id"] for each in found if each["impact"] in ("serious", "critical")]
        assert serious == [], view
        assert page.evaluate("document.documentElement.scrollWidth") <= width, view
    page.close()
    assert errors == []
    assert all(url.startswith((address, "data:", "blob:")) for url in asked)


def test_a_hostile_prompt_is_text(browser, site, address):
    rows = read(site / "data" / "prompts.json")
    index = next(row["index"] for row in rows if row["text"] == HOSTILE)
    page = browser.new_page()
    page.goto(f"{address}#/explorer?prompt={index}&step=2")
    page.wait_for_selector("canvas[data-ready]")
    assert page.inner_text(".prompt").startswith("<img src=x")
    page.goto(f"{address}#/examples")
    page.wait_for_selector(".cards li")
    assert page.locator(".cards li").count() == len(rows)
    assert page.locator("img[src=x]").count() == 0
    assert page.title() == "underpaint"
    page.close()


def test_the_address_holds_the_step_that_keys_choose(browser, address):
    page = browser.new_page()
    page.goto(f"{address}#/explorer?step=1")
    page.focus("input[type=range]")
    page.keyboard.press("ArrowRight")
    page.wait_for_function("location.hash.includes('step=2')")
    page.reload()
    assert "Step 2 of 3" in page.inner_text(".controls")
    page.close()
