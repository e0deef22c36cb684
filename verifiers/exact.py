"""Exact rational value of a tree, where it has one and where working it out is cheap.

Costs are known before anything is computed: a power, factorial or binomial whose result would be
larger than `MAX_BITS` raises `LimitReached` instead.
"""

from collections.abc import Callable
from fractions import Fraction
from math import comb, factorial, floor, gcd, isqrt, lcm

from .latex.tree import LimitReached, Node

MAX_BITS = 300_000
MAX_FACTORIAL = 20_000
_BINARY = 2


class NotRational(ValueError):
    """The tree holds something that is not a rational number: a variable, a root, a list."""


def rational(node: Node) -> Fraction:
    """The value of `node`.

    Raises:
        NotRational: it has no rational value, or none that this module knows.
        LimitReached: it is too large to be written out.
    """
    if node.number is not None:
        return node.number
    rule = _RULES.get(node.op)
    if rule is None:
        raise NotRational(node.op)
    return rule(node)


def value_or_none(node: Node) -> Fraction | None:
    """As `rational`, with None for what is not rational or too large."""
    try:
        return rational(node)
    except (NotRational, LimitReached):
        return None


def _checked(value: Fraction) -> Fraction:
    if value.numerator.bit_length() + value.denominator.bit_length() > MAX_BITS:
        raise LimitReached("a number too large to be written out")
    return value


def _add(node: Node) -> Fraction:
    total = Fraction(0)
    for part in node.args:
        total += rational(part)
    return _checked(total)


def _mul(node: Node) -> Fraction:
    product = Fraction(1)
    for part in node.args:
        product = _checked(product * rational(part))
    return product


def _div(node: Node) -> Fraction:
    top, bottom = rational(node.args[0]), rational(node.args[1])
    if not bottom:
        raise NotRational("division by zero")
    return _checked(top / bottom)


def _pow(node: Node) -> Fraction:
    base, exponent = rational(node.args[0]), rational(node.args[1])
    return power(base, exponent)


def power(base: Fraction, exponent: Fraction) -> Fraction:
    """`base` to `exponent`, where that is rational.

    Raises:
        NotRational: it is not, or not defined.
        LimitReached: it would be too large.
    """
    if exponent.denominator != 1:
        root = _root(base, exponent.denominator)
        return power(root, Fraction(exponent.numerator))
    if not base:
        if exponent <= 0:
            raise NotRational("zero to a power that is not positive")
        return base
    if abs(base) == 1:
        return base if exponent.numerator % _BINARY else Fraction(1)
    size = base.numerator.bit_length() + base.denominator.bit_length()
    if abs(exponent) > MAX_BITS or size * abs(exponent.numerator) > _BINARY * MAX_BITS:
        raise LimitReached("a power too large to be written out")
    return base**exponent.numerator


def _root(base: Fraction, degree: int) -> Fraction:
    if degree > 64 or (base < 0 and degree % _BINARY == 0):
        raise NotRational("a root")
    sign = -1 if base < 0 else 1
    top = _integer_root(abs(base.numerator), degree)
    bottom = _integer_root(base.denominator, degree)
    return Fraction(sign * top, bottom)


def _integer_root(value: int, degree: int) -> int:
    if value.bit_length() > 20_000:
        raise LimitReached("a root of a number too large")
    if value <= 1:
        return value
    if degree == _BINARY:
        root = isqrt(value)
    else:
        root = 1 << -(-value.bit_length() // degree)
        while True:
            lower = ((degree - 1) * root + value // root ** (degree - 1)) // degree
            if lower >= root:
                break
            root = lower
    if root**degree != value:
        raise NotRational("an irrational root")
    return root


def _neg(node: Node) -> Fraction:
    return -rational(node.args[0])


def _mod(node: Node) -> Fraction:
    left, right = node.args
    modulus = rational(right)
    if modulus.denominator != 1 or modulus <= 0:
        raise NotRational("a modulus that is no positive integer")
    if left.op == "pow":
        base, exponent = rational(left.args[0]), rational(left.args[1])
        if base.denominator == exponent.denominator == 1 and exponent >= 0:
            return Fraction(pow(base.numerator, exponent.numerator, modulus.numerator))
    return rational(left) % modulus


def _call(node: Node) -> Fraction:
    rule = _CALLS.get(node.text)
    if rule is None:
        raise NotRational(node.text)
    return rule([rational(part) for part in node.args])


def _integers(values: list[Fraction]) -> list[int]:
    if any(value.denominator != 1 for value in values):
        raise NotRational("not an integer")
    return [value.numerator for value in values]


def _factorial(values: list[Fraction]) -> Fraction:
    (value,) = _integers(values)
    if value < 0:
        raise NotRational("the factorial of a negative number")
    if value > MAX_FACTORIAL:
        raise LimitReached("a factorial too large to be written out")
    return Fraction(factorial(value))


def _binomial(values: list[Fraction]) -> Fraction:
    top, bottom = _integers(values)
    if top < 0 or bottom < 0:
        raise NotRational("a binomial of negative numbers")
    if bottom > top:
        return Fraction(0)
    smaller = min(bottom, top - bottom)
    if smaller * top.bit_length() > MAX_BITS:
        raise LimitReached("a binomial too large to be written out")
    return Fraction(comb(top, bottom))


def _log(values: list[Fraction]) -> Fraction:
    if len(values) == 1:
        values = [*values, Fraction(10)]
    value, base = values
    if value == 1 and base > 0 and base != 1:
        return Fraction(0)
    if value == base and base > 0 and base != 1:
        return Fraction(1)
    raise NotRational("a logarithm")


def _gcd(values: list[Fraction]) -> Fraction:
    return Fraction(gcd(*_integers(values)))


def _lcm(values: list[Fraction]) -> Fraction:
    return Fraction(lcm(*_integers(values)))


_RULES: dict[str, Callable[[Node], Fraction]] = {
    "add": _add, "mul": _mul, "div": _div, "pow": _pow, "neg": _neg, "call": _call, "mod": _mod,
}  # fmt: skip
_CALLS: dict[str, Callable[[list[Fraction]], Fraction]] = {
    "factorial": _factorial, "binom": _binomial, "gcd": _gcd, "lcm": _lcm, "log": _log,
    "abs": lambda values: abs(values[0]),
    "floor": lambda values: Fraction(floor(values[0])),
    "ceil": lambda values: Fraction(-floor(-values[0])),
    "max": max, "min": min,
}  # fmt: skip
