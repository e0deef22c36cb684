"""Every rule of the math verifier by its rows in cases.jsonl; a bug arrives there as a row."""

import json
from pathlib import Path
from typing import Any

import pytest

from truing.core.records import Outcome
from truing.verifiers.math_answers import math_equal

ROWS = (Path(__file__).parent / "cases.jsonl").read_text(encoding="utf-8")
CASES: list[dict[str, Any]] = [json.loads(line) for line in ROWS.splitlines()]
EXPECTED = {True: Outcome.CORRECT, False: Outcome.WRONG, None: Outcome.UNDECIDED}


@pytest.mark.parametrize(
    "case", CASES, ids=[f"{c['source']}: {c['answer']} for {c['reference']}" for c in CASES]
)
def test_case(case: dict[str, Any]) -> None:
    verdict = math_equal(case["answer"], case["reference"])
    assert verdict.outcome is EXPECTED[case["verdict"]], verdict.reason


@pytest.mark.parametrize(
    "text", sorted({c["reference"] for c in CASES} | {c["answer"] for c in CASES})
)
def test_every_answer_equals_itself(text: str) -> None:
    if text:
        assert math_equal(text, text).outcome is Outcome.CORRECT


def test_tempting_rows_outnumber_right_ones() -> None:
    assert sum(c["verdict"] is False for c in CASES) > sum(c["verdict"] is True for c in CASES)
