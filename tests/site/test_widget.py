"""The Explorer in a notebook: what travels in the widget, and that a browser draws it from that."""

import base64
import json
import threading

import pytest

import underpaint as up
import worlds
from underpaint.core.errors import RunError
from underpaint.runs import runs
from underpaint.site import widget as site_widget
from underpaint.site.export import export
from underpaint.site.serving import server_for
from underpaint.study.stages import carry_out

PAGE = """<!doctype html><html lang="en"><head><title>A notebook</title>
<style>main { color: red; max-width: 10px } button { display: none }</style></head>
<body data-jp-theme-light="false"><div id="cell"></div><script type="module">
import code from "./widget.js";
const state = await (await fetch("state.json")).json();
const bytes = (text) => new DataView(Uint8Array.from(atob(text), (c) => c.charCodeAt(0)).buffer);
const files = Object.fromEntries(Object.entries(state.files).map(([n, t]) => [n, bytes(t)]));
const held = { files, options: state.options }, heard = [];
window.held = held;
code.render({ el: document.getElementById("cell"), model: {
  get: (name) => held[name], set: (name, value) => { held[name] = value; },
  save_changes: () => heard.forEach((each) => each()),
  on: (_, each) => heard.push(each), off: () => undefined } });
</script></body></html>"""
"""A notebook in small: it gives the code its state and hears what changes, as anywidget does."""


@pytest.fixture(scope="module")
def run(tmp_path_factory, model):
    made = worlds.study(20)
    settings = {
        "model": "world", "fingerprint": model.fingerprint, "scheduler": "DDIMScheduler",
        "steps": 2, "guidance": 3.0, "layers": [layer.name for layer in made.layers],
        "properties": [each.name for each in made.properties],
    }  # fmt: skip
    run = runs.open_run(tmp_path_factory.mktemp("widget") / "run", settings)
    carry_out(made, run, lambda *_: None)
    worlds.site(run, run.folder / "site")
    return run


def test_a_widget_holds_the_prompts_that_have_maps_and_all_that_is_read_of_them(run):
    pytest.importorskip("anywidget")
    shown = up.widget(run, step=2)
    rows = json.loads(shown.files["data/prompts.json"])
    assert len(rows) == 2
    assert all(row["has_maps"] for row in rows)
    site = run.folder / "site"
    for row in rows:
        folder = f"data/maps/{row['index']:05d}"
        for path in (site / folder).iterdir():
            assert path.suffix == ".gz" or shown.files[f"{folder}/{path.name}"] == path.read_bytes()
    assert shown.options == {"step": "2"}
    assert not [name for name in shown.files if name.endswith(".gz")]
    assert "https://" not in shown._esm.replace("https://anywidget.dev", "")


def test_a_browser_draws_the_maps_of_a_widget_and_tells_it_what_was_chosen(browser, run, tmp_path):
    files = site_widget.widget_files(run.folder / "site")
    state = {
        "files": {name: base64.b64encode(each).decode() for name, each in files.items()},
        "options": {"step": "1"},
    }
    (tmp_path / "index.html").write_text(PAGE)
    (tmp_path / "state.json").write_text(json.dumps(state))
    (tmp_path / "widget.js").write_bytes(site_widget.CODE.read_bytes())
    rows = json.loads(files["data/prompts.json"])
    page = browser.new_page()
    asked, errors = [], []
    page.on("request", lambda request: asked.append(request.url))
    page.on("pageerror", lambda error: errors.append(str(error)))
    with server_for(tmp_path, port=0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        page.goto(f"http://localhost:{server.server_port}/")
        page.locator("#cell canvas[data-ready]").nth(5).wait_for()
        assert rows[0]["text"] in page.inner_text("#cell .prompt")
        assert "Step 1 of 2" in page.inner_text("#cell .controls")
        page.locator("#cell .thumbs button").nth(1).click()
        page.locator("#cell .prompt", has_text=rows[1]["text"]).wait_for()
        chosen = {"step": "1", "prompt": str(rows[1]["index"])}
        assert page.evaluate("held.options") == chosen
        assert page.evaluate("location.hash") == ""
        assert page.locator("#cell button").first.is_visible()  # the notebook's styles stay out
        look = "getComputedStyle(document.querySelector('#cell').shadowRoot.querySelector('main'))"
        assert page.evaluate(f"{look}.colorScheme") == "dark"
        assert page.evaluate(f"{look}.backgroundColor") == "rgb(21, 20, 18)"
        page.evaluate("document.body.dataset.jpThemeLight = 'true'")  # a theme chosen meanwhile
        page.wait_for_function(f"{look}.backgroundColor === 'rgb(251, 250, 248)'")
        page.locator("#cell").evaluate("cell => (cell.style.width = '330px')")
        box = page.locator("#cell main")
        assert box.evaluate("main => main.scrollWidth <= main.clientWidth")
        lefts = "all => [...new Set(all.map((one) => one.getBoundingClientRect().left))].length"
        assert page.locator("#cell figure").evaluate_all(lefts) == 2
        server.shutdown()
    page.close()
    assert errors == []
    assert {url.split("/")[-1] for url in asked if not url.startswith("data:")} == {
        *("", "widget.js", "state.json"),
    }


def test_what_is_missing_is_one_line(run, model, tmp_path, monkeypatch):
    pytest.importorskip("anywidget")
    with pytest.raises(RunError, match=r"has no site to show\. `underpaint export"):
        up.widget(tmp_path)
    export(run, tmp_path / "bare", again=None, prompts=0, progress=lambda *_: None)
    with pytest.raises(RunError, match="has no maps to show"):
        up.widget(tmp_path / "bare")
    monkeypatch.setattr(site_widget, "find_spec", lambda _name: None)
    with pytest.raises(RunError, match=r'pip install "underpaint\[widget\]"'):
        up.widget(run)
