"""A user's function as a verifier: every answer that it can give becomes an honest verdict."""

import math
from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from truing.core.errors import ConfigError, DuplicateName
from truing.core.records import Outcome, Problem, Verdict
from truing.verifiers import VERIFIERS, FunctionVerifier, Verifier, verifier

PROBLEM = Problem(id="1", prompt="2 + 2?", reference="4")


def judged(answer: object) -> Verdict:
    return FunctionVerifier(lambda text, problem: answer, name="mine")("4", PROBLEM)


@pytest.mark.parametrize(
    ("answer", "score", "outcome"),
    [
        (True, 1.0, Outcome.CORRECT),
        (1, 1.0, Outcome.CORRECT),
        (1.0, 1.0, Outcome.CORRECT),
        (False, 0.0, Outcome.WRONG),
        (0, 0.0, Outcome.WRONG),
        (-0.0, 0.0, Outcome.WRONG),
        (0.25, 0.25, Outcome.PARTIAL),
        (np.bool_(True), 1.0, Outcome.CORRECT),
        (np.float32(0.5), 0.5, Outcome.PARTIAL),
        (np.int64(0), 0.0, Outcome.WRONG),
        (torch.tensor(True), 1.0, Outcome.CORRECT),
        (torch.tensor(0.5), 0.5, Outcome.PARTIAL),
    ],
)
def test_a_truth_value_or_a_number_is_a_score(answer, score, outcome) -> None:
    verdict = judged(answer)
    assert (verdict.score, verdict.outcome) == (score, outcome)
    assert type(verdict.score) is float


@pytest.mark.parametrize(
    ("answer", "said"),
    [
        (None, "is a `return` missing"),
        ("yes", "returned 'yes' (str)"),
        ("1.0", "return True or False"),
        ([1.0], "(list)"),
        ((True, "reason"), "(tuple)"),
        ({}, "(dict)"),
        (1 + 0j, "(complex)"),
        (Fraction(1, 2), "(Fraction)"),
        (2, "must lie in [0, 1]"),
        (-1, "must lie in [0, 1]"),
        (1.0000001, "must lie in [0, 1]"),
        (math.nan, "must lie in [0, 1]"),
        (math.inf, "must lie in [0, 1]"),
        (np.float64("nan"), "must lie in [0, 1]"),
        (np.array([True, False]), "(ndarray)"),
        (torch.zeros(2), "(Tensor)"),
        ("x" * 1000, "..."),
    ],
)
def test_anything_else_is_the_verifiers_fault_and_never_a_reward(answer, said: str) -> None:
    verdict = judged(answer)
    assert verdict.outcome is Outcome.VERIFIER_ERROR
    assert verdict.reward is None
    assert said in verdict.reason
    assert verdict.reason.startswith("verifier 'mine' returned")
    assert len(verdict.reason) < 250


@settings(deadline=None)
@given(st.floats() | st.integers())
def test_a_number_is_its_own_score_inside_0_to_1_and_a_fault_outside(number) -> None:
    verdict = judged(number)
    assert verdict.reward == (float(number) if 0 <= number <= 1 else None)


async def later(text: str, problem: Problem) -> bool:
    return True


def test_a_coroutine_is_a_fault_that_says_so() -> None:
    verdict = FunctionVerifier(later)("4", PROBLEM)
    assert verdict.outcome is Outcome.VERIFIER_ERROR
    assert "not `async def`" in verdict.reason


def test_a_verdict_stands_as_it_is() -> None:
    verdict = judged(Verdict.wrong("5", "not 4", tried=[1, 2]))
    assert (verdict.outcome, verdict.extracted, verdict.reason) == (Outcome.WRONG, "5", "not 4")
    assert verdict.evidence == {"tried": [1, 2]}


def test_a_verdicts_outcome_may_be_its_word() -> None:
    assert judged(Verdict(0.5, "partial")).outcome is Outcome.PARTIAL  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "answer",
    [
        Verdict.wrong(extracted=5),  # type: ignore[arg-type]
        Verdict.wrong("5", evidence_of_a_kind=object()),
        Verdict(0.5, "halfway") if False else Verdict.wrong(reason=3),  # type: ignore[arg-type]
    ],
)
def test_a_malformed_verdict_is_a_fault(answer: Verdict) -> None:
    assert judged(answer).outcome is Outcome.VERIFIER_ERROR


@pytest.mark.parametrize("fault", [ValueError("odd"), SystemExit(3), RecursionError("deep")])
def test_an_exception_is_a_fault_with_the_users_traceback(fault: BaseException) -> None:
    def broken(text: str, problem: Problem) -> bool:
        raise fault

    verdict = FunctionVerifier(broken)("4", PROBLEM)
    assert verdict.outcome is Outcome.VERIFIER_ERROR
    assert verdict.reward is None
    assert type(fault).__name__ in verdict.reason
    assert "in broken" in verdict.evidence["traceback"]
    assert "in __call__" not in verdict.evidence["traceback"]  # our own frames say nothing
    assert verdict.evidence["exception"] == type(fault).__name__


def test_ctrl_c_is_not_the_verifiers_fault() -> None:
    def interrupted(text: str, problem: Problem) -> bool:
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        FunctionVerifier(interrupted)("4", PROBLEM)


def test_a_long_traceback_keeps_its_end() -> None:
    def endless(text: str, problem: Problem) -> bool:
        return endless(text + "x", problem) if len(text) < 500 else 1 / 0

    def chained(text: str, problem: Problem) -> bool:
        raise ValueError("y" * 10_000 + "the end")

    assert "ZeroDivisionError" in FunctionVerifier(endless)("", PROBLEM).evidence["traceback"]
    verdict = FunctionVerifier(chained)("", PROBLEM)
    assert len(verdict.evidence["traceback"]) < 4100
    assert verdict.evidence["traceback"].endswith("the end\n")
    assert len(verdict.reason) <= 500


def test_keyword_parameters_are_options() -> None:
    def close(text: str, problem: Problem, *, tolerance: float = 0.0) -> bool:
        return abs(float(text) - float(problem.reference)) <= tolerance

    assert FunctionVerifier(close)("4.5", PROBLEM).score == 0
    assert FunctionVerifier(close, options={"tolerance": 0.5})("4.5", PROBLEM).score == 1
    with pytest.raises(ConfigError, match="unexpected keyword argument 'tolerence'"):
        FunctionVerifier(close, options={"tolerence": 0.5})


@pytest.mark.parametrize("function", [lambda: True, lambda text: True, lambda a, b, c: True])
def test_a_function_of_the_wrong_shape_is_refused_when_it_is_wrapped(function) -> None:
    with pytest.raises(ConfigError, match=r"cannot be called as .*\(text, problem\)"):
        FunctionVerifier(function)


@pytest.fixture
def registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VERIFIERS, "_entries", dict(VERIFIERS._entries))


@pytest.mark.usefixtures("registry")
def test_the_decorator_registers_and_leaves_the_function_callable() -> None:
    @verifier
    def polite(text: str, problem: Problem) -> bool:
        """Whether the completion says please."""
        return "please" in text

    assert polite("please", PROBLEM) is True
    made = VERIFIERS["polite"]()
    assert isinstance(made, Verifier)
    assert made("please", PROBLEM).outcome is Outcome.CORRECT
    entry = VERIFIERS.entry("polite")
    assert entry.description == "Whether the completion says please."
    assert "test_base_function.py:" in entry.source


@pytest.mark.usefixtures("registry")
def test_the_decorator_takes_a_name_and_a_budget() -> None:
    @verifier(name="kind", cpu_seconds=0.5)
    def polite(text: str, problem: Problem) -> bool:
        return True

    made = VERIFIERS["kind"]()
    assert (made.cpu_seconds, made.on_budget) == (0.5, Outcome.VERIFIER_ERROR)
    assert "polite" not in VERIFIERS


@pytest.mark.usefixtures("registry")
def test_two_functions_of_one_name_are_refused_and_a_redefinition_is_not() -> None:
    def define() -> None:
        @verifier(name="twice")
        def again(text: str, problem: Problem) -> bool:
            return True

    define()
    define()  # as a notebook's cell that runs again

    with pytest.raises(DuplicateName, match="'twice' is registered twice"):

        @verifier(name="twice")
        def other(text: str, problem: Problem) -> bool:
            return True


@pytest.mark.parametrize("seconds", [0, -1, math.nan])
@pytest.mark.usefixtures("registry")
def test_a_budget_must_be_above_zero(seconds: float) -> None:
    with pytest.raises(ConfigError, match="cpu_seconds"):

        @verifier(name="instant", cpu_seconds=seconds)
        def instant(text: str, problem: Problem) -> bool:
            return True

    assert "instant" not in VERIFIERS
