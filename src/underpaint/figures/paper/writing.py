"""Put the parts together, copy the figures beside them, and compile."""

import shutil
from importlib.metadata import PackageNotFoundError, version
from importlib.util import find_spec
from pathlib import Path

from ...core.errors import RunError
from ...core.files import write_file, writing
from ...runs.folder import Run, read_settings, read_split, read_summary
from . import parts

REFERENCES = Path(__file__).parent / "references.bib"


def write_paper(run: Run) -> Path:
    """Write OUT/paper/paper.typ with its figures and references, and compile paper.pdf.

    Args:
        run: Finished, with its figures.

    Returns:
        Where the PDF lies.

    Raises:
        RunError: if the run is not finished, Typst is not installed, or it cannot compile.
    """
    if find_spec("typst") is None:
        raise RunError(
            'The paper needs Typst, which is not installed. pip install "underpaint[paper]"'
        )
    import typst

    settings, summary = read_settings(run), read_summary(run)
    folder = run.folder / "paper"
    figures = _copy_figures(run.figures, folder)
    prompts = [each.text for each in read_split(run, "test")]
    text = "\n".join(
        [
            parts.opening(summary, settings, _version()),
            parts.introduction(summary),
            parts.related(),
            parts.data(summary, settings, prompts),
            parts.method(summary, settings),
            parts.results(summary, figures),
            parts.steering(summary),
            parts.limits(summary),
            parts.appendix(settings, summary),
        ]
    )
    source, pdf = folder / "paper.typ", folder / "paper.pdf"
    write_file(source, lambda part: part.write_text(text, encoding="utf-8"))
    with writing(folder / "references.bib"):
        shutil.copyfile(REFERENCES, folder / "references.bib")
    try:
        content = typst.compile(str(source), root=str(folder))
    except typst.TypstError as error:
        raise RunError(
            f"Typst cannot compile {source} ({error}). It is kept there to be looked at. If a "
            f"picture is damaged, delete {run.figures}: the same `underpaint run` draws it anew."
        ) from error
    write_file(pdf, lambda part: part.write_bytes(content))
    return pdf


def _copy_figures(figures: Path, folder: Path) -> dict[str, str]:
    """Copy what the paper shows beside it, vectors before pixels; give their names by stem."""
    with writing(folder):
        folder.mkdir(parents=True, exist_ok=True)
    found: dict[str, str] = {}
    for path in sorted(figures.glob("*.p[dn][fg]")) if figures.is_dir() else []:
        stem = "steps" if path.stem.startswith("steps-") else path.stem
        if path.suffix == ".pdf" or stem not in found:
            found[stem] = path.name
    shown = {stem: name for stem, name in found.items() if not stem.startswith("labels-")}
    for name in shown.values():
        with writing(folder / name):
            shutil.copyfile(figures / name, folder / name)
    return shown


def _version() -> str:
    try:
        return version("underpaint")
    except PackageNotFoundError:  # run from a checkout that is not installed
        return "unknown"
