"""`truing eval` on a real, small model: the user's verifier, the table, the files, the faults."""

import json
from pathlib import Path

import pytest

from truing.cli import run
from truing.core.errors import USER_FAULT
from truing.core.records import Outcome, Problem

VERIFIER = """
from truing.verifiers import verifier

@verifier
def short(text, problem):
    return len(text) < 6

@verifier
def broken(text, problem):
    return {}[problem.id]

@verifier
def sometimes(text, problem):
    if problem.reference == "0":
        raise RuntimeError("no reference")
    return True
"""


@pytest.fixture(scope="module")
def model(tmp_path_factory: pytest.TempPathFactory) -> Path:
    from truing.grpo.policy import Policy, PolicyConfig
    from truing.grpo.tiny import TinyModelConfig

    folder = tmp_path_factory.mktemp("eval") / "model"
    sizes = TinyModelConfig(hidden_size=16, layers=1, heads=2, feedforward_size=16, context=64)
    Policy.load(PolicyConfig(build=sizes, device="cpu")).save(folder)
    return folder


@pytest.fixture
def files(tmp_path: Path) -> tuple[Path, Path]:
    rows = [{"question": f"{n}+1=", "answer": n} for n in range(6)]
    data, verifier = tmp_path / "set.jsonl", tmp_path / "mine.py"
    data.write_text("".join(json.dumps(row) + "\n" for row in rows))
    verifier.write_text(VERIFIER)
    return data, verifier


def words(model: Path, data: Path, verifier: str, *more: str) -> list[str]:
    given = ["eval", "--model", str(model), "--data", str(data), "--verifier", verifier]
    return [*given, "--max-new-tokens", "12", "model.device=cpu", *more]


def test_a_users_verifier_grades_every_sample(
    model: Path, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, verifier = files
    output = tmp_path / "deep" / "graded.jsonl"
    command = words(model, data, f"{verifier}:short", "--samples", "4", "--output", str(output))
    settings = ["verification.judge_truncated=true", "top_k=30"]
    assert run([*command, *settings, "--json"]) == 0
    printed = capsys.readouterr()
    figures = json.loads(printed.out)
    lines = [json.loads(line) for line in output.read_text().splitlines()]
    assert len(lines) == 24 == sum(figures["outcomes"].values())
    assert sum(line["verdict"]["score"] for line in lines) / 24 == pytest.approx(
        figures["accuracy"]
    )
    assert figures["low"] <= figures["accuracy"] <= figures["high"]
    assert set(figures["pass_at"]) == {"2", "4"}
    assert figures["sampling"]["temperature"] == 1.0
    assert figures["sampling"]["top_k"] == 30
    assert len(figures["data_sha256"]) == 64
    assert "graded 24 of 24" in printed.err
    assert all(Problem.from_json(line["problem"]) for line in lines)
    assert "logprobs" not in lines[0]["completion"]


def test_the_table_shows_accuracy_its_interval_and_every_outcome(
    model: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, verifier = files
    assert run(words(model, data, f"{verifier}:short", "--limit", "4")) == 0
    out = capsys.readouterr().out
    assert "95% interval" in out
    assert "temperature 0" in out
    assert any(outcome.value in out for outcome in Outcome)
    assert "tokens/s" in out


def test_faults_are_shown_and_no_part_of_the_accuracy(
    model: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    data, verifier = files
    settings = ["verification.judge_truncated=true", "verification.max_fault_share=0.5"]
    assert run(words(model, data, f"{verifier}:sometimes", *settings, "--json")) == 0
    figures = json.loads(capsys.readouterr().out)
    assert (figures["accuracy"], figures["graded"], figures["faults"]) == (1.0, 5, 1)


def test_a_broken_verifier_stops_it_and_what_was_graded_is_kept(
    model: Path, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, verifier = files
    output = tmp_path / "graded.jsonl"
    command = words(model, data, f"{verifier}:broken", "--output", str(output))
    assert run([*command, "verification.judge_truncated=true"]) == USER_FAULT
    printed = capsys.readouterr()
    assert "judgements failed in the verifier itself; at most 10% may" in printed.err
    assert "KeyError" in printed.err
    assert "Traceback" not in printed.err
    kept = [json.loads(line) for line in output.read_text().splitlines()]
    assert kept[0]["verdict"]["outcome"] == "verifier_error"
    assert "KeyError" in kept[0]["verdict"]["evidence"]["traceback"]


def test_an_existing_output_is_never_overwritten(
    model: Path, files: tuple[Path, Path], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, verifier = files
    output = tmp_path / "graded.jsonl"
    output.write_text("mine\n")
    command = words(model, data, f"{verifier}:short", "--output", str(output))
    assert run(command) == USER_FAULT
    assert "exists; give --output another name" in capsys.readouterr().err
    assert output.read_text() == "mine\n"


def test_a_run_that_graded_nothing_leaves_no_file(
    model: Path, files: tuple[Path, Path], tmp_path: Path
) -> None:
    data, verifier = files
    output = tmp_path / "graded.jsonl"
    command = words(model, data, f"{verifier}:short", "--output", str(output))
    assert run([*command, "max_new_tokens=64"]) == USER_FAULT
    assert not output.exists()


def test_generated_and_held_out_problems_need_no_file(
    model: Path, files: tuple[Path, Path], capsys: pytest.CaptureFixture[str]
) -> None:
    _, verifier = files
    command = ["eval", "--model", str(model), "--verifier", f"{verifier}:short"]
    settings = ["data.generator=arithmetic", "data.limit=5", "data.holdout=3", "model.device=cpu"]
    assert run([*command, *settings, "--max-new-tokens", "4", "--json"]) == 0
    figures = json.loads(capsys.readouterr().out)
    assert figures["problems"] == 3
    assert figures["data"] == "generator arithmetic"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (["data.path=none.jsonl"], "no data at none.jsonl"),
        (["data.columns.prompt=questoin"], "Did you mean 'question'?"),
        (["--samples", "2", "--temperature", "0"], "all samples of a problem are the same"),
        (["model.path=./none"], "model.path is './none', which does not exist"),
        (["verifier=mathh"], "no verifier is named 'mathh'"),
        (["verifier=none.py:f"], "there is no file"),
        (["samplers=2"], "did you mean samples?"),
        (["max_new_tokens=64"], "longer than the context allows"),
        (["--samples", "0"], "samples: Input should be greater than or equal to 1"),
    ],
)
def test_each_fault_of_the_user_is_a_message(
    more: list[str],
    expected: str,
    model: Path,
    files: tuple[Path, Path],
    capsys: pytest.CaptureFixture[str],
) -> None:
    data, verifier = files
    assert run(words(model, data, f"{verifier}:short", *more)) == USER_FAULT
    printed = capsys.readouterr()
    assert expected in printed.err
    assert "Traceback" not in printed.err
    assert printed.out == ""
