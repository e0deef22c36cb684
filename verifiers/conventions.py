"""The questions on which graders disagree, each an option with its default."""

from typing import Literal

from pydantic import Field

from ..core.config import Config


class Conventions(Config):
    """How two answers are compared.

    >>> Conventions(tolerance=1e-6).tolerance
    1e-06
    """

    tolerance: float = Field(default=0.0, ge=0.0, lt=1.0)
    """Relative difference that still counts as equal; 0 compares exactly."""
    rounded_digits: int = Field(default=4, ge=0)
    """A decimal answer equals an exact rational reference such as 1/3 if it is correctly rounded
    and states at least this many significant digits; 0: never."""
    units: Literal["optional", "required", "ignored"] = "optional"
    """Whether 5 matches a reference of 5 cm (and 5 cm one of 5). Units that both name must agree,
    after conversion, unless `ignored`."""
    bare_percent: bool = True
    """Whether 28 matches a reference of 28%; 0.28 always does. 28% never matches 28."""
    ordered_lists: bool = False
    """Whether 2, 1 differs from a reference of 1, 2. Tuples are always ordered."""
    sets_as_tuples: bool = False
    r"""Whether \{1, 2\} matches a reference of (1, 2)."""
    rename_variables: bool = False
    """Whether x^2 matches a reference of y^2. The argument of f(x) = ... may always be renamed."""
    bare_values: bool = True
    """Whether 5 matches a reference of x = 5, and x = 5 one of 5."""
    intervals_as_inequalities: bool = True
    """Whether 1 < x < 2 matches a reference of (1, 2), and the reverse."""
    vectors_as_tuples: bool = True
    """Whether (1, 2) matches a column or row vector of 1 and 2, and the reverse."""
    log_base: Literal[10, 2, "e"] = 10
    """What a logarithm without a base means."""


DEFAULT = Conventions()
