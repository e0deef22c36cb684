"""Assignments, equations, inequalities and chains."""

from __future__ import annotations

from typing import TYPE_CHECKING

from .latex.tree import LimitReached, Node
from .realsets import higher
from .sampling import same_equation
from .scalars import Decision, as_decimal
from .shapes import Answer, read_chain, substituted

if TYPE_CHECKING:
    from .equality import Judge

_ORDER = frozenset(("<", ">", "<=", ">="))
_FLIPPED = {"<": ">", ">": "<", "<=": ">=", ">=": "<="}


def same_relation(judge: Judge, answer: Node, reference: Node) -> Decision:
    """Whether two trees, at least one of them a relation, say the same."""
    if answer.op == "mod" or reference.op == "mod":
        return _congruence(judge, answer, reference)
    mine, theirs = read_chain(answer), read_chain(reference)
    if (fault := _contradiction(judge, mine)) is not None:
        return fault
    if answer.op == reference.op == "rel" and answer.text == reference.text == "=":
        found = _equations(judge, answer, reference, mine, theirs)
        if found is not None:
            return found
    mine, theirs = _constant(judge, answer, mine), _trusted(reference, theirs)
    if theirs.value is reference and reference.text == "=" and mine.name is None:
        solved = _solved_for_y(reference, mine.value)
        if solved is not None:
            return judge.same(*solved)
    if mine.value.op == "rel" or theirs.value.op == "rel":
        return _as_written(judge, mine.value, theirs.value)
    if mine.name is not None and theirs.name is not None:
        return _named(judge, mine, theirs)
    if (mine.name is None) is not (theirs.name is None) and not judge.rules.bare_values:
        return Decision(False, "a value against an assignment")
    found = judge.same(mine.value, theirs.value)
    if found.same is False and theirs.rough is not None:
        return judge.same(mine.value, theirs.rough)
    return found


def _contradiction(judge: Judge, chain: Answer) -> Decision | None:
    """A chain that says two different things is no answer, whichever of them is right.

    In working that was not marked as the final answer, the last value of x = ... = ... counts.
    """
    if judge.working and chain.name is not None:
        return None
    for other in chain.others:
        if judge.conflict(other, chain.value):
            return Decision(False, "a chain that contradicts itself")
    if chain.rough is not None and not judge.working and chain.value.op in ("num", "neg"):
        stated = as_decimal(chain.rough)
        close = judge.conflict(chain.rough, chain.value)
        if close and (stated is None or not _rounds(judge, chain.value, chain.rough)):
            return Decision(False, "a chain that contradicts itself")
    return None


def _rounds(judge: Judge, value: Node, rough: Node) -> bool:
    stated = as_decimal(rough)
    number = value.number if value.op == "num" else None
    return bool(stated and number is not None and abs(stated.value - number) <= stated.half)


def _constant(judge: Judge, node: Node, chain: Answer) -> Answer:
    """`5 + 5 = 10` as 10; `5 + 6 = 10` stays what it is."""
    value = chain.value
    if value is not node or node.op != "rel" or node.text != "=" or not _closed(node):
        return chain
    left, right = node.args
    if judge.conflict(left, right):
        return chain
    return Answer(right)


def _trusted(node: Node, chain: Answer) -> Answer:
    """Of a reference's chain the last value counts, if what comes before holds no variables."""
    if chain.value is node and node.op == "rel" and node.text == "=" and _closed(node):
        return Answer(node.args[-1])
    return chain


def _solved_for_y(equation: Node, value: Node) -> tuple[Node, Node] | None:
    """Both sides of an equation that is linear in y, with `value` in its place."""
    if len(equation.args) != 2 or any(part.text == "y" for part in value.walk()):
        return None
    if higher(equation, "y") or not any(part.text == "y" for part in equation.walk()):
        return None
    if value.op in ("rel", "group", "list", "text"):
        return None
    left, right = (substituted(side, "y", value) for side in equation.args)
    return left, right


def _closed(node: Node) -> bool:
    return not any(part.op in ("sym", "apply") for part in node.walk())


def _equations(
    judge: Judge, answer: Node, reference: Node, mine: Answer, theirs: Answer
) -> Decision | None:
    if len(answer.args) != 2 or len(reference.args) != 2:
        return None
    if _closed(answer) and _closed(reference):
        if answer.args[0] == reference.args[0]:
            return judge.same(answer.args[1], reference.args[1])
        return Decision(False, "other sums")
    if mine.name is not None and theirs.name is not None:
        found = _named(judge, mine, theirs)
        if found.same is not False or mine.name == theirs.name:
            return found
    if any(part.op in ("group", "list", "matrix") for s in (answer, reference) for part in s.args):
        return None
    if (
        mine.name is not None
        and theirs.name is not None
        and (_closed(mine.value) or _closed(theirs.value))
    ):
        return None
    try:
        proportional, _ = same_equation(
            (answer.args[0], answer.args[1]), (reference.args[0], reference.args[1])
        )
    except LimitReached as fault:
        return Decision(None, f"undecided: {fault}")
    if proportional.same is None:
        return Decision(None, f"undecided: {proportional.reason}", symbolic=True)
    return Decision(proportional.same, proportional.reason)


def _named(judge: Judge, mine: Answer, theirs: Answer) -> Decision:
    one, other = mine.name, theirs.name
    if one is None or other is None:
        return Decision(False, "a value against an assignment")
    value = mine.value
    if (
        one.op == other.op == "apply"
        and one.text == other.text
        and len(one.args) == len(other.args)
    ):
        value = _alpha(one, other, value)
    elif one.op == "apply" and other.op == "apply":
        return Decision(False, f"{one.text} is not {other.text}")
    elif not _function_and_y(one, other) and (
        one.op != other.op or not judge.same(one, other).same
    ):
        return Decision(False, "assignments to different names")
    return judge.same(value, theirs.value)


def _alpha(one: Node, other: Node, value: Node) -> Node:
    """The answer's value with its function's arguments named as the reference names them."""
    if any(part.op != "sym" for part in (*one.args, *other.args)):
        return value if one.args == other.args else Node("text", text="another value")
    for place, old in enumerate(one.args):
        value = substituted(value, old.text, Node("sym", text=f"\0{place}"))
    for place, new in enumerate(other.args):
        value = substituted(value, f"\0{place}", new)
    return value


def _function_and_y(one: Node, other: Node) -> bool:
    """Y = 2x + 3 defines the same function as f(x) = 2x + 3."""
    return {one.op, other.op} == {"apply", "sym"} and "y" in (one.text, other.text)


def _as_written(judge: Judge, answer: Node, reference: Node) -> Decision:
    """Relations compared member by member, or as inequalities that are multiples."""
    if answer.op != reference.op:
        return Decision(False, "a relation against a value")
    if len(answer.args) != len(reference.args):
        return Decision(False, "relations of different lengths")
    mine, theirs = answer.text.split(), reference.text.split()
    if len(mine) == 1 and _ORDER.issuperset((*mine, *theirs)):
        return _inequality(answer, mine[0], reference, theirs[0])
    flipped = [_FLIPPED.get(operator, operator) for operator in reversed(mine)]
    if mine == theirs:
        pairs = zip(answer.args, reference.args, strict=True)
    elif flipped == theirs:
        pairs = zip(reversed(answer.args), reference.args, strict=True)
    else:
        return Decision(False, "different relations")
    for one, other in pairs:
        found = judge.same(one, other)
        if not found.same:
            return found
    return Decision(True, "the same relation between equal members")


def _inequality(answer: Node, mine: str, reference: Node, theirs: str) -> Decision:
    try:
        found, sign = same_equation(
            (answer.args[0], answer.args[1]), (reference.args[0], reference.args[1])
        )
    except LimitReached as fault:
        return Decision(None, f"undecided: {fault}")
    if not found.same:
        return Decision(found.same, found.reason, symbolic=found.same is None)
    same = theirs == (mine if sign > 0 else _FLIPPED[mine])
    return Decision(same, "inequalities that are multiples" if same else "the inequality reversed")


def _congruence(judge: Judge, answer: Node, reference: Node) -> Decision:
    if answer.op != "mod" or answer.args[0].op != "rel":
        if reference.args and reference.op == "mod" and reference.args[0].op == "rel":
            if not judge.rules.bare_values or answer.op in ("rel", "mod"):
                return Decision(False, "a congruence against something else")
            return judge.same(answer, reference.args[0].args[-1])
        return judge.scalar(answer, reference)
    if reference.op != "mod" or reference.args[0].op != "rel":
        return Decision(False, "a congruence against something else")
    modulus = judge.same(answer.args[1], reference.args[1])
    return judge.same(answer.args[0], reference.args[0]) if modulus.same else modulus
