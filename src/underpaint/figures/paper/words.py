"""The paper's own sentences: what `scores` says of a run, with the numbers that a paper gives."""

from collections.abc import Mapping
from typing import Any

from ...core.numbers import fixed, number, with_interval
from ...scores.findings import listed, rivalry, title
from ...scores.naming import metric_name
from ...scores.sentences import crossings, gap_words, timing
from .markup import plain

Summary = Mapping[str, Any]


def property_words(name: str, found: Mapping[str, Any], summary: Summary) -> str:
    """Write the paragraph of one property: how it ends, how early it is read, and who is better."""
    metric, final = metric_name(found["metric"]), with_interval(found["sources"]["probe"]["final"])
    timed = timing(found, summary.get("noise"))
    said = (
        f"At the last step the probe scores {metric} {final}.",
        f"{timed[0].upper()}{timed[1:]}",
        "" if found.get("bar") is None else f"The one bar is {fixed(number(found['bar']))}.",
        crossings(found),
        gap_words(found),
    )
    return f"*{plain(name.capitalize())}.* {plain(' '.join(each for each in said if each))}"


def abstract(summary: Summary) -> str:
    """Write the abstract with this run's numbers."""
    names, images = list(summary["properties"]), summary["images"]
    finals = [
        f"{name} {with_interval(each['sources']['probe']['final'])}"
        for name, each in summary["properties"].items()
    ]
    heading = title(summary)
    return plain(
        f"A latent diffusion model turns noise into a picture in {summary['steps']} steps. "
        f"We fit linear probes to its self-attention outputs on {images['train']} generated "
        f"pictures and ask, on {images['test']} held-out ones, what they read of the final "
        f"picture's {listed(names)}, how early, and whether simpler sources would do. At the last "
        f"step the probes score: {listed(finals)} (95% intervals over prompts). "
        f"{heading}{'' if heading.endswith('?') else '.'} {rivalry(summary)}".strip()
    )
