"""A run as a website: what is written, who may read it, and that a real browser shows it."""

import csv
import gzip
import hashlib
import json
import shutil
import threading
import urllib.error
import urllib.request
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner
from PIL import Image

from underpaint.cli.main import main
from underpaint.core.errors import RunError
from underpaint.runs import runs
from underpaint.site.export import THUMB_PX, THUMBS_A_SHEET, export
from underpaint.site.folder import STATIC, find_site
from underpaint.site.numbers import from_worst
from underpaint.site.refreshing import refresh
from underpaint.site.serving import server_for

WEB = Path(__file__).parents[2] / "web"
HOSTILE = "<img src=x onerror=\"document.title='broken'\"> 🎈 שלום " + "a red cone " * 900
VIEWS = (
    "#/", "#/explorer", "#/layers", "#/recognition", "#/edits", "#/compare", "#/examples", "#/data"
)  # fmt: skip
FIRST_VIEW_BYTES = 1_500_000
FIRST_VIEW_SECONDS = 1.0
FRAME_SECONDS = 1 / 60
LAYOUT_SHIFT = 0.1
"""Of a page that is good by the web's own measure, the sum of shares of the view that moved."""
SHIFTED = """() => new Promise((give) => {
    let sum = 0;
    const seen = (list) => list.getEntries().forEach((each) => (sum += each.value));
    new PerformanceObserver(seen).observe({ type: "layout-shift", buffered: true });
    setTimeout(() => give(sum), 100);
})"""
MANY = 617


def wait_until(page, expression):
    """Ask until it is true: Playwright's own way is `eval`, which the site's policy forbids."""
    for _ in range(200):
        if page.evaluate(expression):
            return
        page.wait_for_timeout(50)
    raise AssertionError(f"never true: {expression}")


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
    shutil.copytree(out / "site", out / "bare")  # of a run that was neither edited nor classified
    shutil.copytree(out, out.parent / "other", ignore=shutil.ignore_patterns("bare", "site"))
    edit = ["edit", str(out), "--count", "1", "--control", "none", "--control", "random"]
    for words in (["classify", str(out)], [*edit, "--frames", "2"]):
        result = CliRunner().invoke(main, words)
        assert result.exit_code == 0, result.output
        assert f"Site: {out / 'site'}" in result.output
    (out / "site").rename(out / "refreshed")
    words = ["export", str(out), str(out / "site"), "--prompts", "99", "--no-paint"]
    result = CliRunner().invoke(main, [*words, "--with", str(out.parent / "other")])
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
    tops = (
        *("index.html", "package.json", "package-lock.json", "tsconfig.json"),
        *("vite.config.ts", "vite.widget.config.ts"),
    )
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


def test_downloads_hold_every_score_in_few_bytes(site):
    downloads, own = site / "downloads", runs.read_table(site.parent / "scores.parquet")
    kept = pd.read_parquet(downloads / "scores.parquet")
    assert (downloads / "scores.parquet").stat().st_size < (
        site.parent / "scores.parquet"
    ).stat().st_size
    pd.testing.assert_frame_equal(
        kept.drop(columns="value"), own.drop(columns="value"), check_categorical=False
    )
    assert np.allclose(kept["value"], own["value"], rtol=1e-6, atol=0, equal_nan=True)
    table = pd.read_csv(downloads / "scores.csv.gz")
    assert set(table["property"]) == set(own["property"]) - {"labels"}
    assert table["step"].min() == 1


def test_lists_hold_all_prompts_or_those_with_maps(site):
    rows, drawn = (read(site / "data" / f"{name}.json") for name in ("prompts", "drawn"))
    assert drawn == [row for row in rows if row["has_maps"]]
    assert read(site / "data" / "run.json")["first"] in [row["index"] for row in drawn]


def test_a_thumbnail_in_its_sheet_is_its_picture(site):
    for row in read(site / "data" / "prompts.json"):
        thumb = row["thumb"]
        with Image.open(site / "data" / "thumbs" / f"{thumb['sheet']}.webp") as sheet:
            top = THUMB_PX * thumb["place"]
            tile = np.asarray(sheet.convert("RGB"), float)[top : top + THUMB_PX]
        with Image.open(site / "data" / "images" / f"{row['index']:05d}.webp") as picture:
            whole = np.asarray(picture.convert("RGB"), float)
        assert tile.shape == whole.shape
        assert np.abs(tile - whole).mean() < 5  # of 255: both are lossy


def test_scores_of_maps_are_those_of_the_table(site):
    page = read(site / "data" / "run.json")["summary"]["properties"]
    for row in read(site / "data" / "prompts.json"):
        maps = read(site / "data" / "maps" / f"{row['index']:05d}" / "maps.json")
        for name, found in page.items():
            layer = found["best_layer"]
            assert maps["scores"][name][layer] == row["scores"][name]["probe"]


def test_commands_after_the_run_leave_its_site_as_an_export_would(site, tmp_path):
    run, into = runs.find_run(site.parent), tmp_path / "new"
    fresh, before = site.parent / "refreshed" / "data", site.parent / "bare" / "data"
    export(run, into, again=None, prompts=0, progress=lambda *_: None)
    new = into / "data"
    edits = sorted(path.relative_to(new) for path in (new / "edits").rglob("*.*"))
    assert len(edits) >= 5
    for path in (*edits, "recognition.json", "recognition.json.gz"):
        assert (fresh / path).read_bytes() == (new / path).read_bytes(), path
    shown, wanted, was = (read(each / "run.json") for each in (fresh, new, before))
    for name in ("summary", "words", "settings", "files", "has"):
        assert shown[name] == wanted[name], name
    assert shown["has"] != was["has"]
    assert all((fresh.parent / "downloads" / name).is_file() for name in shown["files"])
    assert (shown["layers"], shown["first"]) == (was["layers"], was["first"])
    assert (
        gzip.decompress((fresh / "run.json.gz").read_bytes()) == (fresh / "run.json").read_bytes()
    )


def test_frames_are_of_the_first_control_alone_and_scores_of_each(site):
    assert [each["control"] for each in read(site / "data" / "edits" / "index.json")] == ["none"]
    entries = read(site / "data" / "run.json")["summary"]["edits"]
    assert [each["control"] for each in entries] == ["none", "random"]
    assert "above_random" in entries[0]


def test_a_site_of_another_version_is_left_as_it_is(site, tmp_path):
    shutil.copytree(site.parent / "bare", tmp_path / "old")
    shown = tmp_path / "old" / "data" / "run.json"
    shown.write_text(json.dumps({**read(shown), "version": "0.0.1"}))
    content = shown.read_bytes()
    assert not refresh(runs.find_run(site.parent), tmp_path / "old")
    assert shown.read_bytes() == content
    assert not (shown.parent / "edits").exists()


def test_a_paper_that_is_written_anew_is_the_one_that_its_site_offers(site, tmp_path):
    pytest.importorskip("typst")
    shutil.copytree(site.parent, tmp_path / "run", ignore=shutil.ignore_patterns("bare"))
    mine = tmp_path / "run" / "site"
    assert CliRunner().invoke(main, ["paper", str(tmp_path / "run")]).exit_code == 0
    written = (tmp_path / "run" / "paper" / "paper.pdf").read_bytes()
    assert (mine / "downloads" / "paper.pdf").read_bytes() == written
    assert "paper.pdf" in read(mine / "data" / "run.json")["files"]
    (mine / "data" / "run.json").write_text("{")  # and a damaged site is left as it is
    result = CliRunner().invoke(main, ["paper", str(tmp_path / "run")])
    assert (result.exit_code, "damaged, and is left" in result.output) == (0, True)


def test_a_folder_that_is_no_site_is_left_alone(site, tmp_path):
    (tmp_path / "mine.txt").write_text("kept")
    with pytest.raises(RunError, match="is in use and holds no site"):
        export(
            runs.find_run(site.parent), tmp_path, again=None, prompts=0, progress=lambda *_: None
        )
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_pictures_are_ordered_from_worst_to_best_read():
    scores = [0.4, 0.1, 0.9, None, 0.2]
    rows = [{"scores": {"saliency": {"probe": [each, None]}}} for each in scores]
    assert from_worst(rows) == [3, 1, 4, 0, 2]
    assert from_worst([]) == []


def test_a_name_that_is_not_loopbacks_is_refused(address):
    assert urllib.request.urlopen(address).status == 200
    request = urllib.request.Request(address, headers={"Host": "example.org"})
    with pytest.raises(urllib.error.HTTPError, match="421"):
        urllib.request.urlopen(request)


def test_text_is_sent_compressed_to_those_who_can_read_it(site, address):
    def asked(path, encoding):
        request = urllib.request.Request(address + path, headers={"Accept-Encoding": encoding})
        with urllib.request.urlopen(request) as answer:
            return answer.headers.get("Content-Encoding"), answer.read()

    for path in ("data/prompts.json", "", "index.html"):
        kind, small = asked(path, "br, gzip;q=0.5")
        plainly, whole = asked(path, "identity")
        assert (kind, plainly) == ("gzip", None), path
        assert gzip.decompress(small) == whole == (site / (path or "index.html")).read_bytes()
        assert len(small) < len(whole)
    assert asked("data/images/../../card.png", "gzip")[0] is None


def test_a_file_that_was_changed_is_never_sent_as_it_was(site, tmp_path):
    copy = shutil.copytree(site, tmp_path / "copy")
    (copy / "data" / "prompts.json").write_text("[]")
    with server_for(copy, port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"http://localhost:{server.server_port}/data/prompts.json"
        request = urllib.request.Request(url, headers={"Accept-Encoding": "gzip"})
        assert urllib.request.urlopen(request).read() == b"[]"
        server.shutdown()


def test_the_card_for_sharing_is_there_at_its_size(site):
    assert 'og:image" content="card.png"' in (site / "index.html").read_text()
    with Image.open(site / "card.png") as card:
        assert card.size == (1200, 630)
        assert len(card.getcolors(maxcolors=10**6)) > 1000  # pictures, not ground alone


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
    assert page.title() == "Examples – underpaint"
    page.close()


def test_the_address_holds_the_step_that_keys_choose(browser, address):
    page = browser.new_page()
    page.goto(f"{address}#/explorer?step=1")
    page.focus("input[type=range]")
    page.keyboard.press("ArrowRight")
    wait_until(page, "location.hash.includes('step=2')")
    page.reload()
    assert "Step 2 of 3" in page.inner_text(".controls")
    page.close()


def test_the_slider_shows_an_edit_at_each_strength_with_the_targets_outline(browser, site, address):
    edit = read(site / "data" / "edits" / "index.json")[0]
    picture = edit["pictures"][1]
    page = browser.new_page()
    page.goto(f"{address}#/edits?prompt={picture['index']}&strength=6")
    page.wait_for_selector(".three canvas[data-ready]")
    wait_until(page, "document.querySelector('.outline path').getAttribute('d').length > 8")
    said = page.inner_text(".three figure:nth-child(2) figcaption")
    assert f"{picture['dice_target'][-1]:.2f}" in said
    shares = [each["success"] for each in read(site / "data" / "run.json")["summary"]["edits"]]
    verdict = page.inner_text("p.verdict").replace("\xa0", " ")
    for share in shares:  # the edit's own, and its control's
        mean, low, high = (f"{round(100 * share[part])}%" for part in ("mean", "low", "high"))
        assert f"{mean} [{low}, {high}]" in verdict
    look = "document.querySelectorAll('.three canvas')[1].toDataURL()"
    strongest = page.evaluate(look)
    page.focus("input[type=range]")
    page.keyboard.press("Home")
    wait_until(page, "location.hash.includes('strength=0')")
    wait_until(page, f"{look} === document.querySelector('.three canvas').toDataURL()")
    assert page.evaluate(look) != strongest
    page.close()


def test_recognition_shows_what_was_read_at_the_step_in_the_address(browser, site, address):
    found = read(site / "data" / "recognition.json")["pictures"]
    index, each = next(iter(found.items()))
    assert set(each["hits"]) >= {"image", "estimate", "conditional", "unconditional", "blank"}
    at_step = {row["class"]: row["by_step"][1] for row in each["probabilities"]["image"]}
    likeliest = max(at_step, key=lambda name: at_step[name])
    page = browser.new_page()
    page.goto(f"{address}#/recognition?prompt={index}&source=image&step=2")
    page.wait_for_selector(".strip canvas[data-ready]")
    assert page.locator(".strip canvas").count() == 3
    said = page.inner_text("p[aria-live]")
    assert f"At step 2 the class network sees {likeliest}" in said
    page.locator(".strip li").nth(2).click()
    wait_until(page, "location.hash.includes('step=3')")
    page.close()


def test_no_markup_is_shown_as_text(browser, address):
    page = browser.new_page()
    for view in VIEWS:
        page.goto(address + view)
        page.wait_for_selector("h1")
        page.evaluate("document.querySelectorAll('details').forEach((each) => (each.open = true))")
        page.wait_for_timeout(100)
        assert "`" not in page.inner_text("main"), view
    page.close()


def test_numbers_stand_near_each_other_on_a_phone(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    for view, table in (("edits", ".scroll table"), ("recognition", ".hits")):
        page.goto(f"{address}#/{view}")
        page.wait_for_selector(f"{table} td:nth-child(3)")
        second = page.locator(f"{table} tbody tr").first.locator(":scope > *").nth(1)
        assert second.bounding_box()["width"] < 100, view
    page.close()


def test_a_view_without_data_is_not_offered(browser, address):
    page = browser.new_page()
    offered = {}
    for folder in ("site", "bare"):
        page.goto(address.replace("/site/", f"/{folder}/"))
        page.wait_for_selector(".touch canvas[data-ready]")
        offered[folder] = page.locator("nav a").all_inner_texts()
    page.close()
    assert {"Edits", "Recognition", "Compare"} <= set(offered["site"])
    assert not {"Edits", "Recognition", "Compare", "Paint"} & set(offered["bare"])


def test_runs_are_compared_at_equal_noise_with_the_numbers_of_the_command(browser, site, address):
    found = read(site / "data" / "compare.json")
    assert [run["name"] for run in found["runs"]] == ["out", "other"]
    level, property = len(found["properties"]["depth"]["levels"]), found["properties"]["depth"]
    page = browser.new_page()
    page.goto(f"{address}#/compare?property=depth&level={level}")
    page.wait_for_selector(".chart svg")
    assert page.locator(".chart svg").count() == 2
    best = max(each["by_level"][-1] for each in property["depths"][0])
    assert f"{best:.2f}" in page.locator(".chart").nth(1).get_attribute("aria-label")
    rows = page.locator(".differences tbody tr")
    assert rows.count() == len(property["sources"])
    assert "0.00 [0.00, 0.00]" in rows.first.inner_text()  # the other is a copy
    page.get_by_role("button", name="image", exact=True).click()
    wait_until(page, "location.hash.includes('sources=probe%2Cestimate%2Cimage')")
    page.close()


def test_a_map_that_cannot_be_fetched_is_said_and_never_another_pictures(browser, site, address):
    first, second = [row["index"] for row in read(site / "data" / "prompts.json")][:2]
    page = browser.new_page()
    failing = f"**/maps/{second:05d}/saliency*.webp"
    page.route(failing, lambda route: route.abort())
    page.goto(f"{address}#/explorer?prompt={first}")
    page.wait_for_selector("canvas[data-ready]")
    page.evaluate(f"location.hash = '#/explorer?prompt={second}'")
    page.wait_for_selector(".missing")
    missing = page.locator("figure", has_text="saliency: probe").first
    assert "could not be loaded" in missing.inner_text()
    assert missing.locator("canvas[data-ready]").count() == 0
    drawn = "(c) => c.getContext('2d').getImageData(0, 0, c.width, c.height).data.some((x) => x)"
    assert not missing.locator("canvas").evaluate(drawn)
    page.unroute(failing)
    page.evaluate(f"location.hash = '#/explorer?prompt={first}'")
    wait_until(page, "document.querySelectorAll('.missing').length === 0")
    page.evaluate(f"location.hash = '#/explorer?prompt={second}'")
    wait_until(page, "document.querySelectorAll('.grid canvas[data-ready]').length > 8")
    assert page.locator(".missing").count() == 0  # a failure is not kept
    page.close()


def test_a_picture_whose_list_of_maps_is_missing_says_so(browser, site, address):
    first, second = [row["index"] for row in read(site / "data" / "prompts.json")][:2]
    page = browser.new_page()
    page.route(f"**/maps/{second:05d}/maps.json", lambda route: route.fulfill(status=404))
    page.goto(f"{address}#/explorer?prompt={first}")
    page.wait_for_selector("canvas[data-ready]")
    page.evaluate(f"location.hash = '#/explorer?prompt={second}'")
    page.wait_for_selector("[role=alert]")
    assert page.locator(".grid canvas").count() == 0
    page.close()


@pytest.mark.parametrize(("written", "step"), [("1.5", 2), ("99", 3), ("x", 3), ("-1", 1)])
def test_a_step_in_the_address_is_one_that_the_run_has(browser, address, written, step):
    page = browser.new_page()
    for view in ("explorer", "layers", "recognition"):
        page.goto(f"{address}#/{view}?step={written}")
        page.wait_for_selector(".controls")
        assert f"Step {step} of 3" in page.inner_text(".controls"), view
    page.close()


def test_the_story_is_taken_through_its_steps_and_says_what_each_shows(browser, address):
    page = browser.new_page()
    page.goto(address)
    page.wait_for_selector(".touch canvas[data-ready]")
    first = page.inner_text(".said")
    page.focus(".touch input[type=range]")
    page.keyboard.press("Home")
    wait_until(page, "document.querySelector('.said').innerText.startsWith('Step 1')")
    assert page.inner_text(".said") != first
    page.get_by_role("button", name="depth").first.click()
    wait_until(page, "document.querySelector('.said').innerText.includes(\"probe's depth\")")
    page.close()


def test_a_guess_is_held_against_the_probe_and_the_prediction(browser, address):
    page = browser.new_page()
    page.goto(address)
    page.wait_for_selector(".guess canvas[data-ready]")
    page.wait_for_timeout(300)
    page.focus(".guess .board")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("Enter")
    page.wait_for_selector(".guess .marks")
    said = page.inner_text(".guess")
    assert "After 1 picture: you" in said
    assert "Probe at step 2" in said
    page.get_by_role("button", name="Next picture").click()
    assert page.locator(".guess .marks").count() == 0
    page.close()


def test_every_card_opens_something_and_the_order_is_in_the_address(browser, site, address):
    page = browser.new_page()
    page.goto(f"{address}#/examples?first=worst&property=depth")
    page.wait_for_selector(".cards li")
    assert page.locator(".cards li").count() == page.locator(".cards li a").count()
    selects = page.locator(".controls select")
    assert [selects.nth(at).input_value() for at in (0, 1)] == ["depth", "worst"]
    index = read(site / "data" / "prompts.json")[0]["index"]
    page.goto(f"{address}#/examples?prompt={index}")
    page.wait_for_selector(".one .chart svg")
    page.close()


def test_words_in_tables_are_not_broken_by_letters(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(address)
    page.wait_for_selector(".found table")
    broken = "getComputedStyle(document.querySelector('.found td')).overflowWrap"
    assert page.evaluate(broken) == "normal"
    page.close()


def test_the_chosen_layer_is_in_sight_on_a_phone(browser, address):
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.goto(f"{address}#/layers?layer=up.3.2")
    page.wait_for_selector(".network [aria-pressed=true]")
    wait_until(
        page,
        """(() => { const box = document.querySelector('.network [aria-pressed=true]')
        .getBoundingClientRect(); return box.left >= 0 && box.right <= innerWidth; })()""",
    )
    page.close()


def test_keys_reach_the_content_at_once_and_each_view_has_its_title(browser, address):
    page = browser.new_page()
    page.goto(address)
    page.wait_for_selector("h1")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    page.keyboard.press("Enter")
    assert page.evaluate("document.activeElement.tagName") == "MAIN"
    titles = set()
    for view in VIEWS:
        page.goto(address + view)
        wait_until(page, f"!{json.dumps(sorted(titles))}.includes(document.title)")
        titles.add(page.title())
    assert len(titles) == len(VIEWS)
    page.close()


def test_a_run_without_edits_or_classes_says_how_to_make_them(browser, address):
    page = browser.new_page()
    commands = ("edits", "edit"), ("recognition", "classify"), ("compare", "export OUT SITE --with")
    for view, command in commands:
        page.goto(f"{address.replace('/site/', '/bare/')}#/{view}")
        page.wait_for_selector("h1")
        assert f"underpaint {command}" in page.inner_text("main")
    page.close()


@pytest.fixture(scope="module")
def resized(site):
    """Copy the site with so many test prompts, the hostile one among them, all with maps."""

    def copy(count):
        into = site.parent / f"of{count}"
        shutil.copytree(site, into)
        rows = [row for row in read(site / "data" / "prompts.json") if row["text"] != HOSTILE]
        pictures, maps, thumbs = (into / "data" / name for name in ("images", "maps", "thumbs"))
        source = pictures / f"{rows[0]['index']:05d}.webp"
        many = []
        for sheet in range(1, -(-count // THUMBS_A_SHEET)):
            shutil.copyfile(thumbs / "0.webp", thumbs / f"{sheet}.webp")
        for place in range(count):
            row = rows[0] if place == 0 else {**rows[place % len(rows)], "index": 10_000 + place}
            if place:
                shutil.copyfile(source, pictures / f"{row['index']:05d}.webp")
                (maps / f"{row['index']:05d}").symlink_to(maps / f"{rows[0]['index']:05d}")
            thumb = {"sheet": place // THUMBS_A_SHEET, "place": place % THUMBS_A_SHEET}
            many.append({**row, "has_maps": True, "thumb": thumb})
        for name in ("prompts", "drawn"):
            (into / "data" / f"{name}.json").write_text(json.dumps(many), encoding="utf-8")
        return f"of{count}"

    return copy


def seconds_of(page):
    """Start counting the seconds that the page's main thread works, whatever else runs here."""
    session = page.context.new_cdp_session(page)
    session.send("Performance.enable", {"timeDomain": "threadTicks"})

    def spent():
        metrics = session.send("Performance.getMetrics")["metrics"]
        return next(each["value"] for each in metrics if each["name"] == "TaskDuration")

    return spent


def test_the_first_view_is_light_and_soon_there(browser, address, resized):
    page = browser.new_page()
    sizes = []
    page.on("response", lambda answer: sizes.append(len(answer.body())))
    spent = seconds_of(page)
    page.goto(address.replace("/site/", f"/{resized(MANY)}/"))
    page.wait_for_selector("section .chart svg")
    page.wait_for_load_state("networkidle")
    page.wait_for_selector(".touch canvas[data-ready]")
    assert sum(sizes) <= FIRST_VIEW_BYTES
    assert page.evaluate(SHIFTED) < LAYOUT_SHIFT
    assert spent() <= FIRST_VIEW_SECONDS
    page.close()


@pytest.mark.parametrize(("view", "scrolled"), [("explorer", ".thumbs"), ("examples", "html")])
def test_many_prompts_stay_smooth(browser, address, site, view, scrolled):
    asked = []
    page = browser.new_page()
    page.on("request", lambda request: asked.append(request.url))
    page.goto(f"{address.replace('/site/', f'/of{MANY}/')}#/{view}")
    page.wait_for_selector(f"{'.cards' if view == 'examples' else '.thumbs'} li")
    page.wait_for_load_state("networkidle")
    assert page.locator("main li").count() == MANY
    waiting = {"explorer": ("/thumbs/", MANY / THUMBS_A_SHEET), "examples": ("/images/", MANY)}
    part, whole = waiting[view]
    assert 0 < sum(part in url for url in asked) < whole / 2  # those out of sight wait
    spent = seconds_of(page)
    begun, frames = spent(), 40
    page.evaluate(
        """async ([scrolled, frames]) => {
            const box = document.querySelector(scrolled);
            for (let frame = 0; frame < frames; frame++) {
                box.scrollTop += 30; // 1800 pixels a second
                await new Promise(requestAnimationFrame);
            }
        }""",
        [scrolled, frames],
    )
    assert (spent() - begun) / frames <= FRAME_SECONDS
    page.close()


def test_a_run_with_one_test_prompt_has_every_view(browser, address, resized):
    errors = []
    page = browser.new_page()
    page.on("pageerror", lambda error: errors.append(str(error)))
    folder = resized(1)
    for view in VIEWS:
        page.goto(f"{address.replace('/site/', f'/{folder}/')}{view}")
        page.wait_for_selector("h1")
    page.goto(f"{address.replace('/site/', f'/{folder}/')}#/explorer")
    page.wait_for_selector("canvas[data-ready]")
    assert page.locator(".thumbs li").count() == 1
    page.close()
    assert errors == []
