"""The sections of the paper, each a function from the run's numbers to Typst."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...core.ids import shown_id
from ...core.numbers import UNKNOWN, fixed, number, with_interval
from ...scores.findings import listed, rivalry, title
from ...scores.naming import metric_name
from .markup import picture, plain, table
from .words import Summary, abstract, property_words

_TEXT = Path(__file__).parent / "text"
_PLACE = re.compile(r"<<(\w+)>>")
_RELATIVE = (
    "Depth and shading are standardised within each picture, for a labeler knows neither their "
    "scale nor their shift. "
)


def filled(name: str, **values: object) -> str:
    """Fill the places of a text, `<<name>>`, with markup.

    Raises:
        KeyError: if a place has no value: the text and its section belong together.
    """
    text = (_TEXT / f"{name}.typ").read_text(encoding="utf-8")
    return _PLACE.sub(lambda place: str(values[place[1]]), text)


def opening(summary: Summary, settings: Mapping[str, Any], version: str) -> str:
    """Set the page, the title and the abstract."""
    return filled(
        "opening",
        title=plain(title(summary))[1:],
        about=plain("Linear probes of a diffusion model, beside fair rivals")[1:],
        heading=plain(title(summary)),
        model=_model(settings),
        version=plain(version),
        abstract=abstract(summary),
    )


def introduction(summary: Summary) -> str:
    """Say what is asked and why it matters."""
    return filled("introduction", rivalry=plain(rivalry(summary)))


def related() -> str:
    """Place the study among others."""
    return filled("related")


def data(summary: Summary, settings: Mapping[str, Any], prompts: Sequence[str]) -> str:
    """Say what was generated, by whom it was labelled, and how it was split."""
    return filled(
        "data",
        model=_model(settings),
        count=sum(summary["images"].values()),
        steps=summary["steps"],
        scheduler=plain(str(settings.get("scheduler", "its scheduler"))),
        guidance=f"{settings['guidance']:g}",
        prompts="; ".join(f"“{plain(each[:90])}”" for each in prompts[:2]),
        labelers=listed([plain(name) for name in settings.get("labelers", {})]),
        **summary["images"],
    )


def method(summary: Summary, settings: Mapping[str, Any]) -> str:
    """Write the estimators with their equations."""
    is_relative = bool({"depth", "shading"} & set(summary["properties"]))
    return filled(
        "method",
        layers=len(settings["layers"]),
        steps=summary["steps"],
        relative=_RELATIVE if is_relative else "",
    )


def _model(settings: Mapping[str, Any]) -> str:
    return plain(shown_id(str(settings["model"])))


def results(summary: Summary, figures: Mapping[str, str]) -> str:
    """Write the findings, a paragraph and a figure for each property, and the table of sources."""
    words = "\n\n".join(
        property_words(name, each, summary) for name, each in summary["properties"].items()
    )
    said = ["= Results", words, plain(rivalry(summary))]
    if "steps" in figures:
        said.append(
            picture(
                figures["steps"],
                caption="One test picture, from the first step (left) to the last. Rows: the noisy "
                "picture, the predicted clean picture, and for each property what the probe reads "
                "and what the labeler sees in the two pictures. Look for the first column in which "
                "a row resembles its last.",
                alt="Grid of pictures: steps from left to right, sources from top to bottom.",
                label="steps",
                is_wide=True,
            )
        )
    for name, each in summary["properties"].items():
        said.append(_sources_table(name, each, summary["steps"]))
        for kind, (caption, alt) in _told(name, each).items():
            if (stem := f"{kind}-{name}") in figures:
                said.append(picture(figures[stem], caption=caption, alt=alt, label=stem))
    return "\n\n".join(filter(None, said)) + "\n"


def _told(name: str, found: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    """Give each figure of one property, by kind, its caption and its words for who cannot see."""
    metric, shown = metric_name(found["metric"]), name.capitalize()
    return {
        "curves": (
            f"{shown}: {metric} of every source over steps; bands are 95% intervals over prompts. "
            "See how soon the probe's curve is flat, and where the predicted clean picture "
            "(estimate) crosses it.",
            f"Line plot of {metric} over denoising steps for {name}.",
        ),
        "noise": (
            f"{shown} over the ratio of noise to signal, which does not depend on the schedule. "
            "The dotted line is the one bar: see who crosses it first, coming from the noise on "
            "the left.",
            f"Line plot of scores against noise-to-signal ratio for {name}.",
        ),
        "layers": (
            f"{shown}: the probe's {metric} at every layer and step. {found['best_layer']} was "
            "chosen on validation pictures.",
            f"Heat map of {metric}, layers by steps, for {name}.",
        ),
    }


def _sources_table(name: str, found: Mapping[str, Any], steps: int) -> str:
    """Lay out every source of one property at the first, the third and the last step."""
    step = min(3, steps)
    rows = [
        (
            plain(source),
            fixed(number(each["by_step"][0]["mean"])),
            fixed(number(each["by_step"][step - 1]["mean"])),
            with_interval(each["final"]),
        )
        for source, each in found["sources"].items()
    ]
    return table(
        ("source", "step 1", f"step {step}", "last step (95%)"),
        rows,
        caption=f"{name.capitalize()}, {metric_name(found['metric'])}: every source on the same "
        "test pictures, each at its own best layer on validation pictures.",
        label=f"sources-{name}",
    )


def steering(summary: Summary) -> str:
    """Report edits, if the run has any."""
    edits = [each for each in summary.get("edits") or [] if each.get("dice_target")]
    if not edits:
        return ""
    rows = [
        (
            plain(f"{each['target']} ({each['control']}{_seen_by(each)})"),
            f"{each['steps'][0]}–{each['steps'][1]}",
            str(each["images"]),
            fixed(number(each["dice_target"]["median"])),
            fixed(number(each["dice_unedited"]["median"])),
            fixed(number(each["background_psnr"]["median"])),
        )
        for each in edits
    ]
    heads = ("edit", "steps", "n", "Dice to target", "unedited", "background dB")
    return "= Edits\n" + table(
        heads,
        rows,
        caption="Edits of activations and their controls: medians over pictures. An edit works if "
        "Dice to the target is high where the unedited picture and the controls are low.",
        label="edits",
    )


def _seen_by(edit: Mapping[str, Any]) -> str:
    """Say who saw the unedited pictures, if it was not labelers."""
    seer = edit.get("seen_by", "labelers")
    return "" if seer == "labelers" else f", seen by {seer}"


def limits(summary: Summary) -> str:
    """Say what is not shown."""
    return filled("limits", properties=plain(listed(list(summary["properties"]))))


def appendix(settings: Mapping[str, Any], summary: Summary) -> str:
    """List the references, the settings, and how to repeat the run."""
    kept = {key: value for key, value in settings.items() if key not in ("layers", "made_with")}
    rows = {**kept, **settings.get("made_with", {})}
    cost = summary.get("cost", {})
    return filled(
        "appendix",
        seconds=_whole(cost.get("seconds")),
        generation=_whole(cost.get("seconds_generation")),
        memory=_whole(cost.get("peak_rss_mb")),
        listing=", ".join(f"[{plain(str(key))}], [{plain(_short(x))}]" for key, x in rows.items()),
    )


def _whole(value: float | None) -> str:
    return UNKNOWN if value is None else f"{value:.0f}"


def _short(value: Any, most: int = 70) -> str:
    text = value if isinstance(value, str) else repr(value)
    short = text if len(text) <= most else text[: most - 1] + "…"
    return " ".join(short[at : at + 34] for at in range(0, len(short), 34))
