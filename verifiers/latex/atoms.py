"""What can begin an expression: numbers, letters, signs, commands."""

from __future__ import annotations

from fractions import Fraction
from typing import TYPE_CHECKING

from . import functions, groups, names
from .clean import prepare
from .tree import IMAGINARY, INFINITY, PI, E, Node, ParseFailure, number
from .units import SPELLINGS

if TYPE_CHECKING:
    from .parser import Parser

PREFIX = 59  # a sign binds as loosely as a product: -x^2 is -(x^2)
_NAMED = {"pi": PI, "inf": INFINITY}


def prefix(parser: Parser) -> Node:
    """The atom at the parser's place.

    Raises:
        ParseFailure: nothing can begin with what stands there.
    """
    kind, text, _ = parser.take()
    if kind == "num":
        return _number(parser, text)
    if kind == "run":
        return _run(parser, text)
    if kind == "cmd":
        return _command(parser, text)
    if kind == "op":
        return _operator(parser, text)
    if kind == "style":
        return _style(parser, text)
    if kind == "text":
        return _text(parser, text)
    if kind == "begin":
        return groups.environment(parser, text)
    raise ParseFailure("it ends too early", broken=True)


def plain_number(digits: str) -> Node:
    """A numeral as a node: exact, with the places that it states."""
    whole, point, places = digits.partition(".")
    if not point:
        return Node("num", number=Fraction(int(whole)))
    value = Fraction(int(whole + places or "0"), 10 ** len(places))
    return Node("num", number=value, places=len(places))


def letter(parser: Parser, name: str) -> Node:
    """A single letter: a constant, a variable, or a function applied to what follows."""
    if parser.at("op", "_"):
        name = _subscripted(parser, name)
    elif name == "e":
        return E
    elif name == "i":
        return IMAGINARY
    return functions.applied(parser, name)


def _number(parser: Parser, digits: str) -> Node:
    node = plain_number(digits)
    kind, text, spaced = parser.token
    if kind == "op" and text == "_":
        return _based(parser, digits)
    if "." in digits:
        return _repeating(parser, node)
    if kind == "cmd" and text in names.FRACTIONS:
        return _mixed(parser, node)
    if kind == "num" and spaced and parser.peek()[:2] == ("op", "/"):
        top, bottom = text, parser.peek(2)
        if top.isdigit() and bottom[0] == "num" and bottom[1].isdigit():
            return _mixed_of(parser, node, int(top), int(bottom[1]), tokens=3)
    return node


def _mixed(parser: Parser, whole: Node) -> Node:
    parser.take()
    top, bottom = parser.argument(), parser.argument()
    parts = (top.number, bottom.number)
    if (
        parts[0] is None
        or parts[1] is None
        or top.places >= 0
        or bottom.places >= 0
        or not 0 < parts[0] < parts[1]
    ):
        return _product_of_fraction(whole, top, bottom)
    return Node("num", number=(whole.number or Fraction(0)) + parts[0] / parts[1])


def _product_of_fraction(whole: Node, top: Node, bottom: Node) -> Node:
    if top.op == "num" and bottom.op == "num":
        raise ParseFailure("a whole number beside a fraction that is not proper")
    return Node("mul", (whole, Node("div", (top, bottom))))


def _mixed_of(parser: Parser, whole: Node, top: int, bottom: int, *, tokens: int) -> Node:
    if not 0 < top < bottom:
        raise ParseFailure("two numbers side by side")
    parser.place += tokens
    return Node("num", number=(whole.number or Fraction(0)) + Fraction(top, bottom))


def _repeating(parser: Parser, node: Node) -> Node:
    if not (parser.token[0] == "cmd" and parser.token[1] in ("overline", "dot", "bar")):
        return node
    parser.take()
    repeated = parser.argument()
    if repeated.op != "num" or repeated.places >= 0 or repeated.number is None:
        raise ParseFailure("a bar over what is not digits")
    digits = str(repeated.number)
    scale = 10 ** max(node.places, 0)
    tail = Fraction(int(digits), (10 ** len(digits) - 1) * scale)
    return number((node.number or Fraction(0)) + tail)


def _based(parser: Parser, digits: str) -> Node:
    parser.take()
    base = parser.script()
    if base.op != "num" or base.number is None or base.number.denominator != 1:
        raise ParseFailure("a number with an index that is no base")
    if not 2 <= base.number <= 36 or any(int(c) >= base.number for c in digits if c.isdigit()):
        raise ParseFailure("digits that the base does not have")
    return Node("based", text=f"{digits.lstrip('0') or '0'}_{base.number}")


def _run(parser: Parser, text: str) -> Node:
    if len(text) == 1:
        return letter(parser, text)
    if text in names.PLAIN_CONSTANTS:
        return _NAMED[names.CONSTANTS[text]]
    if text in names.PLAIN_FUNCTIONS:
        return functions.call(parser, names.ALIASES.get(text, text))
    if (text.lower() in names.WORDS and not text.isupper()) or len(text) > 3:
        if len(set(text)) == 1 and len(text) < 64:
            return Node("mul", tuple(letter(parser, char) for char in text))
        raise ParseFailure(f"the word {text!r}")
    for name in ("sqrt", "pi"):
        if text.endswith(name) and len(text) == len(name) + 1:
            parser.tokens.insert(parser.place, ("run", name, False))
            return letter(parser, text[0])
    # Letters beside one another are a product; all but the first are read in their turn.
    parser.tokens.insert(parser.place, ("run", text[1:], False))
    return letter(parser, text[0])


def _command(parser: Parser, name: str) -> Node:
    if name in names.FRACTIONS:
        top = parser.argument()
        return Node("div", (top, parser.argument()))
    if name == "sqrt":
        return functions.root(parser)
    if name in names.BINOMIALS:
        top = parser.argument()
        return Node("call", (top, parser.argument()), "binom")
    if name in names.CONSTANTS:
        return _NAMED[names.CONSTANTS[name]]
    if name in names.FUNCTIONS or name in names.ALIASES:
        return functions.call(parser, names.ALIASES.get(name, name))
    if name in names.BIG:
        return functions.big(parser, name)
    if name in names.LETTERS:
        return letter(parser, name)
    if name in names.ACCENTS:
        return _accent(parser, name)
    if name in names.DOTS:
        return Node("sym", text="...")
    if name == "mathbb":
        return _blackboard(parser)
    if name in ("boxed", "fbox"):
        return parser.argument()
    if name in ("emptyset", "varnothing"):
        return Node("group", (), "{}")
    if name in ("angle", "triangle", "measuredangle"):
        return Node("accent", (parser.expression(PREFIX),), name)
    if name in ("pm", "mp"):
        return Node("pm", (parser.expression(PREFIX),), "+-" if name == "pm" else "-+")
    return groups.opened_by_command(parser, name)


def _operator(parser: Parser, text: str) -> Node:
    if text in "+-":
        sign = 1 if text == "+" else -1
        while parser.token[0] == "op" and parser.token[1] in ("+", "-"):
            sign *= 1 if parser.take()[1] == "+" else -1
        operand = parser.expression(PREFIX)
        return operand if sign > 0 else Node("neg", (operand,))
    if text == "...":
        return Node("sym", text="...")
    if text == "$" and parser.token[0] == "num":
        amount = parser.expression(PREFIX)
        return Node("mul", (amount, Node("unit", text="dollar")))
    return groups.opened_by(parser, text)


def _style(parser: Parser, text: str) -> Node:
    plain = text.strip()
    if plain in names.FUNCTIONS or plain in names.ALIASES or plain in names.PLAIN_FUNCTIONS:
        return functions.call(parser, names.ALIASES.get(plain, plain))
    if len(plain) == 1 and plain.isalpha():
        return letter(parser, plain)
    return _text(parser, text)


def _text(parser: Parser, text: str) -> Node:
    plain = text.strip()
    if plain == "dollar" and parser.token[0] == "num":
        return Node("mul", (parser.expression(PREFIX), Node("unit", text="dollar")))
    if plain in names.PLAIN_FUNCTIONS and parser.token[0] in ("op", "num", "run"):
        return functions.call(parser, names.ALIASES.get(plain, plain))
    if plain[:1].isdigit() or (plain[:1] in ("-", "(") and plain[1:2].isdigit()):
        inner = _inner(plain)
        if inner is not None:
            return inner
    if SPELLINGS.get(plain) in ("euro", "pound", "yen") and parser.token[0] == "num":
        return Node("mul", (parser.expression(PREFIX), Node("unit", text=SPELLINGS[plain])))
    if (not plain or plain.lower() in names.LEADING) and parser.token[0] != "stop":
        return parser.argument()
    return Node("text", text=plain)


def _inner(text: str) -> Node | None:
    from .parser import parse

    if len(text) > 200 or "\\text" in text:
        return None
    try:
        return parse(prepare(text))
    except ParseFailure:
        return None


def _accent(parser: Parser, name: str) -> Node:
    if name in ("overset", "underset"):
        parser.argument()
        return parser.argument()
    return Node("accent", (parser.argument(),), name)


def _blackboard(parser: Parser) -> Node:
    inner = parser.argument()
    if inner.text not in names.BLACKBOARD:
        raise ParseFailure("an unknown set")
    sign = ""
    while parser.token[0] == "op" and parser.token[1] in "^_":
        parser.take()
        mark = parser.token
        if mark[1] in ("+", "-", "*"):
            sign = parser.take()[1]
        else:
            part = groups.raw(parser)
            sign += part
    return Node("set", text=inner.text + sign)


def _subscripted(parser: Parser, name: str) -> str:
    while parser.accept("op", "_"):
        name += "_" + groups.raw(parser)
    return name
