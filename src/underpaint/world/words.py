"""The closed grammar of captions: what `tiny` can be asked for.

    caption = ("a" | "an") COLOUR OBJECT "on a" FLOOR "floor, light from" LIGHT

10 objects x 10 colours x 6 floors x 3 lights = 1,800 captions. One in ten is never seen in
training, so that "held-out caption" means a combination that the model has to put together itself.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import product
from typing import Any

from ..core.errors import PromptError

OBJECTS = (
    "ball", "box", "cone", "cylinder", "ring", "table", "chair", "mug", "snowman", "car",
)  # fmt: skip
COLOURS = {
    "red": (0.82, 0.10, 0.10),
    "orange": (0.95, 0.48, 0.06),
    "yellow": (0.95, 0.85, 0.12),
    "green": (0.12, 0.62, 0.18),
    "teal": (0.05, 0.62, 0.62),
    "blue": (0.12, 0.25, 0.85),
    "purple": (0.47, 0.15, 0.70),
    "pink": (0.95, 0.50, 0.70),
    "white": (0.92, 0.92, 0.90),
    "black": (0.10, 0.10, 0.11),
}
FLOORS = ("wooden", "tiled", "checkered", "grass", "sand", "brick")
LIGHTS = {"left": "the left", "right": "the right", "above": "above"}

_CAPTION = re.compile(
    r"an? (?P<colour>\w+) (?P<object>\w+) on a (?P<floor>\w+) floor, light from (?P<light>.+)"
)


@dataclass(frozen=True)
class Caption:
    """What a caption asks for, a word for each part of the scene."""

    colour: str
    object: str
    floor: str
    light: str

    def __str__(self) -> str:
        article = "an" if self.colour[0] in "aeiou" else "a"
        return (
            f"{article} {self.colour} {self.object} on a {self.floor} floor, "
            f"light from {LIGHTS[self.light]}"
        )

    @property
    def classes(self) -> tuple[int, int, int, int]:
        """Object, colour, floor and light as indices into the word lists above."""
        return (
            OBJECTS.index(self.object),
            list(COLOURS).index(self.colour),
            FLOORS.index(self.floor),
            list(LIGHTS).index(self.light),
        )

    @property
    def mirrored(self) -> "Caption":
        """The caption of the same scene seen in a mirror: left and right change places."""
        swapped = {"left": "right", "right": "left"}.get(self.light, self.light)
        return Caption(self.colour, self.object, self.floor, swapped)


CAPTIONS = tuple(
    Caption(colour, thing, floor, light)
    for thing, colour, floor, light in product(OBJECTS, COLOURS, FLOORS, LIGHTS)
)
# A mirrored scene must not carry a held-out caption into training, so the rule ignores the side of
# the light: it takes one in ten of the (object, colour, floor) triples, spread over every word.
HELD_OUT = frozenset(
    caption
    for caption in CAPTIONS
    if (3 * caption.classes[0] + caption.classes[1] + caption.classes[2]) % 10 == 0
)
TRAINING = tuple(caption for caption in CAPTIONS if caption not in HELD_OUT)

VOCABULARY = tuple(
    sorted({"a", "an", "on", "floor", "light", "from", "the", *OBJECTS, *COLOURS, *FLOORS, *LIGHTS})
)


def parse(text: str) -> Caption:
    """Read a caption back into its words.

    Raises:
        PromptError: if the text is not a sentence of the grammar, or a word is not in its list.
    """
    match = _CAPTION.fullmatch(" ".join(text.casefold().split()))
    light = {spoken: name for name, spoken in LIGHTS.items()}
    if match and (
        match["colour"] in COLOURS
        and match["object"] in OBJECTS
        and match["floor"] in FLOORS
        and match["light"] in light
    ):
        return Caption(match["colour"], match["object"], match["floor"], light[match["light"]])
    raise PromptError(
        f"{text[:80]!r} is not a caption of the rendered world. Write it like {str(CAPTIONS[0])!r}."
    )


def grammar(prompts: Iterable[str]) -> dict[str, Any] | None:
    """Lay out the words to choose from, for those who offer them; None if a prompt has others.

    Returns:
        "template" with a place for each part, and "parts": by name, what is written for each word.
    """
    try:
        for prompt in prompts:
            parse(prompt)
    except PromptError:
        return None
    articles = {word: f"{'an' if word[0] in 'aeiou' else 'a'} {word}" for word in COLOURS}
    return {
        "template": "{colour} {object} on a {floor} floor, light from {light}",
        "parts": {
            "colour": articles,
            "object": {word: word for word in OBJECTS},
            "floor": {word: word for word in FLOORS},
            "light": dict(LIGHTS),
        },
    }


def unknown_words(text: str) -> tuple[str, ...]:
    """Words of a prompt that `tiny` has never read, in order, each once."""
    words = re.findall(r"[^\W_]+", text.casefold())
    return tuple(dict.fromkeys(word for word in words if word not in VOCABULARY))
