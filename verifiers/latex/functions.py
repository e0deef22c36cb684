r"""Functions: known ones with powers and bare arguments, unknown ones, roots, big operators."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import groups, names
from .tree import MINUS_ONE, ONE, TWO, Node, ParseFailure, symbol

if TYPE_CHECKING:
    from .parser import Parser

_POWER = 79
_ARITIES = {"binom": (2, 2), "log": (1, 2), **dict.fromkeys(("gcd", "lcm", "max", "min"), (1, 64))}
_BRACKETS = ("(", "[", "{", "|")
_MINUS_ONE = Node("neg", (ONE,))


def call(parser: Parser, name: str) -> Node:
    r"""A known function and its argument: `\sin^2 x`, `\log_2(8)`, `\arctan \frac{1}{2}`."""
    base: Node | None = None
    exponent: Node | None = None
    while parser.token[0] == "op" and parser.token[1] in ("^", "_"):
        if parser.take()[1] == "_":
            base = parser.script()
        else:
            exponent = parser.script()
    if exponent in (_MINUS_ONE, MINUS_ONE):
        inverse = names.INVERSES.get(name)
        if inverse is not None:
            name, exponent = inverse, None
    node = _called(name, base, _argument(parser))
    return node if exponent is None else Node("pow", (node, exponent))


def _called(name: str, base: Node | None, argument: Node) -> Node:
    arguments = argument.args if argument.op in ("list", "group") else (argument,)
    if name == "log" and base is not None:
        return Node("call", (arguments[0], base), "log")
    if base is not None:
        raise ParseFailure(f"\\{name} with an index")
    if name == "sqrt":
        return Node("pow", (argument, Node("div", (ONE, TWO))))
    fewest, most = _ARITIES.get(name, (1, 1))
    if not fewest <= len(arguments) <= most:
        raise ParseFailure(f"{name} of {len(arguments)} arguments")
    return Node("call", arguments, name)


def _argument(parser: Parser) -> Node:
    """In brackets, or else the factors up to the next function, bracket, sign or bar."""
    kind, text, _ = parser.token
    if (kind == "op" and text in _BRACKETS and not (text == "|" and parser.bars)) or (
        kind == "cmd" and text in ("lvert", "|", "{")
    ):
        from .atoms import prefix

        return prefix(parser)
    factors = [parser.expression(_POWER)]
    while _goes_on(parser):
        factors.append(parser.expression(_POWER))
    return factors[0] if len(factors) == 1 else Node("mul", tuple(factors))


def _goes_on(parser: Parser) -> bool:
    kind, text, _ = parser.token
    if kind == "num":
        return False
    if kind == "run":
        return (
            len(text) == 1
            or text in names.PLAIN_CONSTANTS
            or (
                len(text) <= 3
                and text.lower() not in names.WORDS
                and text not in names.PLAIN_FUNCTIONS
            )
        )
    return kind == "cmd" and (
        text in names.LETTERS
        or text in names.CONSTANTS
        or text in names.FRACTIONS
        or text == "sqrt"
    )


def root(parser: Parser) -> Node:
    r"""`\sqrt{x}` and `\sqrt[3]{x}`."""
    degree: Node = TWO
    if parser.accept("op", "["):
        degree = parser.expression(20)
        parser.expect("op", "]")
    kind, text, _ = parser.token
    if kind == "num":
        from .atoms import plain_number

        parser.take()
        argument = plain_number(text)
    elif kind == "op" and text == "(":
        from .atoms import prefix

        argument = prefix(parser)
    else:
        argument = parser.argument()
    return Node("pow", (argument, Node("div", (ONE, degree))))


def applied(parser: Parser, name: str) -> Node:
    """A letter, or the unknown function that it is: `f(x+1)`, `f^{-1}(x)`, `P(A)`."""
    tokens, place = parser.tokens, parser.place
    while place < len(tokens) and tokens[place][:2] == ("op", "'"):
        name += "'"
        place += 1
    parser.place = place
    stem = name.partition("_")[0].rstrip("'")
    sure, maybe = stem in names.FUNCTION_LETTERS, stem in names.MAYBE_FUNCTION_LETTERS
    if not (sure or maybe):
        return symbol(name)
    inverse = _inverse_ahead(parser)
    if inverse:
        parser.place += inverse
        name += "^-1"
    if not parser.at("op", "(") or not (sure or _single_inside(parser)):
        if inverse:
            parser.place -= inverse
            name = name.removesuffix("^-1")
        return symbol(name)
    argument = groups.opened_by(parser, parser.take()[1])
    arguments = argument.args if argument.op == "group" else (argument,)
    return Node("apply", arguments, name)


def _inverse_ahead(parser: Parser) -> int:
    """How many tokens `^{-1}` takes here, if a bracket follows it."""
    shape = [token[1] for token in parser.tokens[parser.place : parser.place + 6]]
    if shape[:6] == "^ { - 1 } (".split():
        return 5
    return 0


def _single_inside(parser: Parser) -> bool:
    """Whether the bracket ahead holds single letters or numbers, with commas between."""
    place = parser.place + 1
    expecting = True
    while True:
        kind, text, _ = parser.tokens[place] if place < len(parser.tokens) else ("stop", "", False)
        if kind == "op" and text == ")":
            return not expecting
        if kind == "op" and text == ",":
            if expecting:
                return False
            expecting = True
        elif kind in ("num", "run", "style") or (kind == "cmd" and text in names.LETTERS):
            if not expecting or (kind == "run" and len(text) > 1):
                return False
            expecting = False
        elif kind == "op" and text == "-" and expecting:
            pass
        else:
            return False
        place += 1


def big(parser: Parser, name: str) -> Node:
    r"""`\sum_{k=1}^{n} ...`, `\int_0^1 ... dx`, `\lim_{x \to 0} ...`, `\bigcup_k ...`."""
    lower: Node | None = None
    upper: Node | None = None
    while parser.token[0] == "op" and parser.token[1] in ("^", "_"):
        if parser.take()[1] == "_":
            lower = parser.script()
        else:
            upper = parser.script()
    if name in ("int", "iint", "iiint", "oint"):
        body = parser.expression(50)
    elif name.startswith("big"):
        body = parser.expression(30)
    else:
        body = parser.expression(50)
    nothing = Node("text", text="")
    return Node("big", (body, lower or nothing, upper or nothing), name)
