import io
import json
import os
import random
import shutil
import signal
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file

from truing.core.errors import CheckpointError, ConfigError, StorageError, VerifierFault
from truing.core.records import Completion, Outcome, Problem, Verdict
from truing.core.sampler import Sampler, SamplingParams
from truing.grpo.checkpoint import CheckpointStore, restore
from truing.grpo.data import load_problems
from truing.grpo.display import PlainDisplay
from truing.grpo.loop import Interrupted, Loop
from truing.grpo.policy import Policy
from truing.grpo.run import RunConfig, RunFolder, resolve_run, run_facts
from truing.grpo.sampling import TransformersSampler
from truing.grpo.scoring import Scorer

TABLES: dict[str, Any] = {
    "stages": ["sft", "grpo"],
    "seed": 3,
    "model": {
        "build": {
            "hidden_size": 16,
            "layers": 1,
            "heads": 2,
            "feedforward_size": 32,
            "context": 32,
        }
    },
    "data": {"generator": "arithmetic", "limit": 60, "holdout": 8},
    "sft": {"steps": 4, "batch_size": 8, "optimizer": {"learning_rate": 1e-2}},
    "grpo": {
        "steps": 6,
        "problems_per_step": 4,
        "group_size": 4,
        "max_new_tokens": 6,
        "minibatches": 2,
        "epochs": 2,
        "beta": 0.02,
        "optimizer": {"learning_rate": 1e-2, "schedule": "linear"},
    },
    "evaluation": {"max_new_tokens": 6, "every": 2},
    "checkpoint": {"every": 2, "keep": 2},
    "trackers": [],
}

OnJudge = Callable[[int], None]


class CountingScorer:
    """Rewards boxes, at once; calls `on_judge` with the number of judgements so far."""

    def __init__(self, on_judge: OnJudge = lambda count: None) -> None:
        self.count = 0
        self.on_judge = on_judge

    def submit(self, completion: Completion, problem: Problem) -> Future[Verdict]:
        self.count += 1
        self.on_judge(self.count)
        done: Future[Verdict] = Future()
        share = len(set(completion.text) & set("0123456")) / 8
        done.set_result(Verdict(share, Outcome.PARTIAL) if share else Verdict(0, Outcome.WRONG))
        return done


def accuracy(
    sampler: Sampler, scorer: Scorer, problems: Sequence[Problem], params: SamplingParams
) -> Mapping[str, float]:
    texts = [
        sample.completion.text for sample in sampler.sample([p.prompt for p in problems], params)
    ]
    share = sum("1" in text for text in texts) / len(texts)
    return {"accuracy": share, "low": 0.0, "high": 1.0, "n": 8, "tokens_per_second": 1.0}


def config_at(output: Path, **changes: Any) -> RunConfig:
    return resolve_run({**TABLES, "output": str(output), **changes}, where="test")


def train(config: RunConfig, on_judge: OnJudge = lambda count: None) -> Policy:
    folder = RunFolder(Path(config.output))
    try:
        policy = Policy.load(config.model, seed=config.seed)
        problems = load_problems(config.data)
        facts = run_facts(config, problems.sha256, problems.source)
        if folder.begun:
            folder.check_same(config, facts)
        else:
            folder.begin(config, facts)
        Loop(
            config,
            folder.path,
            policy,
            TransformersSampler(policy),
            CountingScorer(on_judge),
            problems.train,
            problems.heldout,
            accuracy,
            PlainDisplay(io.StringIO()),
        ).run()
        return policy
    finally:
        folder.close()


def lines(path: Path) -> list[dict[str, Any]]:
    """The log without what a clock or the process decides."""
    found = []
    for line in path.read_text().splitlines():
        row = json.loads(line)
        for name in [n for n in row if n.startswith(("seconds", "tokens_per", "memory", "time"))]:
            del row[name]
        if "completion" in row:
            del row["completion"]["seconds"]
        found.append(row)
    return found


@pytest.fixture(scope="module")
def straight(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("straight") / "run"
    train(config_at(folder))
    return folder


def test_a_finished_run_holds_what_it_promises(straight: Path) -> None:
    labels = [row["label"] for row in json.loads((straight / "summary.json").read_text())["rows"]]
    assert labels == ["before sft", "after sft", "after grpo"]
    metrics = lines(straight / "metrics.jsonl")
    assert [m["step"] for m in metrics if m["stage"] == "sft" and "loss" in m] == [1, 2, 3, 4]
    assert [m["step"] for m in metrics if m["stage"] == "grpo" and "loss" in m] == [*range(1, 7)]
    assert len(lines(straight / "rollouts-00000.jsonl")) == 6 * 16
    assert {"kl", "entropy", "clip_share", "mismatch/kl", "truncated_share"} <= metrics[-2].keys()
    kept = sorted(p.name for p in (straight / "checkpoints").iterdir())
    assert kept[-1] == "02-end-0000000"
    assert 2 <= len(kept) <= 3  # the newest two, and the best
    assert (straight / "model" / "config.json").is_file()
    facts = json.loads((straight / "run.json").read_text())
    assert facts["data_sha256"]
    assert facts["packages"]["torch"].startswith("2")


@pytest.mark.parametrize("judgements", [1, 17, 40, 70, 96])
def test_interrupted_and_resumed_is_bit_identical(
    straight: Path, tmp_path: Path, judgements: int
) -> None:
    def interrupt(count: int) -> None:
        if count == judgements:
            os.kill(os.getpid(), signal.SIGINT)

    config = config_at(tmp_path / "run")
    if judgements <= 80:  # in the last step the run simply ends
        with pytest.raises(Interrupted, match="run the same command again"):
            train(config, interrupt)
    train(config)
    for name in ("model/model.safetensors", "checkpoints/02-end-0000000/weights.safetensors"):
        expected, found = load_file(straight / name), load_file(tmp_path / "run" / name)
        assert expected.keys() == found.keys()
        assert all(torch.equal(expected[key], found[key]) for key in expected)
    for name in ("metrics.jsonl", "rollouts-00000.jsonl"):
        assert lines(straight / name) == lines(tmp_path / "run" / name)


def test_a_crash_between_checkpoints_rewinds_the_logs(straight: Path, tmp_path: Path) -> None:
    class PulledPlugError(BaseException):
        pass

    def crash(count: int) -> None:
        if count == 55:  # in step 4, after the checkpoint of step 2
            raise PulledPlugError

    config = config_at(tmp_path / "run")
    with pytest.raises(PulledPlugError):
        train(config, crash)
    assert len(lines(tmp_path / "run" / "rollouts-00000.jsonl")) == 48
    torn = (tmp_path / "run" / "metrics.jsonl").open("a")
    torn.write('{"stage": "grpo", "st')
    torn.close()
    train(config)
    for name in ("metrics.jsonl", "rollouts-00000.jsonl"):
        assert lines(straight / name) == lines(tmp_path / "run" / name)
    final = "model/model.safetensors"
    expected, found = load_file(straight / final), load_file(tmp_path / "run" / final)
    assert all(torch.equal(expected[key], found[key]) for key in expected)


def test_a_finished_run_is_not_trained_again(straight: Path) -> None:
    before = (straight / "metrics.jsonl").read_bytes()

    def never(count: int) -> None:
        pytest.fail("something was judged")

    train(config_at(straight), never)
    assert (straight / "metrics.jsonl").read_bytes() == before


def test_a_model_lost_after_the_last_checkpoint_is_written_again(
    straight: Path, tmp_path: Path
) -> None:
    copied = tmp_path / "run"
    shutil.copytree(straight, copied)
    shutil.rmtree(copied / "model")
    train(config_at(copied))
    name = "model/model.safetensors"
    assert (copied / name).read_bytes() == (straight / name).read_bytes()


def test_another_configuration_is_refused_by_name(straight: Path) -> None:
    changed = config_at(straight, seed=4)
    with pytest.raises(ConfigError, match="seed: 3 then, 4 now"):
        train(changed)
    with pytest.raises(ConfigError, match="judge_truncated: False then, True now"):
        train(config_at(straight, verification={"judge_truncated": True}))
    harmless = {"checkpoint": {"every": 3}, "verification": {"workers": 2}}
    train(config_at(straight, **harmless))  # changes nothing that is learnt


def test_a_second_process_is_kept_out(straight: Path) -> None:
    held = RunFolder(straight)
    with pytest.raises(StorageError, match="another process"):
        RunFolder(straight)
    held.close()
    RunFolder(straight).close()


def test_set_aside_deletes_nothing_and_keeps_the_lock(straight: Path, tmp_path: Path) -> None:
    for number in (1, 2):
        shutil.copytree(straight, tmp_path / "run", dirs_exist_ok=True)
        folder = RunFolder(tmp_path / "run")
        assert folder.set_aside() == tmp_path / f"run.old-{number}"
        assert (tmp_path / f"run.old-{number}" / "config.toml").exists()
        assert not folder.begun
        with pytest.raises(StorageError, match="another process"):
            RunFolder(tmp_path / "run")
        folder.close()


def test_a_folder_that_is_no_run_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "metrics.jsonl").write_text("mine\n")
    with pytest.raises(StorageError, match="nothing there was touched"):
        train(config_at(tmp_path))
    assert (tmp_path / "metrics.jsonl").read_text() == "mine\n"


def test_a_damaged_checkpoint_is_named(straight: Path, tmp_path: Path) -> None:
    copied = tmp_path / "run"
    shutil.copytree(straight, copied)
    damaged = copied / "checkpoints" / "02-end-0000000" / "weights.safetensors"
    damaged.write_bytes(damaged.read_bytes()[:100])
    with pytest.raises(CheckpointError, match="remove that folder"):
        train(config_at(copied))


def test_too_many_verifier_faults_stop_the_run_and_keep_the_tracebacks(tmp_path: Path) -> None:
    class FaultyScorer(CountingScorer):
        def submit(self, completion: Completion, problem: Problem) -> Future[Verdict]:
            done: Future[Verdict] = Future()
            evidence = {"traceback": "Traceback: boom"}
            done.set_result(Verdict(0.0, Outcome.VERIFIER_ERROR, None, "boom", evidence))
            return done

    config = config_at(tmp_path / "run", stages=["grpo"], sft=None)
    policy = Policy.load(config.model, seed=config.seed)
    problems = load_problems(config.data)
    loop = Loop(
        config,
        tmp_path / "run",
        policy,
        TransformersSampler(policy),
        FaultyScorer(),
        problems.train,
        problems.heldout,
        accuracy,
        PlainDisplay(io.StringIO()),
    )
    with pytest.raises(VerifierFault, match=r"16 of 16 judgements \(100%\).*boom"):
        loop.run()
    rows = lines(tmp_path / "run" / "rollouts-00000.jsonl")
    assert len(rows) == 16
    assert rows[0]["verdict"]["evidence"]["traceback"] == "Traceback: boom"


def test_all_config_faults_are_told_at_once(tmp_path: Path) -> None:
    tables = {
        **TABLES,
        "output": str(tmp_path),
        "sede": 1,
        "grpo": {**TABLES["grpo"], "group_sice": 4, "group_size": 1},
        "stages": ["sft", "gropo"],
    }
    with pytest.raises(ConfigError) as raised:
        resolve_run(tables, where="my.toml")
    text = str(raised.value)
    assert "my.toml: 3 faults" in text
    assert "did you mean seed?" in text
    assert "did you mean grpo.group_size?" in text
    assert "Did you mean 'grpo'?" in text


def test_sections_and_stages_must_agree(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match='add "sft" to stages'):
        config_at(tmp_path, stages=["grpo"])
    with pytest.raises(ConfigError, match=r"no section \[grpo\]"):
        config_at(tmp_path, grpo=None)


def test_a_run_killed_after_the_first_evaluation_does_not_repeat_it(
    straight: Path, tmp_path: Path
) -> None:
    config = config_at(tmp_path / "run")
    shutil.copytree(straight, tmp_path / "run")
    store = CheckpointStore(tmp_path / "run" / "checkpoints", config.checkpoint)
    first = store.load(store.names()[0])
    for name in store.names()[1:]:
        shutil.rmtree(store.folder / name)
    shutil.rmtree(tmp_path / "run" / "model")
    train(config)
    labels = [
        row["label"] for row in json.loads((tmp_path / "run" / "summary.json").read_text())["rows"]
    ]
    assert labels == ["before sft", "after sft", "after grpo"]
    assert first.state["progress"]["results"]


def test_saved_random_states_come_back(tmp_path: Path) -> None:
    policy = Policy.load(config_at(tmp_path).model, seed=1)
    store = CheckpointStore(tmp_path / "checkpoints", config_at(tmp_path).checkpoint)
    store.save("one", policy, None, {})
    drawn = [random.random(), np.random.random(), torch.rand(1).item()]
    restore(store.load("one"), policy, None)
    assert [random.random(), np.random.random(), torch.rand(1).item()] == drawn
