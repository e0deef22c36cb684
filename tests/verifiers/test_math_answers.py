"""The math verifier as users meet it: verdicts, reasons, options, references checked at load."""

import subprocess
import sys

import pytest
from pydantic import ValidationError

from truing.core.errors import DataError
from truing.core.records import Outcome, Problem
from truing.verifiers.base import VERIFIERS
from truing.verifiers.math_answers import MathVerifier, check_reference, math_equal


def problem(reference: str) -> Problem:
    return Problem(id="1", prompt="?", reference=reference)


@pytest.mark.parametrize(
    ("answer", "reference", "reason"),
    [
        ("0.5", "1/2", "equal as rationals 1/2"),
        ("3", "4", "3 is not 4"),
        (r"\sin^2 x + \cos^2 x", "1", "sampled at 12 points, all agree"),
        ("x^2", "x^3", "sampled, differ at x = "),
        ("9^{9^{9^9}}", "1", "undecided: a power too large"),
        (r"\{1, 2\}", "2, 1", "the same 2 rationals"),
    ],
)
def test_a_verdict_says_what_it_rests_on(answer: str, reference: str, reason: str) -> None:
    assert math_equal(answer, reference).reason.startswith(reason)


def test_strict_needs_a_marked_answer_and_lenient_does_not() -> None:
    text = "Adding them gives 12."
    assert MathVerifier()(text, problem("12")).outcome is Outcome.NO_ANSWER
    assert MathVerifier(extraction="lenient")(text, problem("12")).outcome is Outcome.CORRECT


def test_an_option_that_does_not_exist_is_refused() -> None:
    with pytest.raises(ValidationError, match="tolerence"):
        MathVerifier(tolerence=0.1)


def test_a_computer_algebra_system_is_asked_last_and_only_outside_of_quick() -> None:
    verifier, integral = MathVerifier(), problem(r"\int_0^1 x^2 dx")
    assert verifier.quick(r"\boxed{1/3}", integral) is None
    verdict = verifier(r"\boxed{1/3}", integral)
    assert (verdict.outcome, verdict.reason) == (Outcome.CORRECT, "sympy proved equal")
    assert verifier(r"\boxed{1/4}", integral).outcome is Outcome.WRONG


@pytest.mark.parametrize(
    "reference", ["Paris", "yes", r"\frac{1}{2}", "no solution", r"\text{odd}"]
)
def test_references_that_can_be_judged_pass(reference: str) -> None:
    check_reference(reference)


@pytest.mark.parametrize(
    "reference", [r"\frac{1}{", r"\frac{1}", "{1", r"\begin{pmatrix} 1", "", "  "]
)
def test_a_broken_reference_is_refused_with_what_to_do(reference: str) -> None:
    with pytest.raises(DataError, match=r"reference answer .* (does not parse|is empty)") as fault:
        check_reference(reference)
    assert "leave" in str(fault.value)


def test_it_is_registered_and_its_import_stays_light() -> None:
    assert isinstance(VERIFIERS["math"](), MathVerifier)
    code = (
        "import sys, truing.verifiers as v; v.MathVerifier().quick('\\\\boxed{1/2}', "
        "v.Problem(id='1', prompt='', reference='0.5'));"
        "sys.exit(bool({'torch', 'numpy', 'sympy', 'mpmath'} & {*sys.modules}))"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0
