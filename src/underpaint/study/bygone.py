"""What a stopped run had done with other sources of scores, and cannot be gone on with."""

from collections.abc import Sequence

from ..core.files import remove_sealed
from ..core.progress import Say
from ..runs.folder import Run, read_json, write_json
from ..scores.sources import Source
from .checkpoints import clear


def forget_other_sources(run: Run, sources: Sequence[Source], say: Say) -> None:
    """Do again what a run that is not done has done with another list of sources.

    Half of its pictures would have scores of a source, and half would not. What is summed is kept
    where none of the changed sources is fitted to an activation of its own. The run's list is then
    the one that is given; a run that says none is left as it is.

    Args:
        run: Not finished.
        sources: Those that will be scored.
        say: Told in one line what changed.
    """
    settings = read_json(run.settings)
    before, now = settings.get("sources"), {each.name: each for each in sources}
    if not before or before == list(now):
        return
    added, gone = [x for x in now if x not in before], [x for x in before if x not in now]
    if added or gone:
        changes = {"with": ", ".join(added), "without": ", ".join(gone)}
        what = " and ".join(f"{word} {names}" for word, names in changes.items() if names)
        say(f"Sources have changed since {run.folder} began, {what}: scored again.")
        for path in (run.scores, run.probes):
            remove_sealed(path)
        clear(run, "validation", "scores")
        if gone or any(now[x].word or now[x].views for x in added):
            remove_sealed(run.moments)
            clear(run, "tuning", "training", "seen-tuning", "seen-training")
    write_json(run.settings, {**settings, "sources": list(now)})
