"""Lists, sets and tuples: members in order or in any order, each matched once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from . import exact
from .latex.tree import Node
from .scalars import Decision
from .shapes import MAX_ITEMS, as_systems, is_name, split_tuple_assignment, with_labels

if TYPE_CHECKING:
    from .equality import Judge

MAX_PAIRS = 4_000


def is_several(node: Node) -> bool:
    """Whether a tree is a list or a finite set, which have no order."""
    return node.op == "list" or (node.op == "group" and node.text == "{}")


def same_several(judge: Judge, answer: Node, reference: Node) -> Decision:
    """Whether two collections, at least one of them a list or set, have the same members."""
    answer, reference = split_tuple_assignment(answer), split_tuple_assignment(reference)
    mine, theirs = _members(answer), _members(reference)
    if mine is None or theirs is None:
        return Decision(False, "one value against several")
    mine_systems, theirs_systems = as_systems(mine), as_systems(theirs)
    if theirs_systems and (mine_systems or _tuples(mine)):
        mine, theirs = mine_systems or mine, theirs_systems
    elif mine_systems and _tuples(theirs):
        mine = mine_systems
    ordered = judge.rules.ordered_lists or _labels_lost(mine, theirs)
    pair = {answer.op + answer.text, reference.op + reference.text}
    if any(op.startswith("group") and op != "group{}" for op in pair):
        if "group{}" in pair and not judge.rules.sets_as_tuples:
            return Decision(False, "a set is not a tuple")
        ordered = True  # a tuple against a bare list
    if not ordered and _tuples(mine):
        mine = _distinct(mine)
    if len(mine) != len(theirs):
        return Decision(False, f"{len(mine)} members against {len(theirs)}")
    return (
        same_in_order(judge, mine, theirs) if ordered else _same_in_any_order(judge, mine, theirs)
    )


def _members(node: Node) -> tuple[Node, ...] | None:
    if node.op in ("list", "group"):
        return with_labels(node.args)
    return (node,)


def _tuples(items: tuple[Node, ...]) -> bool:
    return all(item.op == "group" and item.text != "{}" for item in items)


def _distinct(items: tuple[Node, ...]) -> tuple[Node, ...]:
    """A solution listed twice counts once; a number listed twice may be a double root."""
    return tuple(dict.fromkeys(items))


def _labels_lost(mine: tuple[Node, ...], theirs: tuple[Node, ...]) -> bool:
    """Whether the reference tells its values by different names and the answer by their order."""
    names = [_name(item) for item in theirs]
    return None not in names and len(set(names)) > 1 and all(_name(item) is None for item in mine)


def _name(item: Node) -> Node | None:
    if item.op == "rel" and item.text[:1] in "=~" and is_name(item.args[0]):
        return item.args[0]
    return None


def same_in_order(judge: Judge, mine: tuple[Node, ...], theirs: tuple[Node, ...]) -> Decision:
    """Whether members are the same, place by place."""
    if len(mine) != len(theirs):
        return Decision(False, f"{len(mine)} members against {len(theirs)}")
    unsure: Decision | None = None
    for place, (one, other) in enumerate(zip(mine, theirs, strict=True), 1):
        found = judge.same(one, other)
        if found.same is False:
            return Decision(False, f"member {place}: {found.reason}")
        if found.same is None:
            unsure = found
    return unsure or Decision(True, f"{len(mine)} members, each equal in its place")


def _same_in_any_order(judge: Judge, mine: tuple[Node, ...], theirs: tuple[Node, ...]) -> Decision:
    if len(mine) > MAX_ITEMS:
        return Decision(None, f"undecided: more than {MAX_ITEMS} members")
    left = [exact.value_or_none(item) for item in mine]
    right = [exact.value_or_none(item) for item in theirs]
    known, wanted = ([value for value in side if value is not None] for side in (left, right))
    if len(known) == len(left) == len(wanted) and sorted(known) == sorted(wanted):
        return Decision(True, f"the same {len(mine)} rationals")
    if len(mine) * len(theirs) > MAX_PAIRS:
        return Decision(None, "undecided: too many members to match")
    free = list(range(len(mine)))
    unsure: Decision | None = None
    for place, other in enumerate(theirs, 1):
        matched: int | None = None
        doubtful: Decision | None = None
        for candidate in free:
            found = judge.same(mine[candidate], other)
            if found.same:
                matched = candidate
                break
            if found.same is None:
                doubtful = found
        if matched is not None:
            free.remove(matched)
        elif doubtful is None:
            return Decision(False, f"no member equals the reference's number {place}")
        else:
            unsure = doubtful
    return unsure or Decision(True, f"the same {len(mine)} members")
