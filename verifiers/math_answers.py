r"""The math verifier: a response's final answer against a reference answer.

`quick` decides in the calling process, at bounded cost, nearly always; only what a computer
algebra system might still find out goes on to `__call__`, which runs in a worker under a budget.
No text of a model is ever evaluated as code.
"""

from time import perf_counter

from pydantic import Field

from ..core.errors import DataError
from ..core.records import Outcome, Problem, Verdict
from .base import VERIFIERS
from .conventions import Conventions
from .equality import same_answer
from .extract import NOTHING_FOUND, Extraction, Mode, choice_letter, extract
from .reading import EMPTY, Reading, read, read_reference
from .scalars import Decision

CPU_SECONDS = 5.0
SHOWN = 200


class MathOptions(Conventions):
    """Options of the math verifier: the conventions, and how the answer is found."""

    extraction: Mode = Field(default="strict")
    """`strict`: only an answer marked as final, as training needs; `lenient`: also an answer in
    prose, as evaluation of models that were told nothing needs; `none`: the text is the answer."""


class MathVerifier:
    r"""Judges responses to mathematical questions.

    Args:
        options: fields of `MathOptions` as keywords.

    Raises:
        ValidationError: an option is unknown or has no such value.

    >>> verifier = MathVerifier()
    >>> problem = Problem(id="1", prompt="1/4 + 1/4?", reference="1/2")
    >>> verdict = verifier(r"It is \boxed{0.5}.", problem)
    >>> verdict.outcome.value, verdict.reason
    ('correct', 'equal as rationals 1/2')
    """

    cpu_seconds = CPU_SECONDS
    on_budget = Outcome.UNDECIDED

    def __init__(self, **options: object) -> None:
        self.options = MathOptions.model_validate(options)

    def __call__(self, text: str, problem: Problem) -> Verdict:
        """The verdict, by every step there is; may be slow."""
        started = perf_counter()
        found = self._extract(text, problem.reference)
        decision = self._decide(found, problem.reference)
        if decision is not None and decision.same is None and decision.symbolic:
            decision = self._symbolic(found, problem.reference, decision)
        return self._verdict(found, decision, perf_counter() - started)

    def quick(self, text: str, problem: Problem) -> Verdict | None:
        """The verdict at bounded cost, or None where only the symbolic step could give it."""
        started = perf_counter()
        found = self._extract(text, problem.reference)
        decision = self._decide(found, problem.reference)
        if decision is not None and decision.same is None and decision.symbolic:
            return None
        return self._verdict(found, decision, perf_counter() - started)

    @staticmethod
    def check_reference(reference: str) -> str | None:
        """What is wrong with a reference that could never be matched; None where nothing is."""
        try:
            check_reference(reference)
        except DataError as fault:
            return str(fault)
        return None

    def _extract(self, text: str, reference: str) -> Extraction:
        found = extract(text, self.options.extraction)
        letter = (
            self.options.extraction == "lenient" and len(reference) == 1 and reference.isupper()
        )
        if letter and found.how == NOTHING_FOUND:
            return found._replace(answer=choice_letter(text), how="the option's letter")
        return found

    def _decide(self, found: Extraction, reference: str) -> Decision | None:
        if found.answer is None:
            return None
        right = read_reference(reference)
        first = same_answer(read(found.answer), right, self.options, working=found.working)
        if first.same or found.fallback is None:
            return first
        return same_answer(read(found.fallback), right, self.options, working=True)

    def _symbolic(self, found: Extraction, reference: str, before: Decision) -> Decision:
        from .symbolic import same_symbolically

        text = found.fallback if found.fallback is not None else found.answer
        answer, right = read(text or ""), read_reference(reference)
        if answer.node is None or right.node is None:
            return before
        return same_symbolically(answer.node, right.node) or before

    def _verdict(self, found: Extraction, decision: Decision | None, seconds: float) -> Verdict:
        if decision is None:
            return Verdict(0.0, found.outcome, None, found.how, {}, seconds)
        outcome = {True: Outcome.CORRECT, False: Outcome.WRONG, None: Outcome.UNDECIDED}[
            decision.same
        ]
        evidence = {"found by": found.how}
        if found.fallback is not None:
            evidence["judged"] = found.fallback[:SHOWN]
        return Verdict(
            1.0 if decision.same else 0.0, outcome, found.answer, decision.reason, evidence, seconds
        )


def math_equal(answer: str, reference: str, **conventions: object) -> Verdict:
    r"""Whether a bare answer is the reference.

    Args:
        answer: the answer alone, LaTeX or plain.
        reference: the reference answer.
        conventions: fields of `Conventions`.

    >>> math_equal(r"\frac{2}{4}", "0.5").score
    1.0
    >>> math_equal(r"5\text{ m}", r"5\text{ cm}").outcome.value
    'wrong'
    """
    started = perf_counter()
    rules = Conventions.model_validate(conventions)
    mine, right = read(answer), read_reference(reference)
    decision = same_answer(mine, right, rules)
    if decision.same is None and decision.symbolic and mine.node and right.node:
        from .symbolic import same_symbolically

        decision = same_symbolically(mine.node, right.node) or decision
    outcome = {True: Outcome.CORRECT, False: Outcome.WRONG, None: Outcome.UNDECIDED}[decision.same]
    return Verdict(
        1.0 if decision.same else 0.0,
        outcome,
        answer,
        decision.reason,
        {},
        perf_counter() - started,
    )


def check_reference(reference: str) -> None:
    r"""Refuse a reference answer that nothing could ever equal by design: empty or broken LaTeX.

    Words are a legitimate reference and are compared as words.

    Raises:
        DataError: says what does not parse and what to do.

    >>> check_reference("Paris")
    >>> check_reference(r"\frac{1}{")
    Traceback (most recent call last):
    truing.core.errors.DataError: reference answer '\\frac{1}{' does not parse: ...
    """
    found: Reading = read_reference(reference)
    shown = reference if len(reference) <= SHOWN else reference[:SHOWN] + "..."
    if found.failure == EMPTY:
        raise DataError(
            f"reference answer {shown!r} is empty; give each problem its answer, or leave it out"
        )
    if found.node is None and (found.broken or _unbalanced(found.text)):
        raise DataError(
            f"reference answer {shown!r} does not parse: {found.failure}; mend the LaTeX "
            "(balanced braces, every command with its arguments) or leave the problem out"
        )


def _unbalanced(text: str) -> bool:
    plain = text.replace("\\\\", "").replace("\\{", "").replace("\\}", "")
    return plain.count("{") != plain.count("}")


VERIFIERS.add(
    "math",
    MathVerifier,
    description="Final answer against a reference: numbers, formulas, sets, intervals, text.",
)
