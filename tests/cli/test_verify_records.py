"""`truing verify` on a file of records: parallel, in order, resumable, exact about bad lines."""

import gzip
import io
import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from truing.cli import run
from truing.core.records import Completion, FinishReason, Problem, Rollout, Verdict
from truing.verifiers import VERIFIERS

MINE = """
import os, time
from pathlib import Path

def exact(text, problem):
    return text == problem.reference

def logged(text, problem):
    "Leaves a mark for each judgement, so that a second one of the same record shows."
    with open(os.environ["JUDGEMENTS"], "a") as file:
        file.write(problem.id + "\\n")
    time.sleep(0.002)
    return text == problem.reference

def fragile(text, problem):
    return 1 / 0 if text == "7" else True
"""


@pytest.fixture
def mine(tmp_path: Path) -> str:
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return str(path)


def write(path: Path, records: list[Any]) -> Path:
    path.write_text("".join(json.dumps(record) + "\n" for record in records))
    return path


def records(count: int) -> list[dict[str, Any]]:
    return [{"id": f"p{i}", "completion": str(i % 5), "reference": "3"} for i in range(count)]


def results(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


def judge(capsys, *words: object) -> tuple[int, list[dict[str, Any]], str]:
    code = run(["verify", *map(str, words)])
    captured = capsys.readouterr()
    return code, [json.loads(line) for line in captured.out.splitlines()], captured.err


def test_records_are_judged_in_order_with_a_summary(mine: str, tmp_path: Path, capsys) -> None:
    source = write(tmp_path / "in.jsonl", records(300))
    code, lines, said = judge(capsys, "-v", f"{mine}:exact", source, "--workers", "2")
    assert code == 0
    assert [line["id"] for line in lines] == [f"p{i}" for i in range(300)]
    assert [line["line"] for line in lines] == list(range(1, 301))
    assert [line["score"] for line in lines] == [float(i % 5 == 3) for i in range(300)]
    assert "300 records" in said
    assert "mean score 0.2000 over 300 records" in said
    assert all(word in said for word in ("correct", "20.0%", "wrong", "80.0%"))


def test_a_fault_is_counted_apart_and_the_rest_goes_on(mine: str, tmp_path: Path, capsys) -> None:
    source = write(tmp_path / "in.jsonl", [{"text": str(i)} for i in range(10)])
    code, lines, said = judge(capsys, "-v", f"{mine}:fragile", source)
    assert code == 0
    assert [line["outcome"] for line in lines].count("verifier_error") == 1
    assert "ZeroDivisionError" in lines[7]["evidence"]["traceback"]
    assert "mean score 1.0000 over 9 records without faults" in said


@pytest.mark.parametrize("suffix", [".jsonl", ".jsonl.gz", "-"])
def test_input_may_be_plain_compressed_or_standard_input(
    mine: str, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch, suffix: str
) -> None:
    text = "".join(json.dumps(record) + "\n\n" for record in records(5)).encode()
    path = tmp_path / f"in{suffix}"
    if suffix == "-":
        monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(text)))
    else:
        path.write_bytes(gzip.compress(text) if suffix.endswith("gz") else text)
    code, lines, _ = judge(capsys, "-v", f"{mine}:exact", "-" if suffix == "-" else path)
    assert (code, len(lines)) == (0, 5)
    assert [line["line"] for line in lines] == [1, 3, 5, 7, 9]  # as an editor counts them


def test_the_rollouts_of_a_run_are_records(mine: str, tmp_path: Path, capsys) -> None:
    problem = Problem(id="q", prompt="1 + 2?", reference="3", verifier=f"{mine}:exact")
    done = Rollout(1, 0, 0, problem, Completion("3"), Verdict.correct())
    cut = Completion("3", (1, 2), finish_reason=FinishReason.LENGTH)
    lines = [{"stage": "grpo", **done.to_json()}]
    lines += [{**Rollout(1, 0, 1, problem, cut, Verdict.correct()).to_json()}]
    lines += [lines[0]]
    code, judged, _ = judge(capsys, write(tmp_path / "rollouts.jsonl", lines))
    assert code == 0
    assert [line["outcome"] for line in judged] == ["correct", "truncated", "correct"]
    assert "cut off (length)" in judged[1]["reason"]


def test_numbers_are_references_and_responses_are_completions(
    mine: str, tmp_path: Path, capsys
) -> None:
    given = [{"response": "3", "answer": 3}, {"response": "0.5", "reference": 0.5}]
    _, lines, _ = judge(capsys, "-v", f"{mine}:exact", write(tmp_path / "in.jsonl", given))
    assert [line["score"] for line in lines] == [1, 1]
    assert [line["id"] for line in lines] == ["1", "2"]


@pytest.mark.parametrize(
    ("bad", "said"),
    [
        ("{torn", "line 3: not JSON"),
        ("[1]", "line 3: a JSON object is needed, this is a list"),
        ('{"complection": "3"}', "line 3: no completion; give it as 'completion' or 'response'"),
        ('{"completion": 3}', "line 3: completion must be a string, this is a int"),
        ('{"completion": "3", "reference": ["3"]}', "line 3: reference must be a string"),
        ('{"completion": "3", "problem": {"id": "1"}}', "line 3: not a Problem: prompt"),
        ('{"completion": {"text": "3", "x": 1}}', "line 3: not a Completion: x: unknown key"),
        ('{"completion": "3", "problem": 5}', "line 3: problem must be a string or an object"),
        ("[" * 100_000, "line 3: not JSON"),
    ],
)
def test_a_bad_line_is_named_and_the_verdicts_before_it_stand(
    mine: str, tmp_path: Path, capsys, bad: str, said: str
) -> None:
    source = write(tmp_path / "in.jsonl", records(2))
    source.write_text(source.read_text() + bad + "\n" + json.dumps(records(1)[0]) + "\n")
    output = tmp_path / "out.jsonl"
    code, _, stderr = judge(capsys, "-v", f"{mine}:exact", source, "--output", output)
    assert code == 2
    assert said in stderr
    assert "Traceback" not in stderr
    assert [line["id"] for line in results(output)] == ["p0", "p1"]


def test_a_mended_line_is_where_the_same_command_goes_on(mine: str, tmp_path, capsys) -> None:
    source, output = tmp_path / "in.jsonl", tmp_path / "out.jsonl"
    lines = [json.dumps(record) + "\n" for record in records(5)]
    source.write_text("".join([*lines[:3], "oops\n", *lines[4:]]))
    assert judge(capsys, "-v", f"{mine}:exact", source, "--output", output)[0] == 2
    source.write_text("".join(lines))
    assert judge(capsys, "-v", f"{mine}:exact", source, "--output", output)[0] == 0
    assert [line["id"] for line in results(output)] == [f"p{i}" for i in range(5)]


def test_a_record_without_a_verifier_is_named(tmp_path: Path, capsys) -> None:
    code, _, said = judge(capsys, write(tmp_path / "in.jsonl", [{"completion": "3"}]))
    assert code == 2
    assert "line 1: it names no verifier; add one, or pass --verifier" in said


def test_a_reference_that_the_verifier_cannot_use_is_named(
    tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Whole:
        @staticmethod
        def check_reference(reference: str) -> str | None:
            return None if reference.isdigit() else "not a whole number"

    monkeypatch.setattr(VERIFIERS, "_entries", dict(VERIFIERS._entries))
    VERIFIERS.add("whole", Whole)  # type: ignore[arg-type]
    source = write(tmp_path / "in.jsonl", [{"completion": "3", "reference": "3.5"}])
    code, _, said = judge(capsys, "-v", "whole", source)
    assert code == 2
    assert "line 1: verifier 'whole' cannot use the reference '3.5': not a whole number" in said
    assert judge(capsys, "-v", "whole", "-r", "3.5", "3")[0] == 2


def test_half_a_surrogate_pair_goes_through(mine: str, tmp_path: Path, capsys) -> None:
    source = tmp_path / "in.jsonl"
    source.write_text('{"completion": "\\ud800", "reference": "\\ud800", "id": "\\udfff"}\n')
    output = tmp_path / "out.jsonl"
    assert judge(capsys, "-v", f"{mine}:exact", source, "--output", output)[0] == 0
    assert results(output)[0]["score"] == 1
    code, lines, _ = judge(capsys, "-v", f"{mine}:exact", source)
    assert (code, lines[0]["id"]) == (0, "\udfff")


def test_a_finished_file_is_not_judged_again(
    mine: str, tmp_path: Path, capsys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUDGEMENTS", str(tmp_path / "judgements"))
    source, output = write(tmp_path / "in.jsonl", records(20)), tmp_path / "out.jsonl"
    for _ in range(2):
        code, _, said = judge(capsys, "-v", f"{mine}:logged", source, "--output", output)
        assert code == 0
    assert "20 were there from before" in said
    assert len((tmp_path / "judgements").read_text().split()) == 20
    assert len(results(output)) == 20


def test_more_records_are_added_to_a_finished_file(mine: str, tmp_path: Path, capsys) -> None:
    source, output = write(tmp_path / "in.jsonl", records(3)), tmp_path / "out.jsonl"
    assert judge(capsys, "-v", f"{mine}:exact", source, "--output", output)[0] == 0
    write(source, records(5))
    assert judge(capsys, "-v", f"{mine}:exact", source, "--output", output)[0] == 0
    assert [line["id"] for line in results(output)] == [f"p{i}" for i in range(5)]


@pytest.mark.parametrize("change", ["verifier", "its file", "options", "record", "fewer records"])
def test_another_input_or_verifier_does_not_continue_a_file(
    mine: str, tmp_path: Path, capsys, change: str
) -> None:
    source, output = write(tmp_path / "in.jsonl", records(5)), tmp_path / "out.jsonl"
    spec, options = f"{mine}:exact", []
    assert judge(capsys, "-v", spec, source, "--output", output)[0] == 0
    before = output.read_bytes()
    if change == "verifier":
        spec = f"{mine}:fragile"
    elif change == "its file":
        Path(mine).write_text(MINE + "\n# edited\n")
    elif change == "options":
        options = ["--option", "x=1"]
    else:
        write(source, [*records(2), *([{"completion": "x"}] if change == "record" else [])])
    code, _, said = judge(capsys, "-v", spec, source, "--output", output, *options)
    assert code == 2
    assert "choose another --output, or remove that file" in said
    assert len(said.splitlines()) == 1  # no summary of what was not done
    assert output.read_bytes() == before


@pytest.mark.parametrize("content", ["precious notes\n", '{"a": 1}\n', "[]\n"])
def test_a_file_of_something_else_is_never_touched(
    mine: str, tmp_path: Path, capsys, content: str
) -> None:
    source, output = write(tmp_path / "in.jsonl", records(2)), tmp_path / "out.jsonl"
    output.write_text(content)
    code, _, said = judge(capsys, "-v", f"{mine}:exact", source, "--output", output)
    assert code == 2
    assert "line 1 is no verdict" in said
    assert output.read_text() == content


@pytest.mark.parametrize("kill", [signal.SIGKILL, signal.SIGINT])
def test_an_interrupted_run_goes_on_where_it_stopped(
    mine: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, kill: signal.Signals
) -> None:
    judgements = tmp_path / "judgements"
    monkeypatch.setenv("JUDGEMENTS", str(judgements))
    source, output = write(tmp_path / "in.jsonl", records(1000)), tmp_path / "out.jsonl"
    command = [sys.executable, "-m", "truing", "verify", "-v", f"{mine}:logged"]
    command += [str(source), "--output", str(output), "--workers", "2"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True) as first:
        while not (output.exists() and len(output.read_bytes().splitlines()) > 50):
            assert first.poll() is None
            time.sleep(0.005)
        first.send_signal(kill)
        _, said = first.communicate()
    if kill == signal.SIGINT:
        assert first.returncode == 130
        assert "the same command goes on from here" in said
        assert "Traceback" not in said
    there = output.read_bytes()
    whole = there[: there.rfind(b"\n") + 1]
    assert 50 < len(whole.splitlines()) < 1000
    output.write_bytes(whole + b'{"line": 99, "sco')  # as if torn in the middle of a line
    judged_before = set(judgements.read_text().split())
    judgements.unlink()
    done = subprocess.run(command, check=True, capture_output=True, text=True)
    assert "were there from before" in done.stderr
    lines = results(output)
    assert output.read_bytes().startswith(whole)
    assert [line["id"] for line in lines] == [f"p{i}" for i in range(1000)]
    # What had a verdict in the file was not judged again; what was merely in flight was.
    again = judgements.read_text().split()
    assert set(again) == {f"p{i}" for i in range(len(whole.splitlines()), 1000)}
    assert judged_before | set(again) == {f"p{i}" for i in range(1000)}


def test_two_runs_do_not_write_one_file(mine: str, tmp_path: Path, capsys) -> None:
    source, output = write(tmp_path / "in.jsonl", records(2)), tmp_path / "out.jsonl"
    holder = (
        "import fcntl, sys\nfile = open(sys.argv[1], 'a')\n"
        "fcntl.flock(file, fcntl.LOCK_EX)\nprint('held', flush=True)\nsys.stdin.read()\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", holder, output], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        code, _, said = judge(capsys, "-v", f"{mine}:exact", source, "--output", output)
        other.communicate()
    assert code == 2
    assert "another run is writing" in said


def test_a_full_disk_is_said_and_what_was_written_stands(mine: str, tmp_path: Path) -> None:
    source, output = write(tmp_path / "in.jsonl", records(200)), tmp_path / "out.jsonl"
    command = (
        "import resource, signal, sys; from truing.cli import main; "
        "signal.signal(signal.SIGXFSZ, signal.SIG_IGN); "
        "resource.setrlimit(resource.RLIMIT_FSIZE, (5000, 5000)); main()"
    )
    words = ["verify", "-v", f"{mine}:exact", str(source), "--output", str(output)]
    done = subprocess.run(
        [sys.executable, "-c", command, *words], check=False, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "cannot write" in done.stderr
    assert "Traceback" not in done.stderr
    assert output.read_bytes().count(b"\n") > 10
    resumed = [sys.executable, "-m", "truing", *words]
    subprocess.run(resumed, check=True, capture_output=True)
    assert [line["id"] for line in results(output)] == [f"p{i}" for i in range(200)]


def test_an_output_that_cannot_be_written_is_said(mine: str, tmp_path: Path, capsys) -> None:
    source = write(tmp_path / "in.jsonl", records(2))
    (tmp_path / "file").write_text("")
    output = tmp_path / "file" / "out.jsonl"
    code, _, said = judge(capsys, "-v", f"{mine}:exact", source, "--output", output)
    assert code == 2
    assert f"cannot write {output}" in said


def test_a_reader_that_leaves_early_is_no_error(mine: str, tmp_path: Path) -> None:
    source = write(tmp_path / "in.jsonl", records(3000))
    command = [sys.executable, "-m", "truing", "verify", "-v", f"{mine}:exact", str(source)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as process:
        assert process.stdout is not None
        assert process.stderr is not None
        os.read(process.stdout.fileno(), 10)
        process.stdout.close()
        said = process.stderr.read()
    assert b"Traceback" not in said
    assert b"bug" not in said
