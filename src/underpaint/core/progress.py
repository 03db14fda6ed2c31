"""What long work tells whoever waits for it: how far it is, and what it has to say."""

from collections.abc import Callable

Progress = Callable[[str, int, int], None]
"""Called with a stage's name, how many pictures are done, and how many there are in all."""

Say = Callable[[str], None]
"""Called with a line for people to read."""
