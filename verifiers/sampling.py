"""Whether two expressions have the same value: decided at fixed points, to many digits.

A difference at one point, beyond every rounding error, proves them different. Agreement at all
points to `AGREE_BITS` bits is strong evidence that they are the same; the points are fixed, so the
verdict is too. Real points of both signs are used; where one side is not real and no `i` was
written, the point counts as outside of its domain (ln x^2 and 2 ln x are taken for the same).
"""

import threading
from collections.abc import Callable, Iterable, Sequence
from fractions import Fraction
from itertools import chain
from typing import Any, NamedTuple

from .evaluate import Evaluator, NoValue, Number, bound_variable
from .latex.tree import LimitReached, Node
from .latex.units import UNITS

POINTS = 12
PRECISE_POINTS = 3
FIRST_BITS = 160
MAX_BITS = 4_000
GUARD_BITS = 40
MAX_NODES = 600
MAX_VARIABLES = 24

# Letters that stand for integers where a floor, a remainder or (-1)^n shows that some do.
_INTEGER_LETTERS = frozenset("ijklmnpqrsNMK")
_local = threading.local()


class Sampled(NamedTuple):
    """What sampling found.

    Attributes:
        same: None where no point could be used.
        reason: one line for people.
        at: the point of a difference, or the values of constants.
    """

    same: bool | None
    reason: str
    at: dict[str, str]


def contexts() -> tuple[Any, Any]:
    """The thread's float and multi-precision contexts; mpmath's own is shared, so not safe."""
    if not hasattr(_local, "precise"):
        from mpmath import fp
        from mpmath.ctx_mp import MPContext

        _local.precise = MPContext()
        _local.quick = fp
    return _local.quick, _local.precise


def same_value(
    left: Node, right: Node, *, units: bool = True, log_base: float | str = 10
) -> Sampled:
    """Whether two trees have one value wherever both are defined.

    Raises:
        LimitReached: finding out would cost too much.
    """
    return _Comparison((left,), (right,), units, log_base).run(_equal)


def same_equation(left: tuple[Node, Node], right: tuple[Node, Node]) -> tuple[Sampled, int]:
    """Whether `l0 - l1` and `r0 - r1` are constant multiples of one another, and the sign of it."""
    comparison = _Comparison(left, right, True, 10)
    return comparison.proportional()


class _Values(NamedTuple):
    left: Number
    right: Number
    error: Number  # bound on the rounding error of their difference
    imaginary: bool  # something on the way was not real


class _Comparison:
    """One pair of expressions; each side is a tuple, whose later members are subtracted."""

    def __init__(
        self, left: Sequence[Node], right: Sequence[Node], units: bool, log_base: float | str
    ) -> None:
        self.sides = (left, right)
        self.units = units
        self.log_base = log_base
        nodes = list(chain.from_iterable(side.walk() for side in (*left, *right)))
        if len(nodes) > MAX_NODES:
            raise LimitReached(f"more than {MAX_NODES} parts")
        self.names = sorted(_variables(nodes))
        if len(self.names) > MAX_VARIABLES:
            raise LimitReached(f"more than {MAX_VARIABLES} variables")
        self.complex = any(node.op == "const" and node.text == "i" for node in nodes)
        self.integers = any(_integral(node) for node in nodes)
        self.opaque = any(node.op in ("apply", "accent", "big", "mod") for node in nodes)

    def point(self, index: int) -> dict[str, Fraction]:
        """The values of the variables at point number `index`."""
        values: dict[str, Fraction] = {}
        for place, name in enumerate(self.names):
            spread = (1597 * (index + 1) + 6101 * (place + 1) * (index + 3)) % 2503
            value = Fraction(spread, 1009) + Fraction(3, 10)
            if ":" in name:
                pass  # units are positive
            elif self.integers and name[0] in _INTEGER_LETTERS:
                value = Fraction(2 + spread % 9)
            elif index % 2 and (index // 2 + place) % 2 == 0:
                value = -value
            values[name] = value
        return values

    def values(self, context: Any, index: int) -> _Values:
        """Both sides at one point."""
        evaluator = Evaluator(context, self.point(index), units=self.units, log_base=self.log_base)
        left, right = (self._side(evaluator, side) for side in self.sides)
        mag = context.mag
        sizes = [evaluator.largest, *(mag(value) for value in (left, right) if value)]
        needed = evaluator.span + GUARD_BITS + 60
        if context.prec < needed and context.prec != 53:
            if needed > MAX_BITS:
                raise LimitReached("terms of too different sizes")
            context.prec = needed
            return self.values(context, index)
        error = context.ldexp(context.mpf(1), max(sizes) - context.prec + GUARD_BITS)
        return _Values(left, right, error, evaluator.imaginary)

    def _side(self, evaluator: Evaluator, side: Sequence[Node]) -> Number:
        value = evaluator.value(side[0])
        for part in side[1:]:
            taken = evaluator.value(part)
            for each in (value, taken):
                if each:
                    evaluator.largest = max(evaluator.largest, evaluator.context.mag(each))
            value = value - taken
        return value

    def run(self, test: Callable[[Any, _Values], bool]) -> Sampled:
        """Both sides at up to `POINTS` points."""
        quick, precise = contexts()
        agreed, outside, agreed_outside = 0, 0, 0
        total = POINTS if self.names else 1
        for index in range(total):
            found = None
            if index >= PRECISE_POINTS and not self.opaque:
                found = self._quick(quick, index)
                if found is not None and not _close(found):
                    found = None  # too near or too far for floats to say
            context = quick
            if found is None:
                context = precise
                context.prec = FIRST_BITS
                try:
                    found = self.values(context, index)
                except NoValue:
                    continue
            domain = self.complex or _real(context, found)
            same = test(context, found)
            if domain and not same:
                return self._different(context, index, found)
            if domain:
                agreed += 1
            else:
                outside += 1
                agreed_outside += same
        if agreed >= min(total, 3):
            return self._agreement(agreed)
        if not agreed and outside:
            same = agreed_outside == outside
            return Sampled(same, f"{outside} complex points", {})
        return Sampled(None, "no point at which both have a value", {})

    def _quick(self, context: Any, index: int) -> _Values | None:
        try:
            return self.values(context, index)
        except (NoValue, OverflowError, ValueError, TypeError):
            return None

    def _agreement(self, points: int) -> Sampled:
        if not self.names:
            return Sampled(True, "the same number to 35 digits", {})
        return Sampled(True, f"sampled at {points} points, all agree", {})

    def _different(self, context: Any, index: int, found: _Values) -> Sampled:
        shown = [context.nstr(value, 6) for value in found[:2]]
        if not self.names:
            return Sampled(False, f"{shown[0]} against {shown[1]}", {})
        values = {name: f"{float(value):.6g}" for name, value in self.point(index).items()}
        where = ", ".join(f"{name} = {value}" for name, value in values.items() if ":" not in name)
        return Sampled(
            False,
            f"sampled, differ at {where or 'all points'}: {shown[0]} against {shown[1]}",
            values,
        )

    def proportional(self) -> tuple[Sampled, int]:
        """Whether one side is a constant multiple of the other, and that constant's sign."""
        found = self._ratio()
        if found[0].same is None and not self.complex:
            self.complex = True  # nowhere real: the complex values will do
            found = self._ratio()
        return found

    def _ratio(self) -> tuple[Sampled, int]:
        _, precise = contexts()
        ratio: Number = None
        used, zero = 0, 0
        for index in range(POINTS):
            precise.prec = FIRST_BITS
            try:
                found = self.values(precise, index)
            except NoValue:
                continue
            if not (self.complex or _real(precise, found)):
                continue
            left_zero, right_zero = abs(found.left) <= found.error, abs(found.right) <= found.error
            if left_zero and right_zero:
                zero += 1
                continue
            if left_zero or right_zero:
                return self._different(precise, index, found), 0
            here = found.left / found.right
            if ratio is None:
                ratio = here
            elif abs(here - ratio) > abs(ratio) * precise.ldexp(1, GUARD_BITS * 2 - precise.prec):
                return self._different(precise, index, found), 0
            used += 1
        if ratio is None or (self.names and used < 3):
            return Sampled(None, "no point at which both equations have a value", {}), 0
        return Sampled(True, f"equations that are multiples, sampled at {used} points", {}), (
            1 if precise.re(ratio) > 0 else -1
        )


def _equal(context: Any, found: _Values) -> bool:
    return bool(abs(found.left - found.right) <= found.error)


def _close(found: _Values) -> bool:
    """Whether floats agree well; only then are they trusted, and only as further agreement."""
    scale = max(abs(found.left), abs(found.right))
    return bool(abs(found.left - found.right) <= 1e-9 * scale)


def _real(context: Any, found: _Values) -> bool:
    return not found.imaginary and all(abs(context.im(value)) <= found.error for value in found[:2])


def _variables(nodes: Iterable[Node]) -> set[str]:
    names: set[str] = set()
    for node in nodes:
        if node.op == "sym" or (node.op == "unit" and node.text not in UNITS and ":" in node.text):
            names.add(node.text)
        elif node.op == "big":
            bound = bound_variable(node.args[1])
            if bound is not None:
                names.discard(bound[0])
    return names


def _integral(node: Node) -> bool:
    """Whether a node shows that some of the letters are integers."""
    if node.op == "mod" or (node.op == "call" and node.text in ("floor", "ceil")):
        return True
    if node.op == "pow":
        base = node.args[0]
        return base.op == "neg" and base.args[0].number == 1 and node.args[1].number is None
    return (
        node.op == "mul"
        and any(part.op == "const" and part.text == "pi" for part in node.args)
        and any(part.op == "sym" and part.text in "nkm" for part in node.args)
    )
