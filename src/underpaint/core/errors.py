"""Every error underpaint raises on purpose: one base class, one subclass per thing to catch.

A message has three short parts: what is wrong, what was seen, what to do.
"""


class UnderpaintError(Exception):
    """Something the caller can put right; the message says how, in one line."""

    def __init__(self, message: str) -> None:
        # Other libraries' words, which some messages quote, may come in several lines.
        super().__init__(" ".join(line.strip() for line in message.splitlines()))


class PromptError(UnderpaintError):
    """A prompt, a prompt file or a split of prompts is not usable."""


class LayerError(UnderpaintError):
    """A layer is not in the model, or no layer was chosen."""


class SchedulerError(UnderpaintError):
    """The scheduler cannot do what was asked, or its steps have no single meaning."""


class ModelError(UnderpaintError):
    """A model cannot be found, trusted or run."""


class LabelError(UnderpaintError):
    """A label map, or the model that makes it, does not fit."""


class MomentsError(UnderpaintError):
    """Sums cannot be taken, joined or solved."""


class MetricError(UnderpaintError):
    """A prediction and a label cannot be compared."""


class RunError(UnderpaintError):
    """A run's folder cannot be read, written or continued."""


class EditError(UnderpaintError):
    """An intervention does not fit the activation it edits."""


class PickError(UnderpaintError):
    """A search for pictures cannot be carried out as it was asked for."""


class SceneError(UnderpaintError):
    """A rendered scene cannot be built."""


def first_line(error: Exception) -> str:
    """Shorten another library's error to what fits inside ours."""
    lines = str(error).strip().splitlines() or [type(error).__name__]
    return lines[0] if len(lines[0]) <= 160 else f"{lines[0][:158]} …"
