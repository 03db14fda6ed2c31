"""A finished run as a paper: every number is read from the run, and none is typed.

`text/` holds the prose with places for numbers, `words` says what the numbers allow, `parts` fills
the sections, `markup` writes Typst, and `write_paper` compiles all of it to a tagged PDF.
"""

from .writing import write_paper

__all__ = ["write_paper"]
