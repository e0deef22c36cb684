"""What a step reports: pure sums over tokens, groups and rollouts."""

import resource
import sys
from collections import Counter
from collections.abc import Sequence
from math import nan

import numpy as np
import torch
from torch import Tensor

from ..core.records import FAULTS, Outcome, Rollout
from .advantage import equal_rewards
from .scoring import Timing


class TokenMeter:
    """Means and maxima of per-token values over all micro-batches and updates of a step."""

    def __init__(self) -> None:
        self._sums: dict[str, float] = {}
        self._maxima: dict[str, float] = {}
        self._tokens = 0

    def add(self, mask_BT: Tensor, values_BT: dict[str, Tensor]) -> None:
        """Count the masked values of one micro-batch."""
        self._tokens += int(mask_BT.sum())
        for name, values in values_BT.items():
            chosen = values.detach()[mask_BT].double()
            self._sums[name] = self._sums.get(name, 0.0) + float(chosen.sum())
            highest = float(chosen.max()) if chosen.numel() else 0.0
            self._maxima[name] = max(self._maxima.get(name, highest), highest)

    @property
    def tokens(self) -> int:
        """Tokens counted so far, once for every update that they entered."""
        return self._tokens

    def mean(self, name: str) -> float:
        """Mean over tokens; nan where none were counted, which the log writes as null."""
        return self._sums.get(name, 0.0) / self._tokens if self._tokens else nan

    def maximum(self, name: str) -> float:
        """Largest value; nan where none were counted."""
        return self._maxima.get(name, nan)


def rollout_metrics(rollouts: Sequence[Rollout]) -> dict[str, float]:
    """Lengths, truncation and verdicts of a step's rollouts."""
    lengths = [rollout.completion.token_count for rollout in rollouts]
    p10, p50, p90 = np.percentile(lengths, [10, 50, 90])
    outcomes = Counter(rollout.verdict.outcome for rollout in rollouts)
    faults = sum(outcomes[fault] for fault in FAULTS)
    truncated = sum(rollout.completion.truncated for rollout in rollouts)
    return {
        "length/mean": float(np.mean(lengths)),
        "length/p10": float(p10),
        "length/p50": float(p50),
        "length/p90": float(p90),
        "length/max": float(max(lengths)),
        "truncated_share": truncated / len(rollouts),
        "verifier_fault_share": faults / len(rollouts),
    } | {f"outcome/{outcome.value}": float(outcomes[outcome]) for outcome in Outcome}


def group_metrics(rewards_PG: Tensor, valid_PG: Tensor) -> dict[str, float]:
    """Rewards over the samples that count, and how many groups can teach anything."""
    counted = rewards_PG[valid_PG]
    usable_P = valid_PG.sum(dim=1) >= 2
    flat_P = equal_rewards(rewards_PG, valid_PG) & usable_P
    return {
        "reward/mean": float(counted.mean()) if counted.numel() else 0.0,
        "reward/std": float(counted.std()) if counted.numel() > 1 else 0.0,
        "groups/zero_std_share": float(flat_P.sum()) / max(int(usable_P.sum()), 1),
        "groups/excluded": float((~usable_P).sum()),
        "samples/excluded": float((~valid_PG).sum()),
    }


def timing_metrics(
    rollouts: Sequence[Rollout], timing: Timing, training_seconds: float, trained_tokens: int
) -> dict[str, float]:
    """Seconds and completion tokens a second, split by what they went to.

    Training counts the tokens that entered an update, once for each update.
    """
    tokens = sum(rollout.completion.token_count for rollout in rollouts)
    return {
        "seconds/generation": timing.generation,
        "seconds/verification": timing.waiting,
        "seconds/judging": timing.judging,
        "seconds/training": training_seconds,
        "tokens_per_second/generation": tokens / max(timing.generation, 1e-9),
        "tokens_per_second/verification": tokens / max(timing.judging, 1e-9),
        "tokens_per_second/training": trained_tokens / max(training_seconds, 1e-9),
    }


def peak_memory_bytes(device: torch.device) -> int:
    """The most memory held so far: the GPU's where the model is on one, else the process's."""
    if device.type == "cuda":
        return int(torch.cuda.max_memory_allocated(device))
    unit = 1 if sys.platform == "darwin" else 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * unit
