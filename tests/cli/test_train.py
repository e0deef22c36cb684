"""`truing train` as people call it: what works, and what each fault says."""

import json
import os
import random
import shutil
import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from truing.cli import run

CONFIG = """
output = "{output}"
stages = ["sft", "grpo"]
trackers = []
[model.build]
hidden_size = 16
layers = 1
heads = 2
feedforward_size = 32
context = 32
[data]
generator = "arithmetic"
limit = 60
holdout = 8
[sft]
steps = 6
batch_size = 8
[sft.optimizer]
learning_rate = 1e-2
[grpo]
steps = 8
problems_per_step = 4
group_size = 4
max_new_tokens = 6
minibatches = 2
epochs = 2
[grpo.optimizer]
learning_rate = 1e-3
[evaluation]
max_new_tokens = 6
every = 3
[checkpoint]
every = 1
"""

Train = Callable[..., tuple[int, str, str]]


@pytest.fixture
def train(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> Train:
    config = tmp_path / "run.toml"
    config.write_text(CONFIG.format(output=tmp_path / "out"))

    def call(*words: str) -> tuple[int, str, str]:
        code = run(["train", str(config), *words])
        out, err = capfd.readouterr()
        assert "Traceback" not in err
        return code, out, err

    return call


def test_a_run_prints_one_table_and_ends_where_it_ended(train: Train, tmp_path: Path) -> None:
    code, out, _ = train()
    assert code == 0
    for expected in ("before sft", "after sft", "after grpo", "95% interval", "tokens/s"):
        assert expected in out
    again = train()
    assert again[0] == 0
    assert "this run is finished" in again[1]
    assert (tmp_path / "out" / "model" / "model.safetensors").is_file()


def test_dry_run_prints_what_can_be_run(train: Train, tmp_path: Path) -> None:
    code, out, _ = train("--dry-run", "grpo.group_size=6", "seed=5")
    assert code == 0
    assert not (tmp_path / "out").exists()
    copied = tmp_path / "copied.toml"
    copied.write_text(out)
    assert run(["train", str(copied), "--dry-run"]) == 0
    assert "group_size = 6" in out
    assert "seed = 5" in out


def test_a_users_own_verifier_trains(train: Train, tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    own.write_text("def short(completion, problem):\n    return 1 / (1 + len(completion))\n")
    code, _, _ = train(f"verifier={own}:short", "sft.steps=1")
    assert code == 0
    rows = (tmp_path / "out" / "rollouts-00000.jsonl").read_text().splitlines()
    for row in map(json.loads, rows):
        if row["verdict"]["outcome"] == "partial":
            length = len(row["completion"]["text"])
            assert row["reward"] == pytest.approx(1 / (1 + length))
            break
    else:
        pytest.fail("no completion was judged by the user's verifier")


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (["grpo.group_sice=4"], "did you mean grpo.group_size?"),
        (["grpo.group_size=1"], "group-relative advantages need at least 2"),
        (["seed"], "is not of the form key=value"),
        (["model.path=./nowhere", "model.build="], "model.build"),
        (["verifier=maht"], "Did you mean 'math'?"),
        (["verifier=nowhere.py:f"], "nowhere.py"),
        (["data.generator=arithmetik"], "Did you mean 'arithmetic'?"),
        (["model.build.context=16", "grpo.max_new_tokens=14"], "longer than the context"),
        (["data.holdout=9000", "data.limit=9000"], "distinct problems"),
        (["sampler.kind=vlm"], "no sampler is named 'vlm'"),
        (["model.device=cuda"], "no CUDA device"),
        (["model.device=foo"], "torch does not know"),
        (["model.build.heads=3"], "multiple of twice heads"),
        (["grpo.optimizer.betas=[2,3]"], "less than 1"),
        (["sft.optimizer.learning_rate=inf"], "finite number"),
        (["trackers=['tensorbord']", "sampler.kind=vlm"], "Did you mean 'tensorboard'?"),
    ],
)
def test_the_users_faults_exit_2_and_say_what_to_do(
    train: Train, words: list[str], message: str
) -> None:
    code, _, err = train(*words)
    assert code == 2
    assert message in err


def test_missing_and_broken_files(train: Train, tmp_path: Path) -> None:
    source = tmp_path / "data.jsonl"
    use = [f"data.path={source}", "stages=['grpo']"]
    config = tmp_path / "run.toml"
    config.write_text(config.read_text().split("[sft]")[0] + config.read_text().split("1e-2\n")[1])
    code, _, err = train(*use)
    assert (code, "data.jsonl" in err) == (2, True)
    source.write_text("")
    code, _, err = train(*use)
    assert (code, "empty" in err or "no rows" in err or "no problems" in err) == (2, True), err
    source.write_text('{"question": "1+1=", "answer": "2"}\n{"question": \n')
    code, _, err = train(*use)
    assert (code, "line 2" in err) == (2, True), err
    source.write_text('{"question": "1+1=", "answer": "\\\\frac{1}{"}\n' * 1)
    code, _, err = train(*use, "data.holdout=0")
    assert (code, "frac" in err) == (2, True), err
    source.write_text('{"problem": "1+1=", "answer": "2"}\n')
    code, _, err = train(*use)
    assert code == 2
    assert "question" in err
    assert "problem" in err


def test_bad_toml_shows_the_line(train: Train, tmp_path: Path) -> None:
    (tmp_path / "run.toml").write_text("output = \n")
    code, _, err = train()
    assert code == 2
    assert "line 1" in err
    assert run(["train", str(tmp_path / "none.toml")]) == 2


def test_a_missing_model_is_named(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    text = CONFIG.format(output=tmp_path / "out").split("[data]")
    config = tmp_path / "run.toml"
    config.write_text(
        text[0].split("[model.build]")[0] + '[model]\npath = "./no-model"\n[data]' + text[1]
    )
    assert run(["train", str(config)]) == 2
    assert "'./no-model', which does not exist" in capfd.readouterr().err


def test_a_hanging_verifier_stops_the_run_with_its_name(train: Train, tmp_path: Path) -> None:
    own = tmp_path / "mine.py"
    own.write_text(
        "from truing.verifiers import verifier\n"
        "@verifier(cpu_seconds=0.2)\n"
        "def forever(completion, problem):\n    while True: pass\n"
    )
    words = ["sft.steps=1", "grpo.problems_per_step=1", "grpo.group_size=2", "grpo.minibatches=1"]
    words += ["evaluation.enabled=false", "verification.judge_truncated=true"]
    code, _, err = train(f"verifier={own}:forever", "verification.retries=0", *words)
    assert code == 2
    assert "forever" in err
    assert "max_fault_share" in err
    own.write_text("def forever(completion, problem):\n    return True\n")
    assert train(f"verifier={own}:forever", *words)[0] == 0  # mended, it goes on


def command(config: Path, *words: str) -> list[str]:
    return [sys.executable, "-m", "truing", "train", str(config), *words]


def weights(output: Path) -> dict[str, torch.Tensor]:
    return load_file(output / "model" / "model.safetensors")


def content(path: Path) -> list[Any]:
    """The log's lines without clocks and memory."""
    rows = [json.loads(line) for line in path.read_text().splitlines()]
    for row in rows:
        for name in [n for n in row if n.split("/")[0] in {"time", "seconds", "memory"}]:
            del row[name]
        for name in [n for n in row if "seconds" in n or "tokens_per_second" in n]:
            del row[name]
        if "verdict" in row:
            del row["verdict"]["seconds"], row["completion"]["seconds"]
    return rows


@pytest.mark.slow
def test_killed_at_any_moment_it_ends_bit_identical(tmp_path: Path) -> None:
    straight, killed = tmp_path / "straight", tmp_path / "killed"
    configs = {}
    for output in (straight, killed):
        configs[output] = tmp_path / f"{output.name}.toml"
        configs[output].write_text(CONFIG.format(output=output))
    subprocess.run(command(configs[straight]), check=True, capture_output=True, timeout=200)
    rng = random.Random(7)
    kills = 0
    for _ in range(6):
        process = subprocess.Popen(
            command(configs[killed]), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
        )
        assert process.stdout
        wait_for = rng.randrange(6, 14)  # lines: the kill falls into start, step, save or log
        for number, _line in enumerate(process.stdout):
            if number == wait_for:
                os.kill(process.pid, signal.SIGKILL)
                kills += 1
        process.stdout.close()
        if process.wait() == 0:
            break
    subprocess.run(command(configs[killed]), check=True, capture_output=True, timeout=200)
    assert kills >= 3
    expected, found = weights(straight), weights(killed)
    assert expected.keys() == found.keys()
    assert all(torch.equal(expected[name], found[name]) for name in expected)
    for name in ("metrics.jsonl", "rollouts-00000.jsonl"):
        assert content(straight / name) == content(killed / name)


@pytest.mark.slow
def test_ctrl_c_saves_and_says_how_to_go_on(tmp_path: Path) -> None:
    config = tmp_path / "run.toml"
    config.write_text(CONFIG.format(output=tmp_path / "out"))
    process = subprocess.Popen(
        command(config, "grpo.steps=2000"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert process.stdout
    assert process.stderr
    for line in process.stdout:
        if "after sft" in line:
            break
    process.stdout.readline()
    process.send_signal(signal.SIGINT)
    _, err = process.communicate(timeout=100)
    assert process.returncode == 130
    assert "run the same command again" in err
    assert "Traceback" not in err
    assert any((tmp_path / "out" / "checkpoints").iterdir())


@pytest.mark.slow
def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    probe = subprocess.run(
        ["unshare", "-rm", "mount", "-t", "tmpfs", "none", str(tmp_path)],
        capture_output=True,
        check=False,
    )
    if shutil.which("unshare") is None or probe.returncode:
        pytest.skip("no user namespaces here, so no small disk to fill")
    disk = tmp_path / "disk"
    disk.mkdir()
    config = tmp_path / "run.toml"
    config.write_text(CONFIG.format(output=disk / "out"))
    script = f"""
        set -e
        mount -t tmpfs -o size=8m none {disk}
        truing="{" ".join(command(config))}"
        $truing sft.steps=6 > {tmp_path}/first.txt 2>&1 & pid=$!
        until ls {disk}/out/checkpoints 2>/dev/null | grep -q 00-sft-0000002; do sleep 0.05; done
        head -c 100m /dev/zero > {disk}/filler 2>/dev/null || true
        code=0; wait $pid || code=$?
        echo $code > {tmp_path}/code
        ls -A {disk}/out/checkpoints > {tmp_path}/kept
        rm {disk}/filler
        $truing sft.steps=6 > {tmp_path}/second.txt 2>&1
    """
    done = subprocess.run(
        ["unshare", "-rm", "bash", "-c", textwrap.dedent(script)],
        capture_output=True,
        text=True,
        check=False,
    )
    first = (tmp_path / "first.txt").read_text()
    assert done.returncode == 0, done.stderr + first
    assert (tmp_path / "code").read_text().strip() == "2", first
    assert "the disk is full" in first
    assert "Traceback" not in first
    kept = (tmp_path / "kept").read_text()
    assert "00-sft-" in kept
    assert ".writing" not in kept
    assert "after grpo" in (tmp_path / "second.txt").read_text()
