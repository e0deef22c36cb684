"""`truing verify` on one completion, with a verifier of the user's own."""

import io
import json
from pathlib import Path

import pytest

from truing.cli import run

MINE = """
from truing.verifiers import Verdict, verifier

@verifier
def exact(text, problem):
    return text == problem.reference

def explained(text, problem, *, least=0):
    print("looking at it")
    return Verdict(0.5, "partial", text[:3], f"at least {least}")

def raises(text, problem):
    raise ValueError("cannot read it")
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return str(path)


def test_a_verdict_is_one_line_and_the_exit_code_is_0(mine: str, capsys) -> None:
    for text, said in (("4", "correct  score 1\n"), ("5", "wrong  score 0\n")):
        assert run(["verify", "--verifier", f"{mine}:exact", "--reference", "4", text]) == 0
        captured = capsys.readouterr()
        assert (captured.out, captured.err) == (said, "")


def test_reason_answer_options_and_what_is_printed(mine: str, capsys) -> None:
    words = ["verify", "-v", f"{mine}:explained", "-r", "", "-o", "least=3", "four"]
    assert run(words) == 0
    captured = capsys.readouterr()
    assert captured.out == "partial  score 0.5  answer fou  at least 3\n"
    assert captured.err == "looking at it\n"


def test_json_is_the_whole_verdict(mine: str, capsys) -> None:
    assert run(["verify", "-v", f"{mine}:explained", "-r", "4", "--json", "four"]) == 0
    verdict = json.loads(capsys.readouterr().out)
    assert verdict.pop("seconds") > 0
    assert verdict == {
        "score": 0.5,
        "outcome": "partial",
        "extracted": "fou",
        "reason": "at least 0",
        "evidence": {},
    }


def test_a_fault_of_the_verifier_is_no_reward_and_shows_its_traceback(mine: str, capsys) -> None:
    assert run(["verify", "-v", f"{mine}:raises", "-r", "4", "4"]) == 0
    captured = capsys.readouterr()
    assert captured.out.startswith("verifier_error  no score  verifier 'raises' raised ValueError")
    assert "in raises" in captured.err


def test_a_completion_may_come_from_standard_input_or_begin_with_a_dash(
    mine: str, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("-4"))
    assert run(["verify", "-v", f"{mine}:exact", "-r", "-4", "-"]) == 0
    assert run(["verify", "-v", f"{mine}:exact", "-r", "-4", "--", "-4"]) == 0
    assert capsys.readouterr().out == "correct  score 1\n" * 2


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["-v", "{mine}:exakt", "-r", "4", "4"], "did you mean 'exact'?"),
        (["-v", "{mine}:explained", "-o", "leest=3", "-r", "4", "4"], "leest"),
        (["-v", "{mine}:exact", "-o", "least", "-r", "4", "4"], "'least' is not of the form"),
        (["-v", "gone.py:exact", "-r", "4", "4"], "there is no file"),
        (["-v", "soduku", "-r", "4", "4"], "no verifier is named 'soduku'"),
        (["-r", "4", "4"], "which verifier? pass --verifier math"),
        (["-v", "{mine}:exact", "-r", "4", "4", "--output", "x"], "--output is for a file"),
        (["-v", "{mine}:exact", "records.jsonl"], "there is no file records.jsonl"),
    ],
)
def test_what_the_user_can_mend_is_exit_code_2(mine: str, capsys, words, said: str) -> None:
    assert run(["verify", *(word.format(mine=mine) for word in words)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert captured.err.startswith("truing: error: ")
    assert "Traceback" not in captured.err
