"""Sets of real numbers: intervals, unions, inequalities in one variable, compared by membership.

Two sets with known boundary points are the same if and only if they agree at every boundary point
and at one point of every gap between them; so nothing has to be put in a normal form.
"""

from collections.abc import Iterator
from fractions import Fraction
from typing import NamedTuple

from . import exact
from .evaluate import Evaluator, NoValue, Number
from .latex.tree import INFINITY, Node
from .sampling import FIRST_BITS, contexts
from .shapes import is_name

MAX_BOUNDARIES = 200
POINTS_OF_PARAMETERS = 3

_ORDER = frozenset(("<", ">", "<=", ">="))
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}
_MINUS_INFINITY = Node("neg", (INFINITY,))
_LINE = Node("set", text="R")
_JOINED = {"or": "union", "and": "intersection"}
_SETS = ("union", "intersection", "difference")


class RealSet(NamedTuple):
    """A set, and the variable that it is said to hold the values of (None: not said)."""

    node: Node
    subject: Node | None = None


def read_set(node: Node) -> RealSet | None:
    """`node` as a set of reals built of intervals and points, or None where it is not one."""
    if node.op == "group":
        return RealSet(node) if node.text == "{}" or len(node.args) == 2 else None
    if node.op == "set":
        return RealSet(node) if node.text == "R" else None
    if node.op in _SETS or (node.op == "list" and node.text in _JOINED):
        return _combined(node)
    if node.op == "add":
        return _without(node)
    if node.op == "builder":
        inner = read_set(node.args[1])
        variable = node.args[0]
        if variable.op == "rel" and variable.text == "in":
            variable = variable.args[0]
        return inner and RealSet(inner.node, variable)
    if node.op == "rel":
        return _relation(node)
    return None


def surely_set(node: Node) -> bool:
    """Whether `node` can only be a set, as opposed to (1, 2), which may be a pair."""
    if node.op in (*_SETS, "builder", "set"):
        return True
    if node.op == "group":
        return len(node.args) == 2 and node.text in ("(]", "[)")
    if node.op == "list":
        ordered = [part.op == "rel" and _ORDER.issuperset(part.text.split()) for part in node.args]
        return any(ordered) if node.text == "or" else node.text == "and" and all(ordered)
    if node.op == "add":
        return read_set(node) is not None
    if node.op != "rel":
        return False
    operators = node.text.split()
    return _ORDER.issuperset(operators) or operators in (["in"], ["!="])


def _combined(node: Node) -> RealSet | None:
    parts = [_alone(part) for part in node.args]
    if any(part is None for part in parts):
        return None
    known = [part for part in parts if part is not None]
    subjects = [part.subject for part in known if part.subject is not None]
    if any(subject != subjects[0] for subject in subjects):
        return None
    op = _JOINED[node.text] if node.op == "list" else node.op
    return RealSet(Node(op, tuple(part.node for part in known)), subjects[0] if subjects else None)


def _alone(node: Node) -> RealSet | None:
    """A member of a union; there, x = 1 is the set of 1."""
    if node.op == "rel" and node.text == "=" and is_name(node.args[0]):
        return RealSet(Node("group", (node.args[1],), "{}"), node.args[0])
    return read_set(node)


def _without(node: Node) -> RealSet | None:
    """`A - B` of sets."""
    first, *rest = node.args
    whole = read_set(first)
    if whole is None or (first.op == "group" and first.text == "()"):
        return None
    result = whole.node
    for part in rest:
        taken = read_set(part.args[0]) if part.op == "neg" else None
        if taken is None:
            return None
        result = Node("difference", (result, taken.node))
    return RealSet(result, whole.subject)


def _relation(node: Node) -> RealSet | None:
    operators = node.text.split()
    if operators == ["in"]:
        inner = read_set(node.args[1])
        return inner and RealSet(inner.node, node.args[0])
    if operators == ["!="] and is_name(node.args[0]):
        point = Node("group", (node.args[1],), "{}")
        return RealSet(Node("difference", (_LINE, point)), node.args[0])
    if not _ORDER.issuperset(operators):
        return None
    if len(operators) == 2:
        return _between(node.args, operators)
    if len(operators) == 1:
        return _one_sided(node.args[0], operators[0], node.args[1])
    return None


def _between(members: tuple[Node, ...], operators: list[str]) -> RealSet | None:
    lower, subject, upper = members
    if operators[0][0] != operators[1][0]:
        return None
    if operators[0][0] == ">":
        lower, upper = upper, lower
        operators = [_FLIPPED[operator] for operator in reversed(operators)]
    brackets = ("[" if operators[0] == "<=" else "(") + ("]" if operators[1] == "<=" else ")")
    interval = Node("group", (lower, upper), brackets)
    return _of_subject(subject, interval)


def _one_sided(left: Node, operator: str, right: Node) -> RealSet | None:
    if not _is_subject(left):
        if _is_subject(right):
            left, operator, right = right, _FLIPPED[operator], left
        else:
            return _linear(left, operator, right)
    return _of_subject(left, _ray(operator, right))


def _ray(operator: str, bound: Node) -> Node:
    """The numbers on one side of a bound."""
    closed = operator.endswith("=")
    if operator[0] == "<":
        return Node("group", (_MINUS_INFINITY, bound), "(]" if closed else "()")
    return Node("group", (bound, INFINITY), "[)" if closed else "()")


def _is_subject(node: Node) -> bool:
    return is_name(node) or (node.op == "call" and node.text == "abs" and node.args[0].op == "sym")


def _of_subject(subject: Node, interval: Node) -> RealSet | None:
    if not _is_subject(subject):
        return None
    if subject.op != "call":
        return RealSet(interval, subject)
    lower, upper = interval.args
    if lower == _MINUS_INFINITY:  # |x| < a
        other = interval.text[1]
        opening = "[" if other == "]" else "("
        return RealSet(
            Node("group", (Node("neg", (upper,)), upper), opening + other), subject.args[0]
        )
    swapped = {"(": ")", "[": "]", ")": "(", "]": "["}
    mirror = Node(
        "group",
        (_MINUS_INFINITY if upper == INFINITY else Node("neg", (upper,)), Node("neg", (lower,))),
        swapped[interval.text[1]] + swapped[interval.text[0]],
    )
    return RealSet(Node("union", (mirror, interval)), subject.args[0])


def _linear(left: Node, operator: str, right: Node) -> RealSet | None:
    """An inequality that is linear in its only variable, solved exactly."""
    difference = Node("add", (left, Node("neg", (right,))))
    names = {part.text for part in difference.walk() if part.op == "sym"}
    if len(names) != 1:
        return None
    name = names.pop()
    heights = []
    for place in (0, 1, 2):
        at = _replaced(difference, name, Node("num", number=Fraction(place)))
        height = exact.value_or_none(at)
        if height is None:
            return None
        heights.append(height)
    slope = heights[1] - heights[0]
    if not slope or heights[2] - heights[1] != slope or higher(difference, name):
        return None
    root = Node("num", number=-heights[0] / slope)
    side = operator if slope > 0 else _FLIPPED[operator]
    return RealSet(_ray(side, root), Node("sym", text=name))


def higher(node: Node, name: str) -> bool:
    """Whether the variable stands in a power, a denominator or a function."""
    return any(
        part.op in ("pow", "call", "div", "apply", "mod")
        and any(inner.op == "sym" and inner.text == name for inner in part.walk())
        and not (part.op == "div" and all(i.text != name for i in part.args[1].walk()))
        for part in node.walk()
    )


def _replaced(node: Node, name: str, by: Node) -> Node:
    if node.op == "sym" and node.text == name:
        return by
    return node._replace(args=tuple(_replaced(part, name, by) for part in node.args))


# -- comparison -----------------------------------------------------------------------------------


def same_set(left: Node, right: Node) -> tuple[bool | None, str]:
    """Whether two sets hold the same numbers, at several values of their parameters.

    Raises:
        LimitReached: finding out would cost too much.
    """
    _, context = contexts()
    names = sorted({p.text for side in (left, right) for p in side.walk() if p.op == "sym"})
    agreed = 0
    for index in range(POINTS_OF_PARAMETERS if names else 1):
        context.prec = FIRST_BITS
        point = {
            name: Fraction((577 * (index + 1) + 211 * place * (index + 2)) % 997, 331) + 1
            for place, name in enumerate(names)
        }
        evaluator = Evaluator(context, point, units=True, log_base=10)
        try:
            difference = _difference(evaluator, left, right)
        except NoValue:
            continue
        if difference is not None:
            return False, f"sets that differ at {context.nstr(difference, 6)}"
        agreed += 1
    return (True, "sets with the same members") if agreed else (None, "sets without known bounds")


def _difference(evaluator: Evaluator, left: Node, right: Node) -> Number | None:
    """A number that is in only one of the sets."""
    context = evaluator.context
    bounds: list[Number] = []
    for node in (*_boundaries(left), *_boundaries(right)):
        if not _infinite(node):
            value = evaluator.value(node)
            if context.im(value):
                raise NoValue("a bound that is not real")
            bounds.append(context.re(value))
    if len(bounds) > MAX_BOUNDARIES:
        raise NoValue("too many bounds")
    bounds.sort()
    tests: list[Number] = []
    for bound in bounds:
        if tests and bound - tests[-1] <= _slack(context, bound):
            continue
        tests += [(tests[-1] + bound) / 2 if tests else bound - 1, bound]
    tests.append(tests[-1] + 1 if tests else context.mpf(0))
    for value in tests:
        if _holds(evaluator, left, value) is not _holds(evaluator, right, value):
            return value
    return None


def _slack(context: object, value: Number) -> Number:
    return (abs(value) + 1) * 1e-35


def _boundaries(node: Node) -> Iterator[Node]:
    if node.op == "group":
        yield from node.args
    else:
        for part in node.args:
            yield from _boundaries(part)


def _infinite(node: Node) -> bool:
    return node in (INFINITY, _MINUS_INFINITY)


def _holds(evaluator: Evaluator, node: Node, value: Number) -> bool:
    if node.op == "set":
        return True
    if node.op == "union":
        return any(_holds(evaluator, part, value) for part in node.args)
    if node.op == "intersection":
        return all(_holds(evaluator, part, value) for part in node.args)
    if node.op == "difference":
        first, *rest = node.args
        return _holds(evaluator, first, value) and not any(
            _holds(evaluator, part, value) for part in rest
        )
    slack = _slack(evaluator.context, value)
    if node.text == "{}":
        return any(abs(evaluator.value(part) - value) <= slack for part in node.args)
    lower, upper = node.args
    return _above(evaluator, lower, value, slack, node.text[0] == "[", 1) and _above(
        evaluator, upper, value, slack, node.text[1] == "]", -1
    )


def _above(
    evaluator: Evaluator, bound: Node, value: Number, slack: Number, closed: bool, side: int
) -> bool:
    """Whether `value` is on the right side (1: above) of a bound."""
    if _infinite(bound):
        return (bound == _MINUS_INFINITY) is (side == 1)
    distance = evaluator.context.re(value - evaluator.value(bound)) * side
    return bool(distance > slack or (closed and distance >= -slack))
