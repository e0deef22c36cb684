"""The expression tree: one immutable node type, and the two ways in which reading can end early."""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple


class ParseFailure(ValueError):
    """The text is not an expression of the grammar.

    Attributes:
        broken: the text cannot be LaTeX at all (unbalanced braces, a missing argument), rather
            than being words or notation that the grammar does not know.
    """

    def __init__(self, reason: str, *, broken: bool = False) -> None:
        super().__init__(reason)
        self.broken = broken


class LimitReached(ValueError):
    """Going on would cost more than the limits allow; the answer stays undecided."""


class Node(NamedTuple):
    """An expression.

    Attributes:
        op: what it is, one of
            `num` (number, places), `sym` (text), `const` (text: pi, e, i, inf), `unit` (text),
            `text` (text), `set` (text: R, Z, N, Q, C),
            `add`, `mul`, `neg`, `div`, `pow`, `call` (text: a known function),
            `apply` (text: an unknown function such as f), `pm` (text: +- or -+; one or two args),
            `based` (text: digits_base), `ratio`, `mod`, `accent` (text: its name),
            `group` (text: its brackets, such as `[)` or `{}`), `list` (text: said `or`, `and`),
            `rel` (text: the operators, blank-separated), `builder` (variable, condition),
            `union`, `intersection`, `difference`, `matrix` (text: environment; args are `row`s),
            `row`, `cases`, `quantified` (text: the variable of "for some"),
            `big` (text: sum, prod, int, lim, ...; args: body, bounds).
        args: its parts.
        text: see `op`.
        number: the exact value of a `num`.
        places: digits after the point, where a `num` was written as a decimal; else -1.

    >>> Node("num", number=Fraction(1, 2), places=1)
    Node(op='num', args=(), text='', number=Fraction(1, 2), places=1)
    """

    op: str
    args: tuple["Node", ...] = ()
    text: str = ""
    number: Fraction | None = None
    places: int = -1

    def walk(self) -> Iterator["Node"]:
        """The node itself and all below it, parents first."""
        stack = [self]
        while stack:
            node = stack.pop()
            yield node
            stack.extend(node.args)


def number(value: int | Fraction) -> Node:
    """An exact number as a node."""
    return Node("num", number=Fraction(value))


def symbol(name: str) -> Node:
    """A variable as a node."""
    return Node("sym", text=name)


ZERO, ONE, TWO, TEN = number(0), number(1), number(2), number(10)
MINUS_ONE = number(-1)
PI, E, IMAGINARY, INFINITY = (Node("const", text=name) for name in ("pi", "e", "i", "inf"))
