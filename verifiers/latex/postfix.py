"""What can follow an operand: powers, factorials, percent, primes, units, qualifying words."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from . import names
from .tree import Node, ParseFailure, number
from .units import (
    ARCMINUTE,
    ARCSECOND,
    DEGREE,
    PERCENT,
    SHORT,
    SPELLINGS,
    read_units,
)

if TYPE_CHECKING:
    from .parser import Parser

_POWER, _PRODUCT = 80, 60
_LETTERS = re.compile("[a-z]+")
_EXPONENT = re.compile(r"(?<=[A-Za-zµ])(?:\s*\^\s*\{?-?\d\}?|-?[1-4])(?!\d)")  # cm^2, s-1
_SAYS_MORE = frozenset("0123456789?=<>")  # what no unit holds


def operator(parser: Parser, left: Node, power: int) -> Node | None:
    """`left` with the postfix operator ahead applied, or None where none stands there."""
    kind, text, _ = parser.token
    if kind == "cmd":
        if text in ("circ",) or (text == "prime" and left.op == "unit"):
            parser.take()
            return _unit(left, DEGREE)
        if text == "prime":
            parser.take()
            return Node("accent", (left,), "'")
        return None
    if text in ("^", "**"):
        return _power(parser, left, power)
    if text == "!":
        parser.take()
        return Node("call", (left,), "factorial")
    if text == "%":
        parser.take()
        return _unit(left, PERCENT)
    if text == "'":
        parser.take()
        if left.op in ("sym", "apply"):
            return Node(left.op, left.args, left.text + "'")
        return Node("accent", (left,), "'")
    if text == "_":
        return _index(parser, left)
    if text == "$" and left.op in ("num", "mul", "div"):
        parser.take()
        return _unit(left, "dollar")
    return None


def _power(parser: Parser, left: Node, power: int) -> Node | None:
    if power >= _POWER:
        return None
    parser.take()
    mark = _degree_mark(parser)
    if mark:
        return _unit(left, mark)
    kind, text, _ = parser.token
    if (kind == "op" and text == "{") or kind != "op":
        if kind == "op":
            exponent = parser.argument()
            return Node("pow", (left, exponent))
        return Node("pow", (left, parser.expression(_POWER - 1)))
    if text in ("-", "+", "("):
        exponent = parser.expression(_POWER - 1) if text == "(" else _signed(parser)
        return Node("pow", (left, exponent))
    if text in ("*", "+"):
        raise ParseFailure("a mark as an exponent")
    raise ParseFailure("an exponent is missing", broken=True)


def _signed(parser: Parser) -> Node:
    sign = parser.take()[1]
    exponent = parser.expression(_POWER - 1)
    return Node("neg", (exponent,)) if sign == "-" else exponent


_MARKS = {"circ": DEGREE, "prime": ARCMINUTE, "degree": DEGREE, "primeprime": ARCSECOND}


def _degree_mark(parser: Parser) -> str:
    r"""Reads `\circ` or `{\circ}`, `\prime` or `{\prime\prime}` as an exponent."""
    kind, text, _ = parser.token
    if kind == "cmd" and text in ("circ", "degree", "prime"):
        parser.take()
        return _MARKS[text]
    if kind == "op" and text == "{":
        inside = ""
        ahead = 1
        while parser.peek(ahead)[0] == "cmd":
            inside += parser.peek(ahead)[1]
            ahead += 1
        if inside in _MARKS and parser.peek(ahead)[:2] == ("op", "}"):
            parser.place += ahead + 1
            return _MARKS[inside]
    return ""


def _unit(left: Node, name: str) -> Node:
    if left.op == "neg":  # keeps the sign outside, as for other products
        return Node("neg", (_unit(left.args[0], name),))
    return Node("mul", (left, Node("unit", text=name)))


def _index(parser: Parser, left: Node) -> Node:
    from .groups import raw

    parser.take()
    index = raw(parser)
    if left.op == "num" and index.isdigit():
        digits = str(left.number)
        return Node("based", text=f"{digits}_{int(index)}")
    return Node("accent", (left,), "_" + index)


def words(parser: Parser, left: Node, power: int) -> tuple[bool, Node | None]:
    """Words after an operand: a unit, a label, a qualification.

    Returns:
        Whether the words were dealt with, and the node (None: the expression ends here).
    """
    kind, text, _ = parser.token
    plain = text.strip()
    lower = plain.lower()
    if lower in ("and", "or") or not plain.strip(" ,;"):
        return (True, None) if plain else _skip_blank(parser, left)
    if kind == "text" and lower.split()[0] in ("and", "or"):
        return True, None
    if kind == "run" and lower[:2] == "or" and len(lower) == 3 and text[2].isupper():
        parser.tokens[parser.place : parser.place + 1] = [
            ("run", "or", False),
            ("run", text[2:], False),
        ]
        return True, None
    if any(_ahead(parser).startswith(qualifier) for qualifier in names.QUALIFIERS):
        return True, None
    if kind == "style" and len(plain) == 1 and not _is_amount(left):
        return False, None
    if kind == "run" and not _is_word(parser, left):
        return False, None
    if plain in names.PLAIN_FUNCTIONS:
        return False, None
    if power >= _PRODUCT:
        return True, None
    return True, _labelled(parser, left)


def _is_amount(node: Node) -> bool:
    if node.op in ("num", "unit", "based"):
        return True
    if node.op == "neg":
        return _is_amount(node.args[0])
    return node.op in ("mul", "div", "pow", "add", "pm") and any(
        part.op in ("num", "unit") or _is_amount(part) for part in node.args
    )


def _is_word(parser: Parser, left: Node) -> bool:
    """Whether letters after an operand are a word rather than variables."""
    _, text, spaced = parser.token
    if text in names.PLAIN_FUNCTIONS or text in names.PLAIN_CONSTANTS:
        return False
    if len(text) == 1:
        return False
    if text in SPELLINGS:
        return _is_amount(left) and (text not in SHORT or spaced)
    if len(text) > 3 and len(set(text)) > 1:
        return True
    kind, after, _ = parser.peek()
    if len(text) == 3 and spaced and left.op == "num" and kind == "run" and len(after) > 3:
        return after not in names.PLAIN_FUNCTIONS  # 5 red apples
    return (text.lower() in names.WORDS and not text.isupper()) or (
        text in ("th", "st", "nd", "rd") and left.op == "num"
    )


def _skip_blank(parser: Parser, left: Node) -> tuple[bool, Node | None]:
    parser.take()
    return True, left


def _ahead(parser: Parser) -> str:
    parts = []
    for offset in range(3):
        kind, text, _ = parser.peek(offset)
        if kind not in ("text", "run"):
            break
        parts.append(text.strip(" ,").lower())
    return " ".join(parts)


def qualified(parser: Parser, node: Node) -> Node:
    """`node` with the qualification "for some integer t" that may end the text."""
    if not any(_ahead(parser).startswith(qualifier) for qualifier in names.QUALIFIERS):
        return node
    last = parser.tokens[-2]
    parser.place = len(parser.tokens) - 1
    name = last[1].strip()
    said = last[0] in ("run", "style", "text") and len(name) == 1
    return Node("quantified", (node,), name if said else "")


def _labelled(parser: Parser, left: Node) -> Node:
    collected: list[str] = []
    while True:
        kind, text, _ = parser.token
        if kind in ("text", "style"):
            plain = text.strip()
            if plain.lower() in ("and", "or") or (kind == "text" and plain.endswith(",")):
                break
        elif kind != "run" or text.lower() in ("and", "or"):
            break
        collected.append(text)
        parser.take()
    joined = " ".join(collected)
    if not names.QUALIFYING.isdisjoint(_LETTERS.findall(joined.lower())):
        raise ParseFailure("words that take the number back")
    if not _SAYS_MORE.isdisjoint(_EXPONENT.sub("", joined)):
        raise ParseFailure("a number or a relation among words")
    if not any(char.isalnum() or char in "%°$¢" for char in joined):
        raise ParseFailure("signs among words")
    left, joined = _scaled(left, joined)
    if not joined:
        return left
    found = read_units(joined)
    factors: list[Node] = []
    for name, exponent in found:
        unit = Node("unit", text=name)
        if exponent != 1:
            unit = Node("pow", (unit, number(exponent)))
        factors.append(unit)
    if len(factors) == 1 and parser.at("op", "^") and factors[0].op == "unit":
        parser.take()
        factors[0] = Node("pow", (factors[0], parser.argument()))
    if not factors:
        return left
    base = left.args if left.op == "mul" else (left,)
    if left.op == "neg":
        inner = left.args[0]
        base = inner.args if inner.op == "mul" else (inner,)
        return Node("neg", (Node("mul", (*base, *factors)),))
    return Node("mul", (*base, *factors))


def _scaled(left: Node, joined: str) -> tuple[Node, str]:
    """`left` times the scale words that lead the words after it, and the words that are left.

    Raises:
        ParseFailure: a scale word stands elsewhere among them.
    """
    parts = joined.split()
    while parts and (scale := names.SCALES.get(_plural_off(parts[0]))) is not None:
        factor = number(scale)
        if str(scale).strip("0") == "1":
            factor = Node("pow", (number(10), number(len(str(scale)) - 1)))
        if left.op == "neg":
            left = Node("neg", (Node("mul", (left.args[0], factor)),))
        else:
            left = Node("mul", (*(left.args if left.op == "mul" else (left,)), factor))
        parts = parts[1:]
        if parts and parts[0].lower() == "of":
            parts = parts[1:]
    if any(_plural_off(part) in names.SCALES for part in parts):
        raise ParseFailure("a number among words")
    return left, " ".join(parts)


def _plural_off(word: str) -> str:
    return word.lower().strip("()[].,").removesuffix("s")


def unit_after_slash(parser: Parser, left: Node) -> Node | None:
    """`left` per the unit ahead, as in 3 ft / s; None where no unit is there."""
    kind, text, _ = parser.token
    name = SPELLINGS.get(text.strip())
    if name is None or kind not in ("style", "text", "run") or not has_unit(left):
        return None
    parser.take()
    unit = Node("unit", text=name)
    if parser.accept("op", "^"):
        unit = Node("pow", (unit, parser.argument()))
    return Node("div", (left, unit))


def has_unit(node: Node) -> bool:
    """Whether a factor of the product is a unit."""
    if node.op in ("mul", "div"):
        return any(has_unit(part) for part in node.args)
    return node.op == "unit" or (node.op == "pow" and node.args[0].op == "unit")
