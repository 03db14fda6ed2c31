"""Every source of scores, declared once: its name, what it sees, how it is drawn and worded.

A source is anything that says what a property is at each place and step: a probe, a labeler that
looks at the picture so far, a baseline, a control. The table, the figures, the page, the benchmark
and the names of probes all read `SOURCES`; nothing else lists sources.

To add one
    1. Add an entry to `SOURCES`, where the table should show it.
    2. Give its maps. There are two ways:
       - They are read by something fitted to an activation: put it among the probes under
         `name_of(source, property, layer)`, or its maps among `readings`. Thresholds are then
         chosen, and scores made, as for every probe. `word` says how it was fitted and stands
         before the property's name; `views` say which activation it was shown and stand before the
         layer's name, or in its place. No two sources share a word and a view.
       - They come from elsewhere: add a function to `SCORERS` in `study.scoring`, which yields a
         `Reading` of the source for each property. A gain is a reading with something `less`.
    3. With `is_timed`, leads and crossovers are measured against it too; give `said` then. A source
       whose scores are differences `is_gain`: it is timed at no bar and drawn beside no score.

Anything else, such as a source of an older run, is drawn and listed by its name alone.
"""

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import cycle
from typing import Any, Literal, NamedTuple

from ..core.errors import MetricError

Kind = Literal["probe", "rival", "baseline", "control", "bound"]
"""`probe`: reads activations. `rival`: sees no more than the picture so far. `baseline`: knows no
picture. `control`: what a probe finds where there is nothing. `bound`: what none can exceed."""

Dash = str | tuple[int, tuple[int | float, ...]]
"""A line style as Matplotlib has it: a name, or an offset and lengths in line widths."""


@dataclass(frozen=True)
class Source:
    """One source: what it is called, what it sees, and how it is drawn.

    `colour` stands on white paper and `dark` on a dark page. `label` is its name in figures, where
    `$` encloses formulas; empty for the plain name. `word` and `views` stand before the
    names of its probes (see above).
    """

    name: str
    sees: str
    kind: Kind
    colour: str
    dark: str
    label: str = ""
    width: float = 1.1
    dash: Dash = "-"
    word: str = ""
    views: tuple[str, ...] = ()
    is_constant: bool = False
    reads_layers: bool = False
    is_timed: bool = False
    is_headline: bool = False
    is_gain: bool = False
    said: str = ""
    """What a sentence calls a timed rival."""
    absent: str = ""
    """Why a run may lack it, for readers of its results."""


QUICK = "the run was `--quick`"

SOURCES: tuple[Source, ...] = (
    Source(
        "probe", "one layer's activation, through one linear map", "probe",
        "#D55E00", "#ff8a3d", width=2.0, reads_layers=True, is_headline=True,
    ),
    Source(
        "probe+position", "one layer's activation and the place, through one linear map", "probe",
        "#D55E00", "#ff8a3d", dash=(0, (5, 1.5)), word="placed", reads_layers=True,
        is_headline=True,
    ),
    Source(
        "image", "the decoded noisy picture x_t, through the labeler", "rival",
        "#0072B2", "#56b4e9", label="image $x_t$", said="the labeler on the noisy picture",
        width=1.4, is_timed=True, is_headline=True,
    ),
    Source(
        "estimate", "the decoded predicted clean picture x̂₀, through the labeler", "rival",
        "#00795A", "#2fd0a4", label=r"estimate $\hat{x}_0$",
        said="the labeler on the predicted picture", width=1.4, is_timed=True,
        is_headline=True,
    ),
    Source(
        "latent", "the latent x_t or x̂₀ itself, through one linear map", "rival",
        "#A8508A", "#e69ac9", views=("x_t", "x_0"), reads_layers=True, is_headline=True,
    ),
    Source(
        "vae", "the attention of the VAE's decoder on x_t, through one linear map", "rival",
        "#6A51A3", "#b3a2e6", dash=(0, (6, 2)), views=("vae",), reads_layers=True,
        absent="the model's VAE decodes without attention, or " + QUICK,
    ),
    Source(
        "position", "only the place: the mean label map of the training pictures", "baseline",
        "#555555", "#c4c4c4", dash="--", is_constant=True, is_headline=True,
    ),
    Source(
        "text", "the caption alone: its embedding and the place, through one linear map",
        "baseline", "#5B7F00", "#b6d957", dash=(0, (4, 2)), views=("text",), is_constant=True,
        absent="the model takes no captions",
    ),
    Source(
        "random", "the denoiser with its weights permuted, through one linear map", "control",
        "#8A6100", "#e0b04a", views=("random",), reads_layers=True, absent=QUICK,
    ),
    Source(
        "untrained", "the denoiser with fresh random weights, through one linear map", "control",
        "#882255", "#d97ba6", dash=(0, (3, 1, 1, 1)), views=("untrained",), reads_layers=True,
        absent=QUICK,
    ),
    Source(
        "unconditional", "one layer's activation in the half that runs without the caption",
        "control", "#3B6EA8", "#8fb8e8", dash=(0, (2, 1)), views=("unconditional",),
        reads_layers=True, absent="guidance ran no unconditional half",
    ),
    Source(
        "joint", "the last layers' activations together and the place, through one linear map",
        "probe", "#B03060", "#ff7fa5", width=1.6, word="joint", views=("joint",),
    ),
    Source(
        "estimate linear",
        "x̂₀ around each place, and its labeler's maps unless `--quick`, through one linear map",
        "rival",
        "#2E7D6B", "#7fd0bd", dash=(0, (5, 1.5)), word="linear", views=("joint",),
    ),
    Source(
        "trained", "x̂₀ alone, through a small network trained on it at each step", "rival",
        "#1B7837", "#7fbf7b", dash=(0, (3, 1, 1, 1)), word="trained", views=("x_0",),
        absent=QUICK,
    ),
    Source(
        "trained noisy", "x_t alone, through such a network trained on it at each step", "rival",
        "#2166AC", "#92c5de", dash=(0, (3, 1, 1, 1)), word="trained", views=("x_t",),
        absent=QUICK,
    ),
    Source(
        "beyond", "what a layer's activation adds to `estimate linear`: the score gained", "probe",
        "#B03060", "#ff7fa5", dash=(0, (3, 1)), word="beyond", views=("joint",),
        reads_layers=True, is_gain=True,
    ),
    Source(
        "nested", "what a layer adds to `estimate linear` and the layers before it: score gained",
        "probe", "#B03060", "#ff7fa5", dash=(0, (1, 2)), word="nested", views=("joint",),
        reads_layers=True, is_gain=True, absent=QUICK,
    ),
    Source(
        "beyond swapped", "as `beyond`, with the layer's activation taken from another picture",
        "control", "#7B5EA7", "#bfa5e8", dash=(0, (1, 1)), word="swapped", views=("joint",),
        reads_layers=True, is_gain=True,
    ),
    Source(
        "beyond ensemble", "what a second reader of x̂₀, of random features, adds to the first",
        "control", "#6E6E6E", "#b5b5b5", dash=(0, (1, 1)), word="ensemble", views=("joint",),
        is_gain=True,
    ),
    Source(
        "beyond shuffled", "as `beyond`, of all layers, fitted to and scored on others' labels",
        "control", "#9A6B4F", "#d8b49e", dash=(0, (1, 1)), word="unowned", views=("joint",),
        is_gain=True, absent=QUICK,
    ),
    Source(
        "shuffled", "one layer's activation, fitted to other pictures' labels and scored on them",
        "control", "#6E6E6E", "#a9a9a9", dash=":", word="shuffled", reads_layers=True,
    ),
    Source(
        "ceiling", "the label itself at the layer's resolution, which bounds its probes", "bound",
        "#111111", "#f2f2f2", dash="-.", is_constant=True, reads_layers=True,
    ),
    Source(
        "logistic", "one layer's activation, through logistic regression", "probe",
        "#117A8B", "#5fc9d8", dash=(0, (1, 2)), word="logistic", reads_layers=True,
    ),
    Source(
        "huber", "one layer's activation, through a linear map of least Huber loss", "probe",
        "#117A8B", "#5fc9d8", dash=(0, (4, 1, 1, 1)), word="huber", reads_layers=True,
    ),
    Source(
        "mlp", "one layer's activation, through a network of one hidden layer", "probe",
        "#7A5C00", "#d9b44a", dash=(0, (4, 1, 1, 1, 1, 1)), word="mlp", reads_layers=True,
    ),
    Source(
        "paper", "one layer's activation, through the literature's recipe", "probe",
        "#7A5C00", "#d9b44a", dash=(0, (1, 2)), word="paper", reads_layers=True,
    ),
    Source(
        "labeler", "the clean picture, through the labeler, scored on exact labels", "bound",
        "#004D40", "#7fd6c2", dash="-.", is_constant=True,
    ),
    Source(
        "taught", "one layer's activation, fitted to the labeler's labels, scored on exact ones",
        "probe", "#A34700", "#ffb685", dash="--", reads_layers=True,
    ),
    Source(
        "judged", "the same probe as `taught`, scored on the labeler's labels", "probe",
        "#A34700", "#ffb685", dash=":", reads_layers=True,
    ),
)  # fmt: skip
"""In the order of tables. Many colours are Okabe & Ito's (2008), darkened to be read on white."""

BY_NAME: Mapping[str, Source] = {each.name: each for each in SOURCES}

TIMED = tuple(each.name for each in SOURCES if each.is_timed)
"""Rivals that leads and crossovers are measured against."""
HEADLINE = tuple(each.name for each in SOURCES if each.is_headline)
"""What the headline plot and the README's table show."""
CONTROLS = ("random", "untrained")
"""Denoisers that know nothing; what stands before a layer's name where it is theirs."""
LATENTS = BY_NAME["latent"].views
DECODER = BY_NAME["vae"].views[0]
TEXT = BY_NAME["text"].views[0]
"""What stands for the layer's name where captions alone are read."""
JOINT = BY_NAME["joint"].views[0]
"""What stands before a layer's name, or alone, where the joint activation is read."""
TAUGHT = "taught "
"""What stands before a property's name where labels are a labeler's and exact ones are known."""


class Name(NamedTuple):
    """What a probe is of, taken apart: `shuffle` counts from 0, None for a picture's own labels."""

    source: str
    property: str
    layer: str
    shuffle: int | None = None


def name_of(
    source: str, property: str, layer: str = "", *, shuffle: int | None = None
) -> tuple[str, str]:
    """Write the two words that a probe is kept under: its property's and its layer's.

    Args:
        source: Of `SOURCES`.
        property: As `folded` names it.
        layer: The layer's own name, or one of the source's views.
        shuffle: Which of the shuffled labels it was fitted to, from 0.
    """
    found = BY_NAME[source]
    number = () if shuffle is None else (str(shuffle + 1),)
    words = (found.word, *number, property) if found.word else (property,)
    shown = layer if not found.views or layer in found.views else f"{found.views[0]} {layer}"
    return " ".join(words), shown


def read_name(name: str, layer: str) -> Name:
    """Take those two words apart again.

    Raises:
        MetricError: if no source was fitted in that way to that view.
    """
    word, number, property = _word_of(name)
    start, _, rest = layer.partition(" ")
    view, own_layer = (start, rest or layer) if start in _VIEWS else ("", layer)
    if (source := _BY_WORDS.get((word, view))) is None:
        raise MetricError(
            f"No source is fitted by {word or 'ridge'!r} to {view or 'a layer'!r} (probe "
            f"{name!r} of {layer!r}). Declare it in `scores.sources`."
        )
    return Name(source, property, own_layer, int(number) - 1 if number else None)


def property_of(name: str) -> str:
    """Name the property that a probe is of, whatever it was fitted to, or how."""
    return _word_of(name)[2]


def sources_of(names: Iterable[str]) -> dict[str, Source]:
    """Give the sources of these names, in the order of `SOURCES`.

    A name that is not declared comes last, as a probe of which nothing more is known, in a colour
    of its own.
    """
    wanted = list(dict.fromkeys(names))
    others = [name for name in wanted if name not in BY_NAME]
    known = {each.name: each for each in SOURCES if each.name in wanted}
    return known | {
        name: Source(name, "", "probe", colour, dark, dash=dash)
        for name, (colour, dark, dash) in zip(others, cycle(_OTHERS), strict=False)
    }


def as_json(source: Source) -> dict[str, Any]:
    """Write what a page needs to name and draw a source; `dash` as SVG has it."""
    dashes = {"-": "", "--": "6 3", ":": "1.5 2.5", "-.": "6 3 1.5 3"}
    dash = source.dash
    return {
        "name": source.name,
        "sees": source.sees,
        "kind": source.kind,
        "colour": source.colour,
        "dark": source.dark,
        "dash": dashes[dash] if isinstance(dash, str) else " ".join(f"{n:g}" for n in dash[1]),
        "is_constant": source.is_constant,
        "is_timed": source.is_timed,
        "is_headline": source.is_headline,
        "is_gain": source.is_gain,
    }


def is_gain(name: str) -> bool:
    """Tell whether a source's scores are differences, not on the scale of the others."""
    return name in BY_NAME and BY_NAME[name].is_gain


def in_order(names: Iterable[str]) -> list[str]:
    """Put names of sources in the order of `SOURCES`, undeclared ones last."""
    return list(sources_of(names))


def _word_of(name: str) -> tuple[str, str, str]:
    """Split a name into how a probe was fitted, the number of its shuffle, and its property."""
    found = _WORDS.match(name)
    return (found["word"], found["number"] or "", found["property"]) if found else ("", "", name)


_WORDS = re.compile(
    rf"(?P<word>{'|'.join(re.escape(each.word) for each in SOURCES if each.word)}) "
    r"((?P<number>\d+) )?(?P<property>.+)"
)
_VIEWS = frozenset(view for each in SOURCES for view in each.views)
_FITTED = [each for each in SOURCES if each.word or each.views or each.name == "probe"]
_BY_WORDS = {(each.word, view): each.name for each in _FITTED for view in each.views or ("",)}
_OTHERS = (
    ("#6A51A3", "#b3a2e6", (0, (6, 2))),
    ("#882255", "#d97ba6", (0, (3, 1, 1, 1))),
    ("#117A8B", "#5fc9d8", (0, (1, 2))),
    ("#7A5C00", "#d9b44a", (0, (4, 1, 1, 1, 1, 1))),
)
