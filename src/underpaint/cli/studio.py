"""`underpaint studio`: paint and pick by hand, in a browser, with the model behind it."""

from importlib.util import find_spec
from pathlib import Path

import click

from ..core.errors import RunError
from ..labelers import labelers_for
from ..runs import runs
from ..site.serving import LOOPBACK
from ..steering.studio import open_desk
from .moved import model_of


def studio(out: Path, glob: str | None, host: str, port: int, device: str, dtype: str) -> None:
    """Carry out `underpaint studio`, as its options say."""
    if find_spec("gradio") is None:
        raise RunError(
            'The studio needs Gradio, which is not installed. pip install "underpaint[studio]"'
        )
    from ..steering.studio.page import STYLE, THEME, build

    run = runs.find_run(out)
    settings = runs.read_json(run.settings)
    runs.read_json(run.summary)  # complains where the run is not finished
    model = model_of(settings, device=device, dtype=dtype)
    labelers = labelers_for(model, settings.get("labeled_by"))
    desk = open_desk(run, model, labelers, glob=glob)
    first = runs.read_split(run, "test")[0]
    page = build(desk, text=first.text, seed=first.seed)
    if host != LOOPBACK:
        click.echo(f"Listening on {host}: whoever reaches it can use the model.", err=True)
    try:
        page.queue().launch(
            server_name=host,
            server_port=port,
            share=False,
            quiet=True,
            theme=THEME,
            css=STYLE,
            footer_links=[],
            prevent_thread_lock=True,
            ssr_mode=False,
        )
    except OSError as error:
        raise RunError(
            f"Cannot listen on port {port} ({error}). Choose another with --port."
        ) from error
    click.echo(f"http://{'localhost' if host == LOOPBACK else host}:{port}/  (Ctrl-C stops)")
    page.block_thread()
