r"""Brackets, absolute values, set braces, environments, and raw index text."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import names
from .tree import Node, ParseFailure

if TYPE_CHECKING:
    from .parser import Parser

RATIO_POWER = 40
_CLOSERS = ")]"
_FLOORS = {"lfloor": ("rfloor", "floor"), "lceil": ("rceil", "ceil")}
_BEGINNING = frozenset("([{|√")


def starts_operand(parser: Parser) -> bool:
    """Whether the next token can begin a factor that stands beside another."""
    kind, text, _ = parser.token
    if kind == "op":
        if text == "|":
            return parser.bars == 0 and parser.in_builder == 0
        return text in _BEGINNING
    if kind == "cmd":
        return (
            text not in names.RELATIONS
            and text not in names.SET_OPERATIONS
            and text not in _NEVER_OPERANDS
        )
    if kind == "run":
        return text.lower() not in ("and", "or")
    return kind in ("num", "begin", "style", "text")


_NEVER_OPERANDS = frozenset(
    (r"} \ rangle rceil rfloor rvert rVert mid pmod colon wedge vee land lor circ prime").split()
)


def braced(parser: Parser) -> Node:
    """A LaTeX group; with commas in it, a bare list."""
    parser.expect("op", "{")
    bars, parser.bars = parser.bars, 0
    node = parser.list()
    parser.bars = bars
    parser.expect("op", "}")
    return node


def raw(parser: Parser) -> str:
    """An index as text, blanks and braces left out: `{n+1}` and `n` alike."""
    kind, text, _ = parser.take()
    if kind == "run" and len(text) > 1:  # x_ab is x_a b
        parser.tokens.insert(parser.place, ("run", text[1:], False))
        return text[0]
    if (kind == "op" and text in "})],;=+&") or kind == "stop":
        raise ParseFailure("an index is missing", broken=True)
    if kind != "op" or text != "{":
        return text
    parts: list[str] = []
    depth = 1
    while depth:
        kind, text, _ = parser.take()
        if kind == "stop":
            raise ParseFailure("a brace is never closed", broken=True)
        if kind == "op" and text in "{}":
            depth += 1 if text == "{" else -1
            if depth and parts:
                parts.append("." if text == "{" else "")
            continue
        parts.append(text.strip())
    return "".join(parts)


def opened_by(parser: Parser, opening: str) -> Node:
    """What a bracket or bar that was just read opens."""
    if opening in ("(", "["):
        return _bracketed(parser, opening)
    if opening == "{":
        parser.place -= 1
        return braced(parser)
    if opening == "|":
        return _absolute(parser, ("op", "|"))
    raise ParseFailure(f"{opening!r} cannot begin an expression", broken=opening == "}")


def opened_by_command(parser: Parser, name: str) -> Node:
    """What a command that was just read opens; other commands are unknown."""
    if name == "{":
        return _set(parser)
    if name in ("lvert", "lVert"):
        return _absolute(parser, ("cmd", "r" + name[1:]))
    if name == "|":
        return _absolute(parser, ("cmd", "|"))
    if name in _FLOORS:
        closing, function = _FLOORS[name]
        bars, parser.bars = parser.bars, 0
        node = Node("call", (parser.list(),), function)
        parser.bars = bars
        parser.expect("cmd", closing)
        return node
    if name == "langle":
        bars, parser.bars = parser.bars, 0
        node = parser.list()
        parser.bars = bars
        parser.expect("cmd", "rangle")
        return Node("group", node.args if node.op == "list" else (node,), "()")
    if name == "mathop":
        return parser.argument()
    if name == "forall":
        raise ParseFailure("a statement")
    raise ParseFailure(f"unknown command \\{name}")


def _bracketed(parser: Parser, opening: str) -> Node:
    bars, parser.bars = parser.bars, 0
    builder, parser.in_builder = parser.in_builder, 0
    node = parser.list()
    parser.bars, parser.in_builder = bars, builder
    kind, closing, _ = parser.token
    if kind != "op" or closing not in _CLOSERS:
        raise ParseFailure(f"{opening!r} is never closed")
    parser.take()
    if node.op == "list" and node.text != names.OR:
        return Node("group", node.args, opening + closing)
    if (opening, closing) not in (("(", ")"), ("[", "]")):
        raise ParseFailure("brackets of two kinds around one value")
    return node


def _absolute(parser: Parser, closing: tuple[str, str]) -> Node:
    parser.bars += 1
    node = parser.expression(19)
    parser.bars -= 1
    parser.expect(*closing)
    return Node("call", (node,), "abs")


def _set(parser: Parser) -> Node:
    bars, parser.bars = parser.bars, 0
    if parser.accept("cmd", "}"):
        parser.bars = bars
        return Node("group", (), "{}")
    parser.in_builder += 1
    first = parser.list()
    parser.in_builder -= 1
    kind, text, _ = parser.token
    if (kind == "op" and text in "|:") or (kind == "cmd" and text in ("mid", "colon", "vert")):
        parser.take()
        first = Node("builder", (first, parser.list()))
    parser.bars = bars
    parser.expect("cmd", "}")
    if first.op == "builder":
        return first
    return Node("group", first.args if first.op == "list" else (first,), "{}")


def environment(parser: Parser, name: str) -> Node:
    r"""`\begin{name}` ... `\end{name}`, the beginning read already.

    Raises:
        ParseFailure: the environment is unknown, or never ended.
    """
    if name in names.ALIGNED:
        return _aligned(parser, name)
    if name not in names.MATRICES and name != "cases":
        raise ParseFailure(f"unknown environment {name!r}")
    if name == "array" and parser.at("op", "{"):
        raw(parser)
    rows: list[Node] = []
    cells: list[Node] = []
    while True:
        kind, text, _ = parser.token
        if kind == "end":
            break
        if kind == "cmd" and text == "\\":
            parser.take()
            if cells:
                rows.append(Node("row", tuple(cells)))
            cells = []
        elif kind == "op" and text == "&":
            parser.take()
        elif kind == "stop":
            raise ParseFailure(f"\\begin{{{name}}} is never ended", broken=True)
        elif kind == "cmd" and text == "hline":
            parser.take()
        else:
            bars, parser.bars = parser.bars, 0
            cells.append(parser.list())
            parser.bars = bars
    _end(parser, name)
    if cells:
        rows.append(Node("row", tuple(cells)))
    if name == "cases":
        return Node("cases", tuple(rows))
    if not rows or len({len(row.args) for row in rows}) != 1:
        raise ParseFailure("a matrix with rows of different lengths")
    if name == "vmatrix":
        return Node("call", (Node("matrix", tuple(rows), "pmatrix"),), "det")
    return Node("matrix", tuple(rows), "pmatrix")


def _aligned(parser: Parser, name: str) -> Node:
    """Rows that go on with a relation are one chain; other rows are a list."""
    start, place, depth = parser.place, parser.place, 1
    kept = []
    while depth:
        kind, text, spaced = parser.tokens[place]
        if kind == "stop":
            raise ParseFailure(f"\\begin{{{name}}} is never ended", broken=True)
        depth += (kind == "begin") - (kind == "end")
        place += 1
        if not depth:
            break
        if depth == 1 and kind == "op" and text == "&":
            continue
        if depth == 1 and kind == "cmd" and text == "\\":
            ahead = place
            while parser.tokens[ahead][:2] in (("op", "&"), ("cmd", "\\")):
                ahead += 1
            after = parser.tokens[ahead]
            if after[1] in names.RELATIONS or after[0] in ("end", "stop"):
                continue
            kept.append(("op", ",", spaced))
            continue
        kept.append((kind, text, spaced))
    parser.tokens[start:place] = kept
    return parser.list()


def _end(parser: Parser, name: str) -> None:
    kind, text, _ = parser.take()
    if kind != "end" or text != name:
        raise ParseFailure(f"\\begin{{{name}}} is ended by {text!r}", broken=True)
