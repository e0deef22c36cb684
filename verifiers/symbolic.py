"""The last step: a computer algebra system on what sampling left open, under a cost model.

The tree is translated node by node, never from text. Runs in a worker with a CPU budget.
"""

from collections.abc import Callable
from typing import Any

from .evaluate import bound_variable
from .latex.tree import Node
from .scalars import Decision

MAX_NODES = 120
MAX_POWER = 200
DIGITS = 30


class Untranslatable(ValueError):
    """The tree holds what has no counterpart, or what would cost too much."""


def same_symbolically(answer: Node, reference: Node) -> Decision | None:
    """Whether sympy can tell two trees apart or prove them equal; None where it cannot."""
    import sympy

    if sum(1 for side in (answer, reference) for _ in side.walk()) > MAX_NODES:
        return None
    try:
        left, right = (translate(side) for side in (_value(answer), _value(reference)))
        difference = (left - right).doit()
        if difference == 0 or sympy.simplify(difference) == 0:
            return Decision(True, "sympy proved equal")
        if not difference.free_symbols:
            size = abs(difference.evalf(DIGITS))
            if size.is_Float and size > 10 ** (-DIGITS // 2):
                return Decision(False, f"sympy: they differ by {size.n(6)}")
    except (Untranslatable, ArithmeticError, TypeError, ValueError, NotImplementedError):
        # What sympy cannot do it says in many ways; the answer then stays undecided.
        return None
    return None


def _value(node: Node) -> Node:
    """What an assignment assigns."""
    return node.args[-1] if node.op == "rel" and node.text == "=" else node


def translate(node: Node) -> Any:
    """The tree as a sympy expression.

    Raises:
        Untranslatable: it has no counterpart.
    """
    import sympy

    if node.number is not None:
        if node.number.numerator.bit_length() > 2_000:
            raise Untranslatable("a large number")
        return sympy.Rational(node.number.numerator, node.number.denominator)
    if node.op == "sym":
        return sympy.Symbol(node.text, real=True)
    if node.op == "const":
        return {"pi": sympy.pi, "e": sympy.E, "i": sympy.I, "inf": sympy.oo}[node.text]
    if node.op == "big":
        return _big(node)
    parts = [translate(part) for part in node.args]
    rule = _RULES.get(node.op)
    if rule is None:
        raise Untranslatable(node.op)
    return rule(node, parts)


def _pow(node: Node, parts: list[Any]) -> Any:
    base, exponent = parts
    if exponent.is_number and not exponent.is_infinite and abs(exponent) > MAX_POWER:
        raise Untranslatable("a large power")
    return base**exponent


def _call(node: Node, parts: list[Any]) -> Any:
    import sympy

    name = {
        "arcsin": "asin", "arccos": "acos", "arctan": "atan", "abs": "Abs", "ceil": "ceiling",
        "binom": "binomial", "arccot": "acot",
    }.get(node.text, node.text)  # fmt: skip
    if name in ("factorial", "binomial") and any(part.is_number and part > 500 for part in parts):
        raise Untranslatable("a large factorial")
    if name == "log":
        return sympy.log(*parts) if len(parts) == 2 else sympy.log(parts[0], 10)
    if name == "ln":
        return sympy.log(parts[0])
    if name not in _FUNCTIONS:
        raise Untranslatable(name)
    return getattr(sympy, name)(*parts)


def _big(node: Node) -> Any:
    import sympy

    body, lower, upper = node.args
    if node.text == "int":
        return _integral(body, lower, upper)
    bound = bound_variable(lower)
    if bound is None:
        raise Untranslatable(node.text)
    variable, start = sympy.Symbol(bound[0], real=True), translate(bound[1])
    if node.text == "lim":
        return sympy.limit(translate(body), variable, start)
    limits = (variable, start, translate(upper))
    if node.text == "sum":
        return sympy.summation(translate(body), limits)
    if node.text == "prod":
        return sympy.product(translate(body), limits)
    raise Untranslatable(node.text)


def _integral(body: Node, lower: Node, upper: Node) -> Any:
    import sympy

    factors = body.args if body.op == "mul" else (body,)
    if len(factors) < 2 or factors[-2].text != "d" or factors[-1].op != "sym":
        raise Untranslatable("an integral without its differential")
    if lower.op == "text" or upper.op == "text":
        raise Untranslatable("an indefinite integral")
    variable = sympy.Symbol(factors[-1].text, real=True)
    integrand = _product([translate(factor) for factor in factors[:-2]])
    return sympy.integrate(integrand, (variable, translate(lower), translate(upper)))


def _product(parts: list[Any]) -> Any:
    import sympy

    return sympy.Mul(*parts)


def _sum(parts: list[Any]) -> Any:
    import sympy

    return sympy.Add(*parts)


_FUNCTIONS = frozenset(
    (
        "sin cos tan cot sec csc asin acos atan acot sinh cosh tanh exp Abs floor ceiling "
        "factorial binomial sign"
    ).split()
)
_RULES: dict[str, Callable[[Node, list[Any]], Any]] = {
    "add": lambda node, parts: _sum(parts),
    "mul": lambda node, parts: _product(parts),
    "neg": lambda node, parts: -parts[0],
    "div": lambda node, parts: parts[0] / parts[1],
    "pow": _pow,
    "call": _call,
}
