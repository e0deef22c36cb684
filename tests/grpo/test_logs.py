import errno
import importlib.util
import json
import math
import os
import random
import subprocess
import sys
from pathlib import Path

import pytest

from truing.core.errors import MissingExtra, StorageError, UnknownName
from truing.core.records import Completion, Outcome, Problem, Rollout, Verdict
from truing.grpo.logs import RunLog, read_lines, rollout_segments


def rollout(step: int, group: int = 0, size: int = 40) -> Rollout:
    return Rollout(
        step,
        group,
        0,
        Problem(f"p{step}", "2 + 2?", "4"),
        Completion("x" * size, (1, 2), (-0.25, -1e-300)),
        Verdict(0.0, Outcome.NO_ANSWER),
        0.0,
    )


def contents(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.glob("*.jsonl"))}


def write_steps(log: RunLog, steps: range, per_step: int = 3) -> None:
    for step in steps:
        log.metrics("grpo", step, {"loss": 1.0 / step})
        log.rollouts("grpo", [rollout(step, group) for group in range(per_step)])


@pytest.fixture
def frozen_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """Metrics lines hold the time; with it fixed, equal runs are equal bytes."""
    monkeypatch.setattr("truing.grpo.logs.time.time", lambda: 1000.0)


def test_what_is_written_reads_back(tmp_path):
    log = RunLog(tmp_path, trackers=())
    log.metrics("grpo", 1, {"loss": 0.1, "kl": math.nan, "grad_norm": math.inf})
    log.rollouts("grpo", [rollout(1), rollout(1, 1)])
    log.close()
    (line,) = read_lines(tmp_path / "metrics.jsonl")
    assert line.pop("time") > 0
    assert line == {"stage": "grpo", "step": 1, "loss": 0.1, "kl": None, "grad_norm": None}
    lines = list(read_lines(tmp_path / "rollouts-00000.jsonl"))
    assert [entry.pop("stage") for entry in lines] == ["grpo", "grpo"]
    assert [Rollout.from_json(entry) for entry in lines] == [rollout(1), rollout(1, 1)]


def test_lines_are_there_at_once_without_closing(tmp_path):
    log = RunLog(tmp_path, trackers=())
    write_steps(log, range(1, 2))
    assert len(list(read_lines(tmp_path / "metrics.jsonl"))) == 1
    assert len(list(read_lines(tmp_path / "rollouts-00000.jsonl"))) == 3
    log.close()


@pytest.mark.parametrize("seed", range(8))
def test_rewound_and_replayed_equals_never_interrupted(tmp_path, frozen_clock, seed):
    """Rotation, dropped segments and a torn tail included; cut at random steps, several times."""
    draw = random.Random(seed)
    limits = {"rollout_bytes": 9000, "segment_bytes": 1500, "trackers": ()}
    straight = RunLog(tmp_path / "straight", **limits)
    write_steps(straight, range(1, 31))
    straight.close()

    folder, step, position = tmp_path / "cut", 1, None
    while step <= 30:
        log = RunLog(folder, **limits)
        log.rewind(position)
        saved = min(31, step + draw.randrange(1, 8))
        write_steps(log, range(step, saved))
        position, step = json.loads(json.dumps(log.position())), saved
        if step <= 30:  # the process dies some steps after its checkpoint, in the middle of a line
            write_steps(log, range(saved, min(31, saved + draw.randrange(6))))
            for path in (folder / "metrics.jsonl", rollout_segments(folder)[-1]):
                path.write_bytes(path.read_bytes() + b'{"torn": ')
        log.close()
    assert contents(folder) == contents(tmp_path / "straight")


def test_rewind_is_exact_to_the_byte_over_rotation(tmp_path):
    log = RunLog(tmp_path, trackers=(), segment_bytes=1500)
    write_steps(log, range(1, 8))
    before, position = contents(tmp_path), log.position()
    write_steps(log, range(8, 20))
    assert len(contents(tmp_path)) > len(before)
    log.rewind(position)
    assert contents(tmp_path) == before
    log.rewind(None)
    assert contents(tmp_path) == {"metrics.jsonl": b""}
    write_steps(log, range(1, 8))
    assert contents(tmp_path).keys() == before.keys()
    log.close()


def test_a_lost_file_is_told_and_does_not_stop_the_resume(tmp_path, caplog):
    log = RunLog(tmp_path, trackers=(), segment_bytes=1500)
    write_steps(log, range(1, 12))
    position = log.position()
    log.close()
    names = sorted(position["rollouts"])
    assert len(names) > 2
    (tmp_path / names[1]).unlink()
    (tmp_path / "metrics.jsonl").unlink()
    log = RunLog(tmp_path, trackers=(), segment_bytes=1500)
    log.rewind(position)
    write_steps(log, range(12, 13))
    log.close()
    assert names[1] in caplog.text
    assert "metrics.jsonl has lost its last" in caplog.text
    assert [line["step"] for line in read_lines(tmp_path / "metrics.jsonl")] == [12]
    assert rollout_segments(tmp_path)[-1].name >= names[-1]


def test_opening_after_a_kill_drops_only_the_torn_line(tmp_path):
    log = RunLog(tmp_path, trackers=())
    write_steps(log, range(1, 3))
    log.close()
    whole = contents(tmp_path)
    for path in tmp_path.glob("*.jsonl"):
        path.write_bytes(path.read_bytes() + b'{"stage":"grpo","st' + b"x" * 100_000)
    assert len(list(read_lines(tmp_path / "metrics.jsonl"))) == 2
    RunLog(tmp_path, trackers=()).close()
    assert contents(tmp_path) == whole


def test_oldest_rollouts_are_dropped_past_the_limit(tmp_path):
    log = RunLog(tmp_path, trackers=(), rollout_bytes=8000, segment_bytes=2000)
    write_steps(log, range(1, 60))
    log.close()
    segments = rollout_segments(tmp_path)
    assert sum(path.stat().st_size for path in segments) <= 8000
    assert segments[0].name > "rollouts-00000.jsonl"
    steps = [line["step"] for path in segments for line in read_lines(path)]
    assert steps == sorted(steps)
    assert steps[-1] == 59


def test_no_rollouts_are_kept_at_limit_zero(tmp_path):
    log = RunLog(tmp_path, trackers=(), rollout_bytes=0)
    log.rollouts("grpo", [rollout(1)])
    log.rewind(log.position())
    log.close()
    assert rollout_segments(tmp_path) == []


def test_an_unwritable_folder_is_a_storage_error(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(StorageError, match="cannot write"):
        RunLog(tmp_path / "file" / "run", trackers=())


FULL_DISK = """
import resource, sys
from pathlib import Path
from truing.core.errors import StorageError
from truing.core.records import Completion, Problem, Rollout, Verdict
from truing.grpo.logs import RunLog
import signal
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
log = RunLog(Path(sys.argv[1]), trackers=())
big = Rollout(1, 0, 0, Problem("1", "q"), Completion("x" * 3000), Verdict.correct("4"))
log.rollouts("grpo", [big])
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    log.rollouts("grpo", [big])
except StorageError as fault:
    print(fault)
log.close()
"""


def test_a_write_that_fails_half_way_is_taken_back(tmp_path):
    """A real half-done write: the process may make files of 4 KiB only."""
    done = subprocess.run(
        [sys.executable, "-c", FULL_DISK, tmp_path], capture_output=True, text=True, check=True
    )
    assert "cannot write" in done.stdout
    assert "rollouts-00000.jsonl" in done.stdout
    data = (tmp_path / "rollouts-00000.jsonl").read_bytes()
    assert data.endswith(b"\n")
    assert data.count(b"\n") == 1


def test_a_full_disk_says_so(tmp_path, monkeypatch):
    log = RunLog(tmp_path, trackers=())

    def full(*_: object) -> int:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(StorageError, match="the disk is full"):
            log.metrics("grpo", 1, {"loss": 1.0})
    log.metrics("grpo", 1, {"loss": 1.0})
    log.close()
    assert len(list(read_lines(tmp_path / "metrics.jsonl"))) == 1


def test_unknown_and_missing_trackers_say_what_to_do(tmp_path):
    with pytest.raises(UnknownName, match="Did you mean 'tensorboard'"):
        RunLog(tmp_path, trackers=("tensorbord",))


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_a_tracker_that_is_not_installed_says_what_to_install(tmp_path, monkeypatch, name):
    """A folder of that name in the working directory, as wandb leaves one, is no installation."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    if importlib.util.find_spec(name) is not None:
        pytest.skip(f"{name} is installed here")
    (tmp_path / name).mkdir()
    importlib.invalidate_caches()
    with pytest.raises(MissingExtra, match=rf"pip install 'truing\[{name}\]'"):
        RunLog(tmp_path / "run", trackers=(name,))


@pytest.mark.parametrize("name", ["wandb", "trackio"])
def test_an_installed_service_goes_on_with_the_same_run(tmp_path, monkeypatch, name):
    pytest.importorskip(name)
    monkeypatch.setenv("WANDB_MODE", "offline")
    monkeypatch.setenv("WANDB_SILENT", "true")
    monkeypatch.setenv("TRACKIO_DIR", str(tmp_path / "trackio"))
    log = RunLog(tmp_path / "run", trackers=(name,))
    log.metrics("sft", 1, {"loss": 1.0, "kl": math.nan})
    position = log.position()
    log.close()
    log = RunLog(tmp_path / "run", trackers=(name,))
    log.rewind(position)
    log.metrics("sft", 2, {"loss": 0.5})
    assert log.position()["trackers"][name] == {
        "run": position["trackers"][name]["run"],
        "lines": 2,
    }
    log.close()


def curve(folder: Path, stage: str) -> list[tuple[int, float]]:
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    events = EventAccumulator(str(folder / "tensorboard" / stage))
    events.Reload()
    return [(event.step, event.value) for event in events.Scalars("loss")]


def test_tensorboard_curves_do_not_double_after_a_rewind(tmp_path):
    pytest.importorskip("torch.utils.tensorboard")
    log = RunLog(tmp_path)
    for step in range(1, 5):
        log.metrics("sft", step, {"loss": step})
    position = log.position()
    log.metrics("sft", 5, {"loss": 5})
    log.metrics("sft", 6, {"loss": 6})
    log.metrics("grpo", 1, {"loss": 1})
    log.close()

    log = RunLog(tmp_path)
    log.rewind(position)
    assert [step for step, _ in curve(tmp_path, "sft")] == [1, 2, 3, 4]
    assert not (tmp_path / "tensorboard" / "grpo").exists()
    log.metrics("sft", 5, {"loss": 50})
    log.metrics("grpo", 1, {"loss": math.nan})
    log.close()
    assert curve(tmp_path, "sft") == [(1, 1), (2, 2), (3, 3), (4, 4), (5, 50)]
    ((step, value),) = curve(tmp_path, "grpo")
    assert step == 1
    assert math.isnan(value)
