"""What every algorithm is: a config, a step, an optimizer, over one shared context."""

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any, Protocol

from pydantic import Field

from ...core.config import Config
from ...core.records import Problem, Rollout
from ...core.registry import Registry
from ...core.sampler import Sampler
from ..optimizer import Optimizer
from ..policy import Policy
from ..scoring import Scorer


class AlgorithmConfig(Config):
    """What every algorithm's section has."""

    steps: int = Field(ge=1)
    """Steps to train."""
    tokens_per_micro_batch: int = Field(8192, ge=1)
    """Padded tokens that go through the model at once in training; changes memory, not results."""


@dataclass(frozen=True, slots=True)
class Context:
    """What a run lends an algorithm.

    Attributes:
        policy: trained in place.
        sampler: samples from the policy.
        scorer: judges completions.
        problems: of the training split.
        seed: of this stage; data order and sampling derive from it.
    """

    policy: Policy
    sampler: Sampler
    scorer: Scorer
    problems: Sequence[Problem]
    seed: int


@dataclass(frozen=True, slots=True)
class StepResult:
    """What a step leaves behind: metrics, and rollouts where it sampled any."""

    metrics: Mapping[str, float]
    rollouts: Sequence[Rollout] = field(default=())


class Algorithm(Protocol):
    """One training path. All state beyond weights, optimizer and RNG derives from the step."""

    optimizer: Optimizer

    def step(self, step: int) -> StepResult:
        """Do step number `step`, counted from 1."""
        ...


ALGORITHMS: Registry[Any] = Registry("algorithm")
"""name -> class with `config_type` and `(config, context)` as constructor arguments."""


class Clock:
    """Seconds that a `timed` block took."""

    seconds: float = 0.0


@contextmanager
def timed() -> Iterator[Clock]:
    """Time a block; `seconds` is set, and above 0, when it ends."""
    clock = Clock()
    started = perf_counter()
    yield clock
    clock.seconds = max(perf_counter() - started, 1e-9)
