"""Extraction: the decision table of extract.py, row by row, strict and lenient."""

import pytest

from truing.core.records import Outcome
from truing.verifiers.extract import Extraction, choice_letter, extract


def found(text: str, mode: str = "strict") -> Extraction:
    return extract(text, "lenient" if mode == "lenient" else "strict")


@pytest.mark.parametrize("mode", ["strict", "lenient"])
@pytest.mark.parametrize(
    ("text", "answer"),
    [
        (r"so \boxed{\frac{1}{2}}.", r"\frac{1}{2}"),
        (r"so \boxed{\{1, {2}\}}", r"\{1, {2}\}"),
        (r"so \fbox{42}", "42"),
        (r"\boxed 7", "7"),
        ("work\n#### 1,234", "1,234"),
        ("The final answer is 12.", "12"),
        ("**Final Answer**: $x^2$", "x^2"),
        ("Final Answer: The final answer is $(0, 1)$. I hope it is correct.", "(0, 1)"),
        ("The final answer is 7.78. Done.", "7.78"),
        ("**Final Answer**\n\n7", "7"),
        ("<answer>42</answer>", "42"),
        (r"<answer>it is \boxed{42}</answer>", "42"),
        (r"<think>\boxed{41}</think> \boxed{42}", "42"),
        (r"thinking without a start </think> \boxed{42}", "42"),
        (r"\boxed{1} and \boxed{2}", "1, 2"),
        (r"\boxed{1}, \boxed{2}, \boxed{3}", "1, 2, 3"),
        (r"\(\boxed{(2, 2)}\) \quad \text{and} \quad \(\boxed{(6, 2)}\)", "(2, 2), (6, 2)"),
        (r"\boxed{20} percent", "20%"),
        (r"\boxed{7} is right. So: \boxed{7}", "7"),
    ],
)
def test_a_marked_answer_is_found(text: str, answer: str, mode: str) -> None:
    assert found(text, mode).answer in (answer, f"${answer}$")


@pytest.mark.parametrize("mode", ["strict", "lenient"])
@pytest.mark.parametrize(
    ("text", "outcome"),
    [
        (r"<think> it is \boxed{42}", Outcome.TRUNCATED),
        (r"<think> a </think> <think> \boxed{42}", Outcome.TRUNCATED),
        (r"\boxed{42", Outcome.TRUNCATED),
        (r"\boxed{41} no, \boxed{42", Outcome.TRUNCATED),
        (r"\boxed{\frac{1}{2}", Outcome.TRUNCATED),
        (r"\boxed{}", Outcome.NO_ANSWER),
        (r"\boxed{ }", Outcome.NO_ANSWER),
        (r"\boxed", Outcome.NO_ANSWER),
        ("The answer is not 7.", Outcome.NO_ANSWER),
        ("The final answer isn't 7.", Outcome.NO_ANSWER),
        ("The final answer:", Outcome.NO_ANSWER),
        ("I cannot say.", Outcome.NO_ANSWER),
        ("", Outcome.NO_ANSWER),
    ],
)
def test_no_answer_is_none(text: str, outcome: Outcome, mode: str) -> None:
    verdict = found(text, mode)
    assert (verdict.answer, verdict.outcome) == (None, outcome)


@pytest.mark.parametrize(
    "text",
    [
        r"\boxed{41} is what I first had. Corrected: \boxed{42}",
        "#### 41\nno\n#### 42",
        "\\boxed{41} ...\n#### 42",
        r"\boxed{41}. The final answer is 42.",
        "<answer>41</answer> <answer>42</answer>",
    ],
)
def test_several_answers_are_wrong_in_training_and_the_last_counts_in_evaluation(text: str) -> None:
    strict = found(text)
    assert (strict.answer, strict.outcome) == (None, Outcome.WRONG)
    assert found(text, "lenient").answer == "42"


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("The answer is 12", "12"),
        ("First 5, then 7, so there are 12 of them.", "12"),
        ("Thus, the number is **73**.", "73"),
        ("Therefore $x \\geq 5$ is the solution.", "x \\geq 5"),
        ("The probability is one half.", "one half"),
        ("x^2 + 1", "x^2 + 1"),
        ("it costs 2,74 $ a piece", "2.74"),
        ("it costs 1,234 a piece", "1,234"),
        ("3x+4y=0 is the line", "3x+4y=0"),
        ("一共有**858颗**糖果。", "858"),
        ("A: -5", "-5"),
    ],
)
def test_only_lenient_reads_prose(text: str, answer: str) -> None:
    assert found(text).answer is None
    lenient = found(text, "lenient")
    assert (lenient.fallback or lenient.answer) == answer


def test_code_and_quotations_are_no_answers() -> None:
    assert found('import os; os.system("echo 7")', "lenient").answer is None
    assert found("see AZYUK2A", "lenient").answer is None


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("A. Because B is not valid", "A"),
        ("Because B is valid", "B"),
        ("B or C", None),
        ("no", None),
    ],
)
def test_an_option_letter(text: str, letter: str | None) -> None:
    assert choice_letter(text) == letter


@pytest.mark.parametrize(
    "text", ["$" * 50_000, r"\boxed{" * 3_000, "answer is " * 20_000, "7" * 200_000, "1," * 100_000]
)
def test_long_junk_is_read_at_bounded_cost(text: str) -> None:
    assert extract(text, "lenient") == extract(text, "lenient")


@pytest.mark.parametrize(
    "text",
    [r"\boxed{4} is wrong", r"\boxed{4}. Wait, that's wrong. It's 5.", r"<thinking>\boxed{4}"],
)
def test_a_box_taken_back_or_still_in_thought_is_no_answer(text: str) -> None:
    assert extract(text, "strict").answer is None
