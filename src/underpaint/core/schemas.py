"""What JSON has to look like before it is used: one small check, for files that anyone may change.

A shape is a predicate, None, or built of shapes: a `range` of whole numbers, `[shape]` for a list
of one or more, `(shape, shape)` for any of them, and `{key: shape}`, where a key that ends in "?"
may be missing and the key `...` stands for all keys.
"""

from collections.abc import Callable, Mapping
from typing import Any

_LONGEST = 100_000
"""Characters of the longest text that is taken."""


def misfit(value: Any, shape: Any, at: str = "it") -> str | None:
    """Say where a value first departs from a shape, in words; None where it does not."""
    if isinstance(shape, Mapping):
        return _misfit_of_keys(value, shape, at)
    if isinstance(shape, list):
        if not isinstance(value, list) or not value:
            return f"{at} is no list, or an empty one"
        found = (misfit(each, shape[0], f"{at}[{place}]") for place, each in enumerate(value))
        return next((each for each in found if each), None)
    if isinstance(shape, tuple):
        wrong = [misfit(value, each, at) for each in shape]
        return None if None in wrong else wrong[0]
    if isinstance(shape, range):
        fits = isinstance(value, int) and not isinstance(value, bool) and value in shape
        return None if fits else f"{at} is no whole number from {shape[0]} to {shape[-1]}"
    if shape is None:
        return None if value is None else f"{at} is not null"
    return None if shape(value) else f"{at} is no {_NAMES[shape]}"


def _misfit_of_keys(value: Any, shape: Mapping, at: str) -> str | None:
    if not isinstance(value, dict):
        return f"{at} is no object"
    for key, each in shape.items():
        if key is ...:
            for name, one in value.items():
                wrong = misfit(name, TEXT, f"a name in {at}") or misfit(one, each, f"{at}.{name}")
                if wrong:
                    return wrong
            continue
        name = key.removesuffix("?")
        if name not in value:
            if key.endswith("?"):
                continue
            return f"{at} has no {name}"
        if wrong := misfit(value[name], each, f"{at}.{name}"):
            return wrong
    return None


def TEXT(value: Any) -> bool:
    """Take text that a terminal can show: no control characters, no halves of a character."""
    return isinstance(value, str) and len(value) <= _LONGEST and value.isprintable()


def PLAIN_NUMBER(value: Any) -> bool:
    """Take a number that a float can hold."""
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and (isinstance(value, float) or abs(value) < 2**1000)


_NAMES: Mapping[Callable[[Any], bool], str] = {
    TEXT: "text that can be shown",
    PLAIN_NUMBER: "number",
}

SETTINGS: Mapping[str, Any] = {
    "model": TEXT,
    "fingerprint": TEXT,
    "scheduler": TEXT,
    "steps": range(1, 10_001),
    "guidance": PLAIN_NUMBER,
    "layers": [TEXT],
    "properties": [TEXT],
    "own_properties?": {...: TEXT},
    "labeled_by?": {...: TEXT},
    "resolution?": (range(1, 16_385), None),
    "swapped_scheduler?": (TEXT, None),
    "rivals_at?": [range(1, 10_001)],
}
"""run.json, so far as other commands go by it."""

LATER = ("configuration", "text_configuration")
"""What a model's identity did not say at first. Runs without one are valid: it is not compared."""

_MEAN = {"mean": (PLAIN_NUMBER, None)}
_INTERVAL = {**_MEAN, "low": (PLAIN_NUMBER, None), "high": (PLAIN_NUMBER, None)}
_STEP = range(1, 100_001)
_ONSET = {
    "step": _STEP,
    "low": (PLAIN_NUMBER, None),
    "high": (PLAIN_NUMBER, None),
    "earliest?": _STEP,
}
_LEAD = {"steps": PLAIN_NUMBER, "low": PLAIN_NUMBER, "high": PLAIN_NUMBER}
_BY_STEP = {**_MEAN, "low?": (PLAIN_NUMBER, None), "high?": (PLAIN_NUMBER, None)}
_CURVE = {"by_step": [_BY_STEP], "final": _INTERVAL}
_SHARES = dict.fromkeys(("caption", "noise", "meeting"), _INTERVAL)
SUMMARY: Mapping[str, Any] = {
    "properties": {
        ...: {
            "metric": TEXT,
            "best_layer": TEXT,
            "sources": {
                ...: {
                    **_CURVE,
                    "onset": (_ONSET, None),
                    "reached?": (_ONSET, None),
                    "seen?": [_STEP],
                },
            },
            "bar?": (PLAIN_NUMBER, None),
            "lead?": ({...: (_LEAD, None)}, None),
            "crossover?": {...: (_ONSET, _STEP, None)},
            "halves?": ({"layer": TEXT, **_CURVE}, None),
        }
    },
    "noise?": ([(PLAIN_NUMBER, None)], None),
    "beyond?": ({"latents": PLAIN_NUMBER, "labeler": (PLAIN_NUMBER, None)}, None),
    "splits?": {
        "count": range(2, 10_001),
        "properties": {
            ...: {
                "sources": {
                    ...: {"final": {"mean": PLAIN_NUMBER, "sd": PLAIN_NUMBER}, "layers": [TEXT]}
                }
            }
        },
    },
    "cross?": {
        "captions": PLAIN_NUMBER,
        "noises": PLAIN_NUMBER,
        "properties": {...: {"label": _SHARES, "layers": {...: {"by_step": [_SHARES]}}}},
    },
    "cost": {
        "seconds": PLAIN_NUMBER,
        "seconds_generation": PLAIN_NUMBER,
        "peak_rss_mb": PLAIN_NUMBER,
    },
    "classify?": {
        "namer": TEXT,
        "classes": [TEXT],
        "left_out": PLAIN_NUMBER,
        "sources": {
            ...: {
                "layer": (TEXT, None),
                "chance": _MEAN,
                "by_step": [_MEAN],
                "final": _INTERVAL,
                "stays": {"median": (PLAIN_NUMBER, None)},
            }
        },
    },
}
"""summary.json, so far as a command shows it."""
