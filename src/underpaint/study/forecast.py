"""What a study will take, from a small one that was carried out: part by part, and the floor.

Every part but those of `ONCE` grows with the pictures; which ones, `_grown` says. The floor is what
no study can go without: generation, decoding for the rivals, and labelers.
"""

import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from ..core.progress import Progress
from ..core.prompts import Prompt, Split, split_prompts
from ..labelers import label
from ..runs.folder import open_run
from .batches import bare, batches
from .costs import account, timed, total
from .stages import carry_out
from .study import Study

ONCE = ("fitting", "thresholds", "keeping sums")
"""Parts that take as long for any number of pictures."""
OF_TRAINING, OF_TEST = ("folding",), ("decoding", "scoring")
"""Parts that grow with the training pictures alone, and with the test pictures alone."""
LEAST = 40
"""Pictures of the smallest study that has some in every split."""


def forecast(study: Study, *, pictures: int, count: int, progress: Progress) -> dict[str, Any]:
    """Carry out a small study and say what one of `count` pictures will take.

    Args:
        study: What to do; its split is not used.
        pictures: Of the small study; at least `LEAST`, so that each split has some.
        count: Of the study that is asked about.
        progress: Told how far the small one is.

    Returns:
        `measured` and `forecast`, as `account` gives them, `labelers`: what each takes for a
        picture that it looks at, and in `measured` the `gpu_share` of the time that a GPU worked
        (see `occupancy`), None on any other device.
    """
    small = _split(max(pictures, LEAST))
    planned = replace(study, split=small)
    with tempfile.TemporaryDirectory() as folder:
        run = open_run(Path(folder) / "run", {})
        cost = carry_out(planned, run, progress)["cost"]
    measured = account(cost["seconds"], cost["parts"]) | {"gpu_share": cost["gpu_share"]}
    large = _split(count)
    parts = {part: _grown(part, small, large) * each for part, each in cost["parts"].items()}
    hidden = sum(cost["parts"].values()) - cost["seconds"]
    # What was hidden behind other work is hidden again, in the same share.
    seconds = sum(parts.values()) * (1 - hidden / sum(cost["parts"].values()))
    return {
        "pictures": len(small.train) + len(small.validation) + len(small.test),
        "count": count,
        "measured": measured,
        "forecast": account(seconds, parts),
        "labelers": _labelers(planned, small.test[:8]),
    }


def _split(count: int) -> Split:
    return split_prompts([Prompt(f"a red ball {at}", at, at) for at in range(count)])


def _grown(part: str, small: Split, large: Split) -> float:
    """Say how many times a part takes in the large study."""
    if part in ONCE:
        return 1.0

    def pictures(split: Split) -> int:
        if part in OF_TRAINING:
            return len(split.train)
        if part in OF_TEST:
            return len(split.test)
        return len(split.train) + len(split.validation) + len(split.test)

    return pictures(large) / pictures(small)


def _labelers(study: Study, prompts: Sequence[Prompt]) -> Mapping[str, float]:
    """Time each labeler on a few pictures."""
    spent = []
    for batch in batches(replace(bare(study), layers=()), prompts):
        for each in study.labelers:
            wanted = [x for x in study.properties if x.name in each.reads]
            look = partial(label, [each], wanted, batch.trace.images)
            spent.append(timed(each.name, look, study.model.device)[1])
    return {name: seconds / len(prompts) for name, seconds in total(spent).items()}
