import inspect

import pytest

from underpaint.core import errors

SUBCLASSES = [
    value
    for value in vars(errors).values()
    if inspect.isclass(value) and value is not errors.UnderpaintError
]


@pytest.mark.parametrize("error", SUBCLASSES)
def test_every_error_is_caught_by_the_one_base_class(error):
    with pytest.raises(errors.UnderpaintError, match="what was seen"):
        raise error("what was seen")


def test_the_base_class_is_no_builtin_that_hides_bugs():
    assert errors.UnderpaintError.__bases__ == (Exception,)
