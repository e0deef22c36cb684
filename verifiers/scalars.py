"""Two single values: exact first, then by sampling, with the rules for decimals and units."""

from fractions import Fraction
from typing import NamedTuple

from . import exact
from .conventions import Conventions
from .evaluate import Evaluator, NoValue
from .latex.tree import INFINITY, LimitReached, Node
from .latex.units import PERCENT, RADIAN
from .sampling import FIRST_BITS, Sampled, contexts, same_value
from .shapes import substituted

MANY_DIGITS = 15  # what double precision states; such a decimal may stand for any exact value
REFERENCE_DIGITS = 3  # a reference decimal of fewer is taken as exact
_UNEVALUATED = frozenset(("int", "iint", "iiint", "oint", "lim", "limsup", "liminf"))


class Decision(NamedTuple):
    """Whether two answers are the same (None: not known), and why.

    Attributes:
        symbolic: a computer algebra system might still find out.
    """

    same: bool | None
    reason: str
    symbolic: bool = False


class Decimal(NamedTuple):
    """A number written with decimals.

    Attributes:
        value: exact.
        half: half a unit of its last digit.
        digits: significant digits that it states.
    """

    value: Fraction
    half: Fraction
    digits: int


def same_scalar(answer: Node, reference: Node, rules: Conventions) -> Decision:
    """Whether two values are the same, by the conventions in `rules`."""
    if answer.op == "based" or reference.op == "based":
        same = answer.op == reference.op and answer.text == reference.text
        return Decision(same, "same digits and base" if same else "not the same digits and base")
    if _infinite(answer) or _infinite(reference):
        return Decision(False, "infinity against something else")
    limited = ""
    try:
        left, right = exact.rational(answer), exact.rational(reference)
    except exact.NotRational:
        pass
    except LimitReached as fault:
        limited = str(fault)
    else:
        return _rationals(answer, reference, left, right, rules)
    if _structured(answer) is not _structured(reference):
        return Decision(False, "a value against what is none")
    if unevaluated(answer) and not unevaluated(reference):
        return Decision(False, "left unevaluated")
    try:
        return _sampled(answer, reference, rules)
    except LimitReached as fault:
        return Decision(None, f"undecided: {limited or fault}")


def _infinite(node: Node) -> bool:
    """Whether a tree is infinity, with a sign or without; equal ones never come here."""
    while node.op == "neg":
        node = node.args[0]
    return node == INFINITY


def _structured(node: Node) -> bool:
    """Whether a tree holds a list, an interval or a relation, and so is no single value."""
    return any(part.op in ("group", "list", "union") for part in node.walk())


def unevaluated(node: Node) -> bool:
    """Whether a tree holds an integral, a limit or an infinite sum."""
    return any(
        part.op == "big"
        and (
            part.text in _UNEVALUATED or any(p.op == "const" and p.text == "inf" for p in part.args)
        )
        for part in node.walk()
    )


def _rationals(
    answer: Node, reference: Node, left: Fraction, right: Fraction, rules: Conventions
) -> Decision:
    if left == right:
        return Decision(True, f"equal as rationals {_shown(left)}")
    near = _decimals(answer, reference, left, right, rules)
    return near or Decision(False, f"{_shown(left)} is not {_shown(right)}")


def _shown(value: Fraction) -> str:
    text = str(value) if value.numerator.bit_length() + value.denominator.bit_length() < 400 else ""
    return text or f"a rational of {value.numerator.bit_length()} bits"


def _decimals(
    answer: Node, reference: Node, left: Fraction, right: Fraction, rules: Conventions
) -> Decision | None:
    """Whether a decimal on one side is the other's value, rounded.

    Args:
        answer: as written.
        reference: as written.
        left: the answer's value, or a close approximation to an irrational one.
        right: the reference's likewise.
        rules: the conventions.
    """
    written, stated = as_decimal(answer), as_decimal(reference)
    gap = abs(left - right)
    if rules.tolerance and gap <= rules.tolerance * abs(right):
        return Decision(True, f"within the tolerance {rules.tolerance:g}")
    rounds = stated is not None and stated.digits >= REFERENCE_DIGITS and gap <= stated.half
    if rounds and not (_holds_decimals(answer) or _finite(answer)):
        return Decision(True, "rounds to the reference's decimals")
    if written and not stated and not _holds_decimals(reference) and not _finite(reference):
        rational = exact.value_or_none(_bare(reference)) is not None
        needed = rules.rounded_digits if rational else MANY_DIGITS
        if rules.rounded_digits and written.digits >= needed and gap <= written.half:
            return Decision(True, f"the reference, rounded to {written.digits} digits")
    return None


def _bare(node: Node) -> Node:
    if node.op == "mul":
        kept = tuple(part for part in node.args if part.op != "unit")
        return kept[0] if len(kept) == 1 else Node("mul", kept)
    return node


def _finite(node: Node) -> bool:
    """Whether the value is a rational that has an end as a decimal."""
    value = exact.value_or_none(_bare(node))
    if value is None:
        return False
    rest = value.denominator
    for prime in (2, 5):
        while rest % prime == 0:
            rest //= prime
    return rest == 1


def _holds_decimals(node: Node) -> bool:
    return any(part.places >= 0 for part in node.walk())


def as_decimal(node: Node) -> Decimal | None:
    """A decimal numeral, with its sign, percent sign, unit or power of ten; None for others."""
    if node.op == "neg":
        inner = as_decimal(node.args[0])
        return inner and inner._replace(value=-inner.value)
    if node.op == "num":
        if node.places < 0 or node.number is None:
            return None
        scaled = node.number * 10**node.places
        return Decimal(node.number, Fraction(1, 2 * 10**node.places), len(str(scaled.numerator)))
    if node.op == "mul" and node.args:
        first = as_decimal(node.args[0])
        if first is None:
            return None
        scale = Fraction(1)
        for part in node.args[1:]:
            if part.op == "unit":
                scale *= Fraction(1, 100) if part.text == PERCENT else 1
            elif part.op == "pow" and part.args[0].number == 10:
                scale *= exact.value_or_none(part) or 0
            elif part.op == "pow" and part.args[0].op == "unit":
                continue
            else:
                return None
        return Decimal(first.value * scale, first.half * scale, first.digits) if scale else None
    return None


# -- units and sampling ---------------------------------------------------------------------------


def _sampled(answer: Node, reference: Node, rules: Conventions) -> Decision:
    first, second = units_of(answer), units_of(reference)
    if rules.units == "ignored" and (first or second):
        return _values(answer, reference, rules, units=False)
    if _radians_for_degrees(answer, first, reference, second):
        return Decision(False, "radians against a bare number")
    if rules.rename_variables:
        answer = _renamed(answer, reference)
    found = _values(answer, reference, rules, units=True)
    if found.same is not False or not (first or second):
        return found
    if _may_strip(first, second, rules):
        bare = _values(answer, reference, rules, units=False)
        if bare.same is not False:
            return bare._replace(reason=f"{bare.reason} (unit left out)")
    return found


def _radians_for_degrees(answer: Node, first: set[str], reference: Node, second: set[str]) -> bool:
    """Whether one side alone says radians and the other is a number without pi: maybe degrees."""
    if (RADIAN in first) is (RADIAN in second) or (first and second):
        return False
    bare = reference if RADIAN in first else answer
    return exact.value_or_none(bare) is not None


def units_of(node: Node) -> set[str]:
    """The names of the units in a tree."""
    return {part.text for part in node.walk() if part.op == "unit"}


def _may_strip(answer: set[str], reference: set[str], rules: Conventions) -> bool:
    """Whether a unit that only one side names may be left out."""
    if RADIAN in answer or RADIAN in reference:
        return False  # radians are said to tell them from degrees
    if answer and reference:
        return _labels_agree(answer, reference)
    if PERCENT in answer:
        return False
    if PERCENT in reference:
        return rules.bare_percent
    return rules.units == "optional"


def _labels_agree(answer: set[str], reference: set[str]) -> bool:
    """Whether two labels say the same, one in more words: `apple` and `red apple`."""
    if len(answer) != 1 or len(reference) != 1:
        return False
    one, other = next(iter(answer)), next(iter(reference))
    if not (one.startswith("label:") and other.startswith("label:")):
        return False
    first, second = set(one[6:].split()), set(other[6:].split())
    return bool(first and second) and (first <= second or second <= first)


def _renamed(answer: Node, reference: Node) -> Node:
    def letters(node: Node) -> list[str]:
        return sorted({part.text for part in node.walk() if part.op == "sym"})

    mine, theirs = letters(answer), letters(reference)
    if len(mine) != len(theirs):
        return answer
    for old in mine:
        answer = substituted(answer, old, Node("sym", text="\0" + old))
    for old, new in zip(mine, theirs, strict=True):
        answer = substituted(answer, "\0" + old, Node("sym", text=new))
    return answer


def _values(answer: Node, reference: Node, rules: Conventions, *, units: bool) -> Decision:
    found: Sampled = same_value(answer, reference, units=units, log_base=rules.log_base)
    if found.same is None:
        return Decision(None, f"undecided: {found.reason}", symbolic=True)
    if not found.same:
        if unevaluated(reference):
            return Decision(None, "undecided: the reference is left unevaluated", symbolic=True)
        near = _near(answer, reference, rules, units=units)
        if near is not None:
            return near
    return Decision(found.same, found.reason)


def _near(answer: Node, reference: Node, rules: Conventions, *, units: bool) -> Decision | None:
    """The rules for decimals, where a side is irrational but a number."""
    if any(part.op == "sym" for side in (answer, reference) for part in side.walk()):
        return None
    _, context = contexts()
    context.prec = FIRST_BITS
    values = []
    for side in (answer, reference):
        evaluator = Evaluator(context, {}, units=units, log_base=rules.log_base)
        try:
            value = evaluator.value(side)
        except NoValue:
            return None
        if context.im(value):
            return None
        real = context.re(value)
        if context.isinf(real) or abs(context.mag(real)) > 2_000:
            return None
        mantissa, exponent = int(context.ldexp(real, 300)), 300
        values.append(Fraction(mantissa, 2**exponent))
    return _decimals(answer, reference, values[0], values[1], rules)
