"""What a pipeline's call takes, by name; a subclass that hands words on has its parents'."""

import inspect
from typing import Any


def words_of(pipeline: Any) -> dict[str, inspect.Parameter]:
    """Give the parameters of a pipeline's call, and of its parents' where it takes `**kwargs`."""
    found: dict[str, inspect.Parameter] = {}
    for kind in type(pipeline).__mro__:
        if "__call__" not in vars(kind):
            continue
        taken = inspect.signature(vars(kind)["__call__"]).parameters
        found = {**taken, **found}
        if not any(each.kind is each.VAR_KEYWORD for each in taken.values()):
            break
    return {
        name: each
        for name, each in found.items()
        if each.kind not in (each.VAR_POSITIONAL, each.VAR_KEYWORD)
    }
