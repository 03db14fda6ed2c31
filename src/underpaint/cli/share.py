"""`underpaint share`: a run's probes with their card, in a folder or on the hub."""

from pathlib import Path

import click

from ..runs import runs
from ..runs.sharing import push_probes, share_run


def share(out: Path, folder: Path, every_layer: bool, repository: str | None, public: bool) -> None:
    """Carry out `underpaint share`, as its options say."""
    share_run(runs.find_run(out), folder, every=every_layer)
    click.echo(folder)
    if repository:
        click.echo(push_probes(folder, repository, private=not public))
