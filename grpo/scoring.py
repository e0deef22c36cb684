"""Completions to verdicts, in other processes, while other groups still generate."""

from collections.abc import Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass, replace
from time import perf_counter
from typing import TYPE_CHECKING, Protocol

from pydantic import Field
from torch import Tensor

from ..core.config import Config
from ..core.errors import VerifierFault
from ..core.records import FAULTS, Completion, Json, Outcome, Problem, Rollout, Verdict
from ..core.sampler import Sampler, SamplingParams

if TYPE_CHECKING:
    from ..verifiers import VerifierPool


class VerificationConfig(Config):
    """How completions are judged."""

    workers: int = Field(1, ge=1)
    """Verifier processes."""
    retries: int = Field(1, ge=0)
    """How often a judgement is tried again after a fault of the verifier."""
    wall_seconds: float = Field(120.0, gt=0)
    """A judgement taking longer than this is ended, however little CPU it used."""
    max_fault_share: float = Field(0.1, ge=0, le=1)
    """The run stops when more than this share of a step's judgements are verifier faults."""
    judge_truncated: bool = False
    """Let the verifier see completions that were cut off; by default they earn 0 as truncated."""


class Scorer(Protocol):
    """Whatever turns completions into verdicts."""

    def submit(self, completion: Completion, problem: Problem) -> Future[Verdict]:
        """Begin judging; the future always resolves to a verdict."""
        ...


class PoolScorer:
    """Judges in the pool, with the run's verifier or with the problem's own where it names one."""

    def __init__(
        self,
        pool: "VerifierPool",
        verifier: str,
        options: Mapping[str, Json],
        judge_truncated: bool,
    ) -> None:
        self.pool = pool
        self.verifier = verifier
        self.options = dict(options)
        self.judge_truncated = judge_truncated

    def submit(self, completion: Completion, problem: Problem) -> Future[Verdict]:
        """Begin judging; the future always resolves to a verdict."""
        if completion.truncated and not self.judge_truncated:
            done: Future[Verdict] = Future()
            reason = f"cut off after {completion.token_count} tokens ({completion.finish_reason})"
            done.set_result(Verdict(0.0, Outcome.TRUNCATED, reason=reason))
            return done
        spec = problem.verifier or self.verifier
        options = self.options if spec == self.verifier else None
        return self.pool.submit(spec, completion.text, problem, options)


@dataclass(frozen=True, slots=True)
class Timing:
    """Where the time of a rollout went, in wall seconds.

    Attributes:
        generation: until the last completion stood.
        waiting: from then until the last verdict.
        judging: summed over judgements; they run beside generation and beside each other.
    """

    generation: float
    waiting: float
    judging: float


def collect(
    sampler: Sampler,
    scorer: Scorer,
    problems: Sequence[Problem],
    params: SamplingParams,
    *,
    step: int = 0,
) -> tuple[list[Rollout], Timing]:
    """Sample and judge `params.n` completions of each problem.

    Each completion goes to the verifiers the moment it is finished.

    Returns:
        The rollouts ordered by problem and sample, their rewards set and their advantages not.
    """
    started = perf_counter()
    pending: dict[tuple[int, int], tuple[Completion, Future[Verdict]]] = {}
    for group, sample, completion in sampler.sample([p.prompt for p in problems], params):
        pending[group, sample] = (completion, scorer.submit(completion, problems[group]))
    generated = perf_counter()
    rollouts = []
    for (group, sample), (completion, future) in sorted(pending.items()):
        verdict = future.result()
        rollouts.append(
            Rollout(
                step, group, sample, problems[group], completion, verdict, reward=verdict.reward
            )
        )
    judging = sum(rollout.verdict.seconds for rollout in rollouts)
    return rollouts, Timing(generated - started, perf_counter() - generated, judging)


def check_faults(rollouts: Sequence[Rollout], config: VerificationConfig) -> None:
    """Stop a run whose verifier fails too often to be trusted.

    Raises:
        VerifierFault: more than `max_fault_share` of the verdicts are faults.
    """
    faults = [rollout for rollout in rollouts if rollout.verdict.outcome in FAULTS]
    share = len(faults) / max(len(rollouts), 1)
    if share <= config.max_fault_share:
        return
    first = faults[0]
    raise VerifierFault(
        f"{len(faults)} of {len(rollouts)} judgements ({share:.0%}) failed in the verifier itself, "
        f"more than verification.max_fault_share={config.max_fault_share:g} allows. The first, on "
        f"problem {first.problem.id!r}: {first.verdict.reason}. The tracebacks stand in the run's "
        "rollouts; mend the verifier and run the same command again to go on from the last "
        "checkpoint"
    )


def with_advantages(
    rollouts: Sequence[Rollout], advantages_PG: Tensor, valid_PG: Tensor
) -> list[Rollout]:
    """The rollouts with their advantages filled in; those that do not count keep None."""
    values, counts = advantages_PG.flatten().tolist(), valid_PG.flatten().tolist()
    return [
        replace(rollout, advantage=value if counted else None)
        for rollout, value, counted in zip(rollouts, values, counts, strict=True)
    ]
