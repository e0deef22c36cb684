"""A run folder as training leaves it, made by the real `RunLog`."""

import json
import math
import random
from collections import Counter
from pathlib import Path

import pytest

from truing.core.records import Completion, FinishReason, Outcome, Problem, Rollout, Verdict
from truing.grpo.logs import RunLog

HOSTILE = (
    "</script><script>document.title='owned'</script><img src=x onerror=\"alert(1)\">&lt;b&gt;"
)
CHANCES = {  # outcome -> share before and after training
    Outcome.CORRECT: (0.2, 0.75),
    Outcome.WRONG: (0.45, 0.15),
    Outcome.NO_ANSWER: (0.2, 0.04),
    Outcome.TRUNCATED: (0.13, 0.04),
    Outcome.UNDECIDED: (0.01, 0.01),
    Outcome.VERIFIER_ERROR: (0.01, 0.01),
}


def sampled(draw: random.Random, step: int, steps: int, group: int, sample: int) -> Rollout:
    done = step / steps
    shares = [a + (b - a) * done for a, b in CHANCES.values()]
    (outcome,) = draw.choices(list(CHANCES), shares)
    a, b = draw.randrange(100), draw.randrange(100)
    said = a + b if outcome is Outcome.CORRECT else a + b + draw.choice((-10, -1, 1, 10))
    text = f"First add the ones: {a % 10} + {b % 10} = {a % 10 + b % 10}.\n"
    text += f"Then the tens. So the answer is \\boxed{{{said}}}."
    if outcome is Outcome.TRUNCATED:
        text = text[:40]
    if outcome is Outcome.NO_ANSWER:
        text = "I am not sure. " + HOSTILE * (sample == 0)
    extracted = str(said) if outcome in (Outcome.CORRECT, Outcome.WRONG) else None
    verdict = Verdict(
        float(outcome is Outcome.CORRECT),
        outcome,
        extracted,
        {"correct": "equal as integers", "wrong": f"{said} is not {a + b}"}.get(outcome, ""),
        {"traceback": "ZeroDivisionError"} if outcome is Outcome.VERIFIER_ERROR else {},
    )
    count = draw.randrange(20, 60)
    return Rollout(
        step,
        group,
        sample,
        Problem(f"sum-{a}-{b}", f"What is {a} + {b}?", str(a + b)),
        Completion(
            text,
            tuple(range(count)),
            (-0.5,) * count,
            FinishReason.LENGTH if outcome is Outcome.TRUNCATED else FinishReason.STOP,
        ),
        verdict,
        verdict.reward,
        None if verdict.reward is None else verdict.reward - 0.4,
    )


def make_run(folder: Path, *, steps: int = 40) -> Path:
    """A run folder as training leaves it: SFT, then GRPO that gets better, by the real `RunLog`."""
    draw = random.Random(0)
    log = RunLog(folder, trackers=())
    log.metrics("sft", 0, {"eval/accuracy": 0.01, "eval/low": 0.0, "eval/high": 0.04, "eval/n": 99})
    for step in range(1, steps + 1):
        log.metrics(
            "sft",
            step,
            {
                "loss": 3 / step**0.5 + draw.random() / 5,
                "tokens": 4000.0,
                "seconds/training": 0.4,
                "tokens_per_second/training": 9000 + draw.random() * 900,
                "memory/peak_bytes": 0.9e9,
            },
        )
    for step in range(1, steps + 1):
        rollouts = [sampled(draw, step, steps, group, k) for group in range(4) for k in range(4)]
        log.rollouts("grpo", rollouts)
        counts = Counter(rollout.verdict.outcome for rollout in rollouts)
        lengths = sorted(rollout.completion.token_count for rollout in rollouts)
        rewards = [rollout.reward for rollout in rollouts if rollout.reward is not None]
        mean = sum(rewards) / len(rewards)
        log.metrics(
            "grpo",
            step,
            {
                "reward/mean": mean,
                "reward/std": (mean * (1 - mean)) ** 0.5,
                "loss": 0.01 * draw.gauss(0, 1),
                "kl": 0.002 * step if step != 7 else math.nan,
                "entropy": 1.2 - 0.6 * step / steps,
                "groups/zero_std_share": draw.random() / 3,
                "clip_share": draw.random() / 50,
                "length/p10": float(lengths[1]),
                "length/p50": float(lengths[8]),
                "length/p90": float(lengths[14]),
                "length/max": float(lengths[-1]),
                "truncated_share": counts[Outcome.TRUNCATED] / 16,
                "seconds/step": 2.1,
                "seconds/generation": 1.1 + draw.random() / 4,
                "seconds/verification": 0.1,
                "seconds/training": 0.8,
                "memory/peak_bytes": 1.1e9 + step * 1e6,
                "learning_rate": 1e-5 * (1 - step / steps),
                "samples/never": 0.0,
                "samples/excluded": float(counts[Outcome.VERIFIER_ERROR]),
                **{f"outcome/{outcome.value}": float(counts[outcome]) for outcome in Outcome},
            },
        )
        if step % 10 == 0:
            rate = 0.2 + 0.5 * step / steps
            log.metrics(
                "grpo",
                step,
                {"eval/accuracy": rate, "eval/low": rate - 0.06, "eval/high": rate + 0.06},
            )
    log.close()
    row = {"n": 256.0, "tokens_per_second": 2210.4, "training_seconds": 31.25}
    rows = [
        {"label": "before sft", "accuracy": 0.012, "low": 0.003, "high": 0.04, **row},
        {"label": "after sft", "accuracy": 0.21, "low": 0.163, "high": 0.264, **row},
        {"label": "after grpo", "accuracy": 0.705, "low": 0.646, "high": 0.757, **row},
    ]
    best = {"accuracy": 0.71, "stage": "grpo", "step": steps}
    (folder / "summary.json").write_text(json.dumps({"rows": rows, "best": best}))
    facts = {"truing": "0.1.0", "packages": {"torch": "2.13.0"}, "seed": 0, "git_commit": "ab12"}
    (folder / "run.json").write_text(json.dumps({**facts, "data_sha256": "c0ffee" * 8}))
    (folder / "config.toml").write_text('output = "runs/demo"\n\n[grpo]\ngroup_size = 4\n')
    return folder


@pytest.fixture(scope="session")
def run_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """For reading only; 40 steps of SFT, then 40 of GRPO with 16 samples each."""
    return make_run(tmp_path_factory.mktemp("runs") / "demo")


@pytest.fixture(scope="session")
def hostile() -> str:
    """What some completions of `run_folder` hold."""
    return HOSTILE
