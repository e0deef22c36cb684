"""Errors cross process borders, keep their builtin kind, and carry an exit code."""

import pickle

import pytest

from truing.core import errors


def kinds(kind: type[errors.TruingError]) -> list[type[errors.TruingError]]:
    return [kind, *(inner for child in kind.__subclasses__() for inner in kinds(child))]


@pytest.mark.parametrize("kind", kinds(errors.TruingError), ids=lambda kind: kind.__name__)
def test_an_error_pickles_and_has_an_exit_code(kind: type[errors.TruingError]) -> None:
    fault = pickle.loads(pickle.dumps(kind("what, where, what next")))
    assert type(fault) is kind
    assert str(fault) == "what, where, what next"
    assert fault.exit_code in (errors.USER_FAULT, errors.OUR_FAULT, errors.INTERRUPTED)


def test_an_error_is_caught_as_the_builtin_that_it_refines() -> None:
    with pytest.raises(ValueError, match="x"):
        raise errors.ConfigError("x")
    with pytest.raises(LookupError, match="x"):
        raise errors.UnknownName("x")
    with pytest.raises(OSError, match="x"):
        raise errors.StorageError("x")
