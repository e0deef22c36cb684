"""The ladder: same text, same rational, same structure, same values at fixed points.

It stops at the first certain step. Each step either proves the answer right or wrong, gives strong
evidence by sampling, or passes on; what is left at the end is undecided and earns nothing.
"""

from .clock import seconds_of_day
from .conventions import DEFAULT, Conventions
from .latex.tree import ONE, LimitReached, Node, ParseFailure
from .matrices import entries, folded
from .reading import EMPTY, Reading, words
from .realsets import read_set, same_set, surely_set
from .relations import same_relation
from .scalars import Decision, same_scalar, units_of
from .several import is_several, same_in_order, same_several
from .shapes import with_bound_names, without_signs

MAX_COMPARISONS = 3_000


def same_answer(
    answer: Reading, reference: Reading, rules: Conventions = DEFAULT, *, working: bool = False
) -> Decision:
    """Whether an answer is the reference.

    Args:
        answer: as `read` gives it.
        reference: likewise.
        rules: the conventions.
        working: the answer is a line of working rather than marked as final; then the last value
            of `x = 2 + 3 = 5` counts.
    """
    if not answer.form or not reference.form:
        return Decision(False, "an empty answer")
    if answer.form == reference.form:
        return Decision(True, "the same text")
    if EMPTY in (answer.failure, reference.failure):
        return Decision(False, "an empty answer")
    times = seconds_of_day(answer.text), seconds_of_day(reference.text)
    if None not in times:
        return Decision(times[0] == times[1], "times of day, compared as such")
    if answer.node is not None and reference.node is not None:
        judge = Judge(rules, working=working)
        found = judge.same(answer.node, reference.node)
        if not found.same and (answer.listed or reference.listed):
            other = judge.same(answer.listed or answer.node, reference.listed or reference.node)
            found = other if other.same else found
        return found
    if answer.limited or reference.limited:
        return Decision(None, f"undecided: {answer.failure or reference.failure}")
    if reference.node is not None and reference.node.op != "text":
        return Decision(False, f"the answer does not parse: {answer.failure}")
    return same_words(answer.text, reference.text)


def same_words(answer: str, reference: str) -> Decision:
    """Two answers as text: case, punctuation and articles do not count."""
    mine, theirs = words(answer), words(reference)
    if mine and mine == theirs:
        return Decision(True, "the same words")
    return Decision(False, "different words")


class Judge:
    """Compares trees by one set of conventions, with a bound on the number of comparisons."""

    def __init__(self, rules: Conventions, *, working: bool = False) -> None:
        self.rules = rules
        self.working = working
        self.comparisons = 0

    def same(self, answer: Node, reference: Node) -> Decision:
        """Whether two trees are the same answer."""
        self.comparisons += 1
        if self.comparisons > MAX_COMPARISONS:
            return Decision(None, "undecided: too many parts to compare")
        if answer == reference:
            return Decision(True, "the same expression")
        answer, reference = with_bound_names(answer, reference)
        try:
            answer, reference = folded(without_signs(answer)), folded(without_signs(reference))
            return self._kinds(answer, reference)
        except (ParseFailure, LimitReached) as fault:
            return Decision(None, f"undecided: {fault}")

    def _kinds(self, answer: Node, reference: Node) -> Decision:
        if surely_set(answer) or surely_set(reference):
            found = self._sets(answer, reference)
            if found is not None:
                return found
        if is_several(answer) or is_several(reference):
            return same_several(self, answer, reference)
        if {"rel", "mod"} & {answer.op, reference.op}:
            return same_relation(self, answer, reference)
        if "matrix" in (answer.op, reference.op):
            return self._matrices(answer, reference)
        if "group" in (answer.op, reference.op):
            return self._tuples(answer, reference)
        if "ratio" in (answer.op, reference.op):
            return self._ratios(answer, reference)
        if "text" in (answer.op, reference.op):
            return self._texts(answer, reference)
        if "cases" in (answer.op, reference.op):
            return self._cases(answer, reference)
        return self.scalar(answer, reference)

    def scalar(self, answer: Node, reference: Node) -> Decision:
        """Two single values."""
        return same_scalar(answer, reference, self.rules)

    def conflict(self, one: Node, other: Node) -> bool:
        """Whether two members of a chain surely differ.

        In working, 2 hours = 120 is a conversion whose second unit was left out.
        """
        if self.working and bool(units_of(one)) is not bool(units_of(other)):
            return False
        return self.same(one, other).same is False

    def _sets(self, answer: Node, reference: Node) -> Decision | None:
        mine, theirs = read_set(answer), read_set(reference)
        if mine is None or theirs is None:
            return None
        if not self.rules.intervals_as_inequalities and (answer.op == "rel") is not (
            reference.op == "rel"
        ):
            return Decision(False, "an interval against an inequality")
        if mine.subject is not None and theirs.subject is not None:
            names = self.same(mine.subject, theirs.subject)
            if not names.same:
                return Decision(False, "sets of values of different variables")
        if mine.node.op == theirs.node.op == "group" and mine.node.text == theirs.node.text != "{}":
            bounds = same_in_order(self, mine.node.args, theirs.node.args)
            if bounds.same:
                return bounds
        same, reason = same_set(mine.node, theirs.node)
        return Decision(same, reason if same is not None else f"undecided: {reason}")

    def _matrices(self, answer: Node, reference: Node) -> Decision:
        if answer.op == reference.op:
            if len(answer.args) == len(reference.args):
                return same_in_order(self, _cells(answer), _cells(reference))
            mine, theirs = entries(answer), entries(reference)
            if mine is None or theirs is None or not self.rules.vectors_as_tuples:
                return Decision(False, "matrices of different shapes")
            return same_in_order(self, mine, theirs)
        matrix, other = (answer, reference) if answer.op == "matrix" else (reference, answer)
        vector = entries(matrix)
        if vector is None or other.op != "group" or not self.rules.vectors_as_tuples:
            return Decision(False, "a matrix against something else")
        if matrix is answer:
            return same_in_order(self, vector, other.args)
        return same_in_order(self, other.args, vector)

    def _tuples(self, answer: Node, reference: Node) -> Decision:
        if answer.op != reference.op:
            return Decision(False, "a tuple against a single value")
        if len(answer.args) == 2 and answer.text != reference.text:
            return Decision(False, f"brackets {answer.text} against {reference.text}")
        return same_in_order(self, answer.args, reference.args)

    def _ratios(self, answer: Node, reference: Node) -> Decision:
        mine, theirs = _ratio(answer), _ratio(reference)
        if len(mine) != len(theirs):
            return Decision(False, "ratios of different lengths")
        for one, other in zip(mine[1:], theirs[1:], strict=True):
            left = Node("div", (mine[0], one))
            right = Node("div", (theirs[0], other))
            found = self.scalar(left, right)
            if answer.op != reference.op and found.same is False:
                # 6.67 against 20:3: the single value keeps its decimals
                found = self.scalar(
                    answer if answer.op != "ratio" else left,
                    reference if reference.op != "ratio" else right,
                )
            if not found.same:
                return found
        return Decision(True, "the same ratio")

    def _texts(self, answer: Node, reference: Node) -> Decision:
        return same_words(_plain(answer), _plain(reference))

    def _cases(self, answer: Node, reference: Node) -> Decision:
        if answer.op != reference.op or len(answer.args) != len(reference.args):
            return Decision(False, "other cases")
        for one, other in zip(answer.args, reference.args, strict=True):
            found = same_in_order(self, one.args, other.args)
            if not found.same:
                return found
        return Decision(True, "the same cases")


def _cells(matrix: Node) -> tuple[Node, ...]:
    return tuple(cell for row in matrix.args for cell in row.args)


def _ratio(node: Node) -> tuple[Node, ...]:
    return node.args if node.op == "ratio" else (node, ONE)


def _plain(node: Node) -> str:
    if node.op in ("text", "sym", "const"):
        return node.text
    if node.op == "mul" and all(part.op in ("sym", "const", "text") for part in node.args):
        return "".join(part.text for part in node.args)
    return "\0"
