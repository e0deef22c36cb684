"""The numerical value of a tree at a point, in floats or at any precision, at bounded cost.

What has no value of its own (an unknown function, an accented letter, an unevaluated integral) gets
a fixed pseudo-random one that depends on its name and the values of its parts: equal things get
equal values, different things different ones.
"""

from collections.abc import Callable, Iterable, Mapping
from fractions import Fraction
from hashlib import blake2b
from typing import Any

from . import exact
from .latex.tree import LimitReached, Node
from .latex.units import ARCMINUTE, ARCSECOND, DEGREE, DERIVED, PERCENT, UNITS

Number = Any  # a number of mpmath's, of whichever context
MAX_EXPONENT_BITS = 30  # |exponent| of a power or of exp: at most 2**30
MAX_ARGUMENT_BITS = 200  # of a trigonometric function
MAX_TERMS = 300  # of a sum or product with known bounds
MAX_STEPS = 40_000  # nodes evaluated for one verdict at one point

_RENAMED = {
    "arcsin": "asin", "arccos": "acos", "arctan": "atan", "arccot": "acot", "arcsec": "asec",
    "arccsc": "acsc", "arcsinh": "asinh", "arccosh": "acosh", "arctanh": "atanh", "abs": "fabs",
    "arg": "arg", "Re": "re", "Im": "im", "sign": "sign", "ceil": "ceil", "floor": "floor",
}  # fmt: skip
_PLAIN = frozenset("sin cos tan cot sec csc sinh cosh tanh coth sech csch".split()) | {*_RENAMED}
_TRIGONOMETRIC = frozenset("sin cos tan cot sec csc".split())


class NoValue(ValueError):
    """The tree has no number for its value here: a list, an interval, infinity, a pole."""


class Evaluator:
    """Evaluates trees at one point.

    Args:
        context: mpmath's `fp`, or a multi-precision context of one's own.
        point: values of variables; a name that is missing gets a fixed one.
        units: whether units count; else each is 1, which leaves the bare number.
        log_base: what `log` without a base means.

    Attributes:
        largest: magnitude, as a power of two, of the largest term that was summed.
        span: the widest gap, in powers of two, between terms of one sum: what falls below the
            working precision by being added to something large would otherwise vanish unseen.
        steps: nodes evaluated so far.
        imaginary: whether a root, power or logarithm on the way was not real.
    """

    def __init__(
        self, context: Any, point: Mapping[str, Fraction], *, units: bool, log_base: float | str
    ) -> None:
        self.context = context
        self.point = point
        self.units = units
        self.log_base = log_base
        self.largest = -(10**9)
        self.span = 0
        self.steps = 0
        self.imaginary = False
        self._bound: dict[str, Number] = {}

    def value(self, node: Node) -> Number:
        """The value of `node`.

        Raises:
            NoValue: it has none at this point.
            LimitReached: it would cost too much.
        """
        self.steps += 1
        if self.steps > MAX_STEPS:
            raise LimitReached("too many steps")
        if node.number is not None:
            return self.fraction(node.number)
        rule = _RULES.get(node.op)
        if rule is None:
            raise NoValue(node.op)
        try:
            found = rule(self, node)
        except (NoValue, LimitReached):
            raise
        except (ZeroDivisionError, OverflowError, ValueError):  # mpmath's ways to say a pole
            raise NoValue("a pole") from None
        if node.op in ("pow", "call") and found.imag:
            self.imaginary = True
        return found

    def fraction(self, value: Fraction) -> Number:
        """A rational as a number of the context."""
        if value.denominator == 1:
            return self.context.mpf(value.numerator)
        return self.context.mpf(value.numerator) / value.denominator

    def named(self, name: str) -> Number:
        """A variable's value."""
        if name in self._bound:
            return self._bound[name]
        value = self.point.get(name)
        return self.fraction(value if value is not None else _hashed(name))

    def opaque(self, name: str, parts: list[Number]) -> Number:
        """The value of something that only its name and parts tell apart."""
        shown = [self.context.nstr(part, 9) for part in parts]
        return self.fraction(_hashed("|".join([name, *shown])))

    def along(self, name: str, body: Node, values: Iterable[int | Fraction]) -> list[Number]:
        """The values of `body` as the bound variable `name` takes each of `values`."""
        outer = self._bound.get(name)
        found = []
        for value in values:
            self._bound[name] = self.fraction(Fraction(value))
            found.append(self.value(body))
        if outer is None:
            self._bound.pop(name, None)
        else:
            self._bound[name] = outer
        return found


def _hashed(key: str) -> Fraction:
    digest = blake2b(key.encode(), digest_size=6).digest()
    return Fraction(int.from_bytes(digest, "big") % 9973 + 2000, 4973)


def _add(self: Evaluator, node: Node) -> Number:
    parts = [self.value(part) for part in node.args]
    total = parts[0]
    for part in parts[1:]:
        total = total + part
    mag = self.context.mag
    sizes = [mag(part) for part in parts if part]
    if sizes:
        largest = max(sizes)
        self.largest = max(self.largest, largest)
        self.span = max(self.span, largest - min(sizes))
    return total


def _mul(self: Evaluator, node: Node) -> Number:
    product = self.value(node.args[0])
    for part in node.args[1:]:
        product = product * self.value(part)
    return product


def _div(self: Evaluator, node: Node) -> Number:
    return self.value(node.args[0]) / self.value(node.args[1])


def _neg(self: Evaluator, node: Node) -> Number:
    return -self.value(node.args[0])


def _pow(self: Evaluator, node: Node) -> Number:
    base_node, exponent_node = node.args
    context = self.context
    exponent = self.value(exponent_node)
    if base_node.op == "const" and base_node.text == "e":
        _small(self, exponent, MAX_EXPONENT_BITS)
        return context.exp(exponent)
    base = self.value(base_node)
    if not base:
        if context.im(exponent) or context.re(exponent) < 0:
            raise NoValue("zero to a negative power")
        return base if exponent else context.mpf(1)
    _small(self, exponent * abs(context.mag(base)), MAX_EXPONENT_BITS)
    known = exact.value_or_none(exponent_node)
    if known is not None and known.denominator == 1:
        return base ** int(known)
    if (
        known is not None
        and known.denominator % 2
        and not context.im(base)
        and context.re(base) < 0
    ):
        root = (-base) ** exponent  # the real root, as in (-8)^(1/3) = -2
        return -root if known.numerator % 2 else root
    if known is not None and known == Fraction(1, 2):
        return context.sqrt(base)
    return base**exponent


def _small(self: Evaluator, value: Number, bits: int) -> None:
    if value and self.context.mag(value) > bits:
        raise LimitReached("a number too large to be worked with")


def _const(self: Evaluator, node: Node) -> Number:
    if node.text == "pi":
        return +self.context.pi
    if node.text == "e":
        return +self.context.e
    if node.text == "i":
        return self.context.mpc(0, 1)
    raise NoValue("infinity")


def _sym(self: Evaluator, node: Node) -> Number:
    return self.named(node.text)


def _call(self: Evaluator, node: Node) -> Number:
    name, context = node.text, self.context
    if name == "det" and node.args[0].op == "matrix":
        return _determinant(self, [list(row.args) for row in node.args[0].args])
    values = [self.value(part) for part in node.args]
    if name in _TRIGONOMETRIC:
        _small(self, values[0], MAX_ARGUMENT_BITS)
    if name in _PLAIN and len(values) == 1:
        return getattr(context, _RENAMED.get(name, name))(values[0])
    if name == "exp":
        _small(self, values[0], MAX_EXPONENT_BITS)
        return context.exp(values[0])
    if name in ("ln", "log", "lg"):
        return _logarithm(self, name, values)
    if name == "factorial":
        _small(self, values[0], 20)
        return 1 / context.rgamma(values[0] + 1)
    if name == "binom" and len(values) == 2:
        return _binomial(self, values[0], values[1])
    if name in ("max", "min") and not any(context.im(value) for value in values):
        return (max if name == "max" else min)(context.re(value) for value in values)
    if name == "cbrt":
        return context.cbrt(values[0])
    return self.opaque(name, values)


def _logarithm(self: Evaluator, name: str, values: list[Number]) -> Number:
    context = self.context
    if not values[0]:
        raise NoValue("the logarithm of zero")
    top = context.ln(values[0])
    if name == "ln":
        return top
    if len(values) == 2:
        return top / context.ln(values[1])
    base = 10 if name == "lg" else self.log_base
    return top if base == "e" else top / context.ln(context.mpf(base))


def _binomial(self: Evaluator, top: Number, bottom: Number) -> Number:
    for value in (top, bottom):
        _small(self, value, 20)
    inverse = self.context.rgamma
    return inverse(bottom + 1) * inverse(top - bottom + 1) / inverse(top + 1)


def _determinant(self: Evaluator, rows: list[list[Node]]) -> Number:
    size = len(rows)
    if any(len(row) != size for row in rows):
        raise NoValue("the determinant of a matrix that is not square")
    values = [[self.value(cell) for cell in row] for row in rows]
    product = self.context.mpf(1)
    for column in range(size):
        pivot = max(range(column, size), key=lambda row: abs(values[row][column]))
        if not values[pivot][column]:
            return self.context.mpf(0)
        if pivot != column:
            values[pivot], values[column] = values[column], values[pivot]
            product = -product
        product = product * values[column][column]
        for row in range(column + 1, size):
            factor = values[row][column] / values[column][column]
            for place in range(column, size):
                values[row][place] -= factor * values[column][place]
    return product


def _unit(self: Evaluator, node: Node) -> Number:
    if not self.units:
        return self.context.mpf(1)
    name = node.text
    if name == PERCENT:
        return self.context.mpf(1) / 100
    if name in (DEGREE, ARCMINUTE, ARCSECOND):
        parts = {DEGREE: 180, ARCMINUTE: 10800, ARCSECOND: 648000}[name]
        return self.context.pi / parts
    unit = UNITS.get(name)
    if unit is None:
        return self.named(name)
    value = self.fraction(unit.size)
    for dimension, exponent in DERIVED.get(unit.dimension, ((unit.dimension, 1),)):
        if dimension:
            value = value * self.named("dimension:" + dimension) ** exponent
    return value


def _opaque(self: Evaluator, node: Node) -> Number:
    return self.opaque(f"{node.op}:{node.text}", [self.value(part) for part in node.args])


def _mod(self: Evaluator, node: Node) -> Number:
    known = exact.value_or_none(node)
    return self.fraction(known) if known is not None else _opaque(self, node)


def _big(self: Evaluator, node: Node) -> Number:
    body, lower, upper = node.args
    bound = bound_variable(lower)
    if bound is None:
        parts = [part for part in node.args if part.op != "text"]
        return self.opaque(node.text, [self.value(part) for part in parts])
    name, first = bound
    if node.text in ("sum", "prod"):
        start, stop = exact.value_or_none(first), exact.value_or_none(upper)
        if (
            start is not None and stop is not None
            and start.denominator == stop.denominator == 1 and stop - start < MAX_TERMS
        ):  # fmt: skip
            terms = self.along(name, body, range(int(start), int(stop) + 1))
            total = self.context.mpf(0 if node.text == "sum" else 1)
            for term in terms:
                total = total + term if node.text == "sum" else total * term
            return total
    samples = self.along(name, body, (Fraction(7, 3), Fraction(13, 5), 4))
    edges = [_edge(self, edge) for edge in (first, upper)]
    return self.opaque(node.text, [*samples, *edges])


def _edge(self: Evaluator, edge: Node) -> Number:
    if edge.op == "text" and not edge.text:
        return self.context.mpf(0)
    if edge.op == "const" and edge.text == "inf":
        return self.fraction(_hashed("infinity"))
    if edge.op == "neg" and edge.args[0].text == "inf":
        return self.fraction(_hashed("-infinity"))
    return self.value(edge)


def bound_variable(lower: Node) -> tuple[str, Node] | None:
    r"""The variable of a sum, product or limit and where it starts: `k=1`, `x \to 0`."""
    if lower.op == "rel" and lower.text in ("=", "->") and lower.args[0].op == "sym":
        return lower.args[0].text, lower.args[1]
    return None


_RULES: dict[str, Callable[[Evaluator, Node], Number]] = {
    "add": _add, "mul": _mul, "div": _div, "neg": _neg, "pow": _pow, "const": _const, "sym": _sym,
    "call": _call, "unit": _unit, "apply": _opaque, "accent": _opaque, "based": _opaque,
    "text": _opaque, "mod": _mod, "big": _big, "set": _opaque,
}  # fmt: skip
