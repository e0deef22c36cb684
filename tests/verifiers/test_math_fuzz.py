"""The math verifier on random and mutated answers: no exception, symmetric, equal to itself.

TRUING_FUZZ=300000 pytest --timeout=0 tests/verifiers/test_math_fuzz.py runs a night's worth.
"""

import json
import os
import random
import threading
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truing.core.records import FAULTS, Outcome, Problem
from truing.verifiers.math_answers import MathVerifier, math_equal

ROWS = (Path(__file__).parent / "cases.jsonl").read_text(encoding="utf-8")
TEXTS = sorted(
    {row[side] for row in map(json.loads, ROWS.splitlines()) for side in ("answer", "reference")}
)
PIECES = [
    *"0123456789", *"xyzabcefi", *"+-*/^_=<>!|%'&:;,.()[]{}$ ", r"\frac", r"\sqrt", r"\{", r"\}",
    r"\le", r"\cup", r"\pm", r"\infty", r"\pi", r"\sin", r"\log", r"\text{", r"\boxed{", r"\left(",
    r"\right)", r"\begin{pmatrix}", r"\end{pmatrix}", r"\\", r"\circ", r"\sum_{k=1}^{n}", r"\int",
    r"\mathrm{cm}", " and ", " or ", "for some", "π", "²", "½", "（", r"\overline", r"\in", "99999",
    r"\binom", r"\lfloor", r"\rfloor", r"\cdots", "\n", "\\", r"\equiv", r"\pmod",
]  # fmt: skip

DEEP = [
    "\\frac" * 500, "\\sqrt" * 500, "\\text{}" * 900 + "1", "\\overline" * 300 + "x", "f'" * 300,
    "\\sin " * 300 + "x", "x^" * 300 + "x", "x_" * 300, "\\boxed" * 200, "|" * 300, "a!" * 500,
    "-" * 900 + "x", "\\begin{pmatrix}" * 100, "\\pm" * 300 + "1", "(" * 200, "\\{" * 200,
    "\\int" * 200, "\\log_" * 200, "1/" * 900 + "2", "a" + "!" * 500, "2^{" * 59 + "2" + "}" * 59,
    "(x+" * 55 + "1" + ")" * 55, "1<" * 300 + "2", "x=" * 300 + "2", "\\cup".join(["(1,2)"] * 300),
]  # fmt: skip

soup = st.lists(st.sampled_from(PIECES), max_size=14).map("".join)
EXAMPLES = int(os.environ.get("TRUING_FUZZ", "2500"))
VERIFIER = MathVerifier(extraction="lenient")


@st.composite
def mutated(draw: st.DrawFn) -> str:
    """A sensible answer with a piece changed, dropped, doubled or put in."""
    text = draw(st.sampled_from(TEXTS))
    for _ in range(draw(st.integers(1, 3))):
        place = draw(st.integers(0, len(text)))
        width = draw(st.integers(0, 3))
        text = text[:place] + draw(st.sampled_from(["", *PIECES])) + text[place + width :]
    return text


def decided(answer: str, reference: str) -> Outcome:
    outcome = math_equal(answer, reference).outcome
    assert outcome not in FAULTS
    return outcome


@settings(max_examples=EXAMPLES, deadline=None)
@given(st.one_of(soup, mutated(), st.text(max_size=30)))
def test_every_text_equals_itself_and_is_judged_the_same_twice(text: str) -> None:
    if text.strip():
        assert decided(text, text) is Outcome.CORRECT
    assert decided(text, "7") is decided(text, "7")


@settings(max_examples=EXAMPLES, deadline=None)
@given(mutated(), st.sampled_from(TEXTS))
def test_no_pair_raises(answer: str, reference: str) -> None:
    decided(answer, reference)
    decided(reference, answer)


@settings(max_examples=500, deadline=None)
@given(st.one_of(soup, mutated(), st.text(max_size=60)))
def test_no_response_raises(text: str) -> None:
    for reference in ("7", "x = 1, y = 2", "A"):
        problem = Problem(id="1", prompt="", reference=reference)
        assert VERIFIER(text, problem).outcome not in FAULTS


@pytest.mark.parametrize("text", DEEP, ids=lambda text: text[:12])
def test_deep_and_long_inputs_are_equal_to_themselves_and_raise_nothing(text: str) -> None:
    assert decided(text, text) is Outcome.CORRECT
    decided(text, "7")
    decided(text, text[::-1])


fractions = st.tuples(st.integers(-200, 200), st.integers(1, 60))


@settings(max_examples=300, deadline=None)
@given(fractions)
def test_spellings_of_a_fraction_agree(value: tuple[int, int]) -> None:
    top, bottom = value
    spellings = [
        f"{top}/{bottom}", rf"\frac{{{top}}}{{{bottom}}}", rf"\dfrac{{{2 * top}}}{{{2 * bottom}}}",
        rf"{top} \div {bottom}", rf"$\boxed{{{top}/{bottom}}}$",
        rf"x = \tfrac{{{top}}}{{{bottom}}}",
        rf"\left( \frac{{{top}}}{{{bottom}}} \right).",
    ]  # fmt: skip
    for answer in spellings:
        for reference in spellings:
            assert decided(answer, reference) is Outcome.CORRECT
            wrong = f"{top + 1}/{bottom}"
            assert decided(wrong, reference) is Outcome.WRONG


@st.composite
def expressions(draw: st.DrawFn) -> str:
    """A random expression in x and y."""
    if draw(st.booleans()):
        return draw(st.sampled_from(["x", "y", "2", "3", r"\pi", r"\sqrt{x}", "7", "x^2"]))
    form = draw(
        st.sampled_from(
            ["({} + {})", "({} - {})", "{} \\cdot {}", "\\frac{{{}}}{{{}}}", "{}^2 + {}"]
        )
    )
    return form.format(draw(expressions()), draw(expressions()))


@settings(max_examples=300, deadline=None)
@given(expressions(), expressions())
def test_equality_of_expressions_is_symmetric(one: str, other: str) -> None:
    assert decided(one, other) is decided(other, one)
    if decided(one, one) is Outcome.CORRECT:
        assert decided(f"{one} + 1", one) is not Outcome.CORRECT
        assert decided(f"1 + ({one}) - 1", one) is not Outcome.WRONG


def test_threads_give_the_verdicts_of_one_thread_in_any_order() -> None:
    pairs = [(row["answer"], row["reference"]) for row in map(json.loads, ROWS.splitlines())]
    alone = {pair: (v.outcome, v.reason) for pair in pairs if (v := math_equal(*pair))}
    differing: list[tuple[str, str]] = []

    def judge(seed: int) -> None:
        shuffled = random.Random(seed).sample(pairs, len(pairs))
        for pair in shuffled:
            verdict = math_equal(*pair)
            if (verdict.outcome, verdict.reason) != alone[pair]:
                differing.append(pair)

    threads = [threading.Thread(target=judge, args=(seed,)) for seed in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not differing
