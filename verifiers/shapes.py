"""What kind of answer a tree is: chains resolved, ± written out, labels told from values."""

from itertools import islice
from typing import NamedTuple

from .latex.tree import Node, ParseFailure

MAX_EXPANDED = 64
MAX_ITEMS = 400

EQUALITIES = frozenset(("=", "~"))
_APPROXIMATE = "~"


class Answer(NamedTuple):
    """A tree with what was said around its value.

    Attributes:
        value: what is claimed.
        name: the left side of an assignment, as x in x = 5.
        others: further members of a chain, which must agree with the value.
        rough: what stands after an approximation sign.
    """

    value: Node
    name: Node | None = None
    others: tuple[Node, ...] = ()
    rough: Node | None = None


def is_name(node: Node) -> bool:
    """Whether a left side only names what the right side is: x, f(x), AB, |AB|, NO/BO, S_1:S_2."""
    if node.op in ("sym", "apply"):
        return node.text != "..."
    if node.op == "accent":
        return all(is_name(part) for part in node.args)
    if node.op in ("mul", "div", "ratio"):
        return all(_capital(part) for part in node.args)
    if node.op == "call" and node.text in ("abs", "det", "deg"):
        return _capital(node.args[0])
    if node.op in ("group", "list"):
        return bool(node.args) and all(part.op in ("sym", "apply") for part in node.args)
    return False


def _capital(node: Node) -> bool:
    if node.op == "sym":
        return node.text[:1].isupper()
    if node.op == "apply":
        return True
    return node.op in ("mul", "accent", "div") and all(_capital(part) for part in node.args)


def read_chain(node: Node) -> Answer:
    """`x = a = b ~ c` as the value b named x, with a to agree; other trees as they are."""
    if node.op != "rel":
        return Answer(node)
    operators = node.text.split()
    if not EQUALITIES.issuperset(operators):
        return Answer(node)
    members = node.args
    if len(members) == 2 and is_name(members[1]) and not is_name(members[0]):
        members = (members[1], members[0])  # 7 = x
    name: Node | None = None
    if is_name(members[0]) and not _mentions(members[0], members[1:]):
        name, members, operators = members[0], members[1:], operators[1:]
    elif operators[0] == "=" and len(members) == 2:
        return Answer(node)  # an equation
    exact, rough = [members[0]], None
    for operator, member in zip(operators, members[1:], strict=True):
        if operator == _APPROXIMATE:
            rough = rough or member
        elif rough is None:
            exact.append(member)
    return Answer(exact[-1], name, tuple(exact[:-1]), rough)


def _mentions(name: Node, members: tuple[Node, ...]) -> bool:
    if name.op == "apply":
        return any(
            part.op == "apply" and part.text == name.text for m in members for part in m.walk()
        )
    if name.op in ("group", "list"):
        return any(_mentions(part, members) for part in name.args)
    letters = {part.text for part in name.walk() if part.op == "sym"}
    return any(part.op == "sym" and part.text in letters for m in members for part in m.walk())


def without_signs(node: Node) -> Node:
    """`node` with every ± written out: 3 ± 2 is the list 5, 1.

    Signs within one item go together: a ± b ∓ c is a + b - c and a - b + c.

    Raises:
        ParseFailure: there are too many.
    """
    if not any(part.op == "pm" for part in node.walk()):
        return node
    if node.op == "list" or (node.op == "group" and node.text == "{}"):
        items: list[Node] = []
        for item in node.args:
            expanded = without_signs(item)
            items.extend(expanded.args if expanded.op == "list" else (expanded,))
        if len(items) > MAX_ITEMS:
            raise ParseFailure("too many signs")
        return node._replace(args=tuple(items))
    return Node("list", (_signed(node, upper=True), _signed(node, upper=False)))


def _signed(node: Node, *, upper: bool) -> Node:
    if node.op == "pm":
        *first, second = (_signed(part, upper=upper) for part in node.args)
        positive = (node.text == "+-") is upper
        term = second if positive else Node("neg", (second,))
        return Node("add", (first[0], term)) if first else term
    if not node.args:
        return node
    return node._replace(args=tuple(_signed(part, upper=upper) for part in node.args))


def with_labels(items: tuple[Node, ...]) -> tuple[Node, ...]:
    """`x = 1, 2, 3` as three values of x: what follows a label bears it too."""
    label: Node | None = None
    found: list[Node] = []
    for item in items:
        if item.op == "rel" and item.text == "=" and is_name(item.args[0]):
            label = item.args[0]
        elif label is not None and item.op != "rel" and len(found) < MAX_ITEMS:
            item = Node("rel", (label, item), "=")  # noqa: PLW2901
        found.append(item)
    return tuple(found)


def as_systems(items: tuple[Node, ...]) -> tuple[Node, ...] | None:
    """`p=5, q=2; p=7, q=2` as the tuples (5, 2) and (7, 2); None where labels do not repeat so."""
    labels = [_label(item) for item in items]
    if len(items) < 4 or None in labels:
        return None
    period = labels.index(labels[0], 1) if labels[0] in labels[1:] else 0
    if (
        period < 2
        or len(items) % period
        or any(labels[place] != labels[place % period] for place in range(len(labels)))
    ):
        return None
    values = iter(item.args[1] for item in items)
    return tuple(
        Node("group", tuple(islice(values, period)), "()") for _ in range(len(items) // period)
    )


def _label(item: Node) -> str | None:
    if item.op == "rel" and item.text == "=" and item.args[0].op == "sym":
        return item.args[0].text
    return None


def split_tuple_assignment(node: Node) -> Node:
    """`(p, q) = (3, 2)` as the list p = 3, q = 2; anything else as it is."""
    if node.op != "rel" or node.text != "=" or len(node.args) != 2:
        return node
    names, values = node.args
    if not (names.op == values.op == "group" and len(names.args) == len(values.args) > 1):
        return node
    if not is_name(names):
        return node
    pairs = zip(names.args, values.args, strict=True)
    return Node("list", tuple(Node("rel", pair, "=") for pair in pairs))


_INTEGERS = frozenset("kmn")


def with_bound_names(answer: Node, reference: Node) -> tuple[Node, Node]:
    """Both sides with a parameter of the answer named as in the reference.

    A name is bound, and so free to choose, where the answer says "for some t", or where an
    integer letter counts multiples of pi in both: k pi and n pi are the same solutions.
    """
    said = answer.text if answer.op == "quantified" else ""
    answer, reference = (s.args[0] if s.op == "quantified" else s for s in (answer, reference))
    mine, theirs = _letters(answer), _letters(reference)
    lost, new = theirs - mine, mine - theirs
    if len(new) != 1:
        return answer, reference
    old = next(iter(new))
    if old == said and len(lost) == 1:
        return substituted(answer, old, Node("sym", text=next(iter(lost)))), reference
    counting = lost & _INTEGERS
    if old in _INTEGERS and len(counting) == 1 and _counts(answer) and _counts(reference):
        return substituted(answer, old, Node("sym", text=next(iter(counting)))), reference
    return answer, reference


def _letters(node: Node) -> set[str]:
    return {part.text for part in node.walk() if part.op == "sym"}


def _counts(node: Node) -> bool:
    """Whether an integer letter stands as a factor beside pi."""
    return any(
        part.op == "mul"
        and any(factor.op == "const" and factor.text == "pi" for factor in part.args)
        and any(factor.op == "sym" and factor.text in _INTEGERS for factor in part.args)
        for part in node.walk()
    )


def substituted(node: Node, old: str, new: Node) -> Node:
    """`node` with the variable `old` replaced."""
    if node.op == "sym":
        return new if node.text == old else node
    if not node.args:
        return node
    return node._replace(args=tuple(substituted(part, old, new) for part in node.args))
