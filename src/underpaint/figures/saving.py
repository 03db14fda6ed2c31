"""How every figure is written: what the disk refuses is one line, and the same numbers one file."""

from pathlib import Path

from matplotlib.figure import Figure

from ..core.files import writing


def save(figure: Figure, path: Path, *, dpi: int, is_trimmed: bool = False) -> None:
    """Write a figure, in a folder that is made if it is not there.

    A PDF has no date, so that the same numbers make the same file.

    Args:
        figure: What is drawn.
        path: A .png, .pdf or .svg file.
        dpi: Pixels per inch of a .png.
        is_trimmed: Whether empty margins are cut off.

    Raises:
        RunError: if it cannot be written.

    Examples:
        >>> from matplotlib.figure import Figure
        >>> save(Figure(), OUT / "empty.png", dpi=50)
        >>> (OUT / "empty.png").exists()
        True
    """
    metadata = {"CreationDate": None} if path.suffix == ".pdf" else None
    with writing(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(
            path, dpi=dpi, metadata=metadata, bbox_inches="tight" if is_trimmed else None
        )
