"""`underpaint share`: a run's probes with their card, in a folder or on the hub."""

from pathlib import Path

import click

from ..runs import runs
from ..runs.sharing import push_probes, share_run


@click.command()
@click.argument("out", type=click.Path(path_type=Path))
@click.argument("folder", type=click.Path(path_type=Path))
@click.option("--every-layer", is_flag=True, help="Not the best layer of each property alone.")
@click.option("--push", "repository", metavar="OWNER/NAME", help="Upload FOLDER to the hub too.")
@click.option("--public", is_flag=True, help="Whom a new repository on the hub shows itself to.")
def share(out: Path, folder: Path, every_layer: bool, repository: str | None, public: bool) -> None:
    """Write the probes of the run OUT into FOLDER, with a card that says what they are worth."""
    share_run(runs.find_run(out), folder, every=every_layer)
    click.echo(folder)
    if repository:
        click.echo(push_probes(folder, repository, private=not public))
