"""Sampler times problems to graded samples and one summary; grading goes on while sampling does."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from dataclasses import dataclass
from queue import Empty, SimpleQueue
from time import perf_counter

from ..core.errors import DataError, VerifierFault
from ..core.records import FAULTS, Outcome, Problem, Record, Rollout, Verdict
from ..core.sampler import Sample, Sampler, SamplingParams
from ..grpo.scoring import Scorer
from .estimate import Estimate, average, pass_at_k, quantile

OnGraded = Callable[[Rollout], None]
Graded = tuple[Sample, Future[Verdict]]


@dataclass(frozen=True, slots=True)
class Evaluation(Record):
    """What one evaluation measured.

    Attributes:
        problems: number of problems.
        samples: completions asked of each.
        graded: completions that count; the rest are faults of the verifier or sandbox.
        accuracy: mean over problems of the mean score of each one's graded completions.
        low: lower end of the 95% interval over problems.
        high: upper end.
        standard_error: of the accuracy, over problems.
        pass_at: k to the unbiased pass@k, for each k up to `samples` that doubles the last.
        outcomes: outcome to its number of completions, over all of them.
        truncated_share: share of completions that were cut at the token limit.
        length_p10: tenth percentile of the completions' lengths in tokens; p50, p90, max likewise.
        tokens: tokens sampled.
        seconds: wall time from the first prompt to the last verdict.
        generation_seconds: wall time until the last completion stood.
        judging_seconds: summed over judgements; most of it runs beside generation.
        rollouts: every completion with its verdict, by problem and sample.
    """

    problems: int
    samples: int
    graded: int
    accuracy: float
    low: float
    high: float
    standard_error: float
    pass_at: Mapping[int, float]
    outcomes: Mapping[Outcome, int]
    truncated_share: float
    length_p10: float
    length_p50: float
    length_p90: float
    length_max: int
    tokens: int
    seconds: float
    generation_seconds: float
    judging_seconds: float
    rollouts: tuple[Rollout, ...] = ()

    @property
    def completions(self) -> int:
        """All completions, faults included."""
        return sum(self.outcomes.values())

    @property
    def faults(self) -> int:
        """Completions that could not be judged; they are no part of the accuracy."""
        return sum(count for outcome, count in self.outcomes.items() if outcome in FAULTS)

    @property
    def tokens_per_second(self) -> float:
        """Sampled tokens a second of generation."""
        return self.tokens / max(self.generation_seconds, 1e-9)

    def metrics(self) -> dict[str, float]:
        """The summary as plain numbers, as a run's metrics hold it."""
        return {
            "accuracy": self.accuracy,
            "low": self.low,
            "high": self.high,
            "standard_error": self.standard_error,
            "n": float(self.graded),
            "problems": float(self.problems),
            "verifier_fault_share": self.faults / max(self.completions, 1),
            "truncated_share": self.truncated_share,
            "length/p10": self.length_p10,
            "length/p50": self.length_p50,
            "length/p90": self.length_p90,
            "length/max": float(self.length_max),
            "tokens": float(self.tokens),
            "seconds": self.seconds,
            "tokens_per_second": self.tokens_per_second,
            **{f"pass@{k}": value for k, value in self.pass_at.items()},
            **{f"outcome/{o.value}": float(self.outcomes.get(o, 0)) for o in Outcome},
        }


def measure(
    sampler: Sampler, scorer: Scorer, problems: Sequence[Problem], params: SamplingParams
) -> dict[str, float]:
    """`evaluate` as the training loop wants it: the summary's numbers alone."""
    return evaluate(sampler, scorer, problems, params).metrics()


def evaluate(
    sampler: Sampler,
    scorer: Scorer,
    problems: Sequence[Problem],
    params: SamplingParams,
    *,
    max_fault_share: float = 1.0,
    on_graded: OnGraded | None = None,
) -> Evaluation:
    """Sample `params.n` completions of each problem and grade them.

    Args:
        sampler: what to measure.
        scorer: the verifier over its pool; each completion goes to it the moment it stands.
        problems: at least one, with distinct ids.
        params: how to sample.
        max_fault_share: give up as soon as more than this share of all judgements must end as
            faults of the verifier; at 1 only an evaluation without any graded sample is refused.
        on_graded: called in this thread with each rollout as soon as its verdict is in.

    Raises:
        DataError: there are no problems.
        VerifierFault: the verifier failed too often; see `max_fault_share`.
    """
    if not problems:
        raise DataError("there are no problems to evaluate on")
    grading = _Grading(scorer, problems, params.n, max_fault_share, on_graded)
    started = perf_counter()
    for sample in sampler.sample([problem.prompt for problem in problems], params):
        grading.add(sample)
        grading.take_finished()
    generated = perf_counter()
    rollouts = grading.finish()
    return _summary(problems, params.n, rollouts, generated - started, perf_counter() - started)


class _Grading:
    """Completions whose verdicts are under way, and the rollouts that are done."""

    def __init__(
        self,
        scorer: Scorer,
        problems: Sequence[Problem],
        samples: int,
        max_fault_share: float,
        on_graded: OnGraded | None,
    ) -> None:
        self._scorer, self._problems, self._on_graded = scorer, problems, on_graded
        self._total = len(problems) * samples
        self._max_fault_share = max_fault_share
        self._done: SimpleQueue[Graded] = SimpleQueue()
        self._waiting = 0
        self._faults: list[Rollout] = []
        self._rollouts: list[Rollout] = []

    def add(self, sample: Sample) -> None:
        future = self._scorer.submit(sample.completion, self._problems[sample.prompt])
        self._waiting += 1
        future.add_done_callback(lambda ended: self._done.put((sample, ended)))

    def take_finished(self) -> None:
        """Record the verdicts that are in, without waiting for others."""
        while True:
            try:
                graded = self._done.get_nowait()
            except Empty:
                return
            self._record(graded)

    def finish(self) -> list[Rollout]:
        """Wait for every verdict."""
        while self._waiting:
            self._record(self._done.get())
        return sorted(self._rollouts, key=lambda rollout: (rollout.group, rollout.sample))

    def _record(self, graded: Graded) -> None:
        (prompt, index, completion), future = graded
        self._waiting -= 1
        verdict = future.result()
        rollout = Rollout(
            0, prompt, index, self._problems[prompt], completion, verdict, reward=verdict.reward
        )
        self._rollouts.append(rollout)
        if self._on_graded is not None:
            self._on_graded(rollout)
        if verdict.outcome in FAULTS:
            self._faults.append(rollout)
            if len(self._faults) > self._max_fault_share * self._total:
                raise _too_many(self._faults, self._total, self._max_fault_share)


def _too_many(faults: Sequence[Rollout], total: int, allowed: float) -> VerifierFault:
    first = faults[0]
    return VerifierFault(
        f"{len(faults)} of {total} judgements failed in the verifier itself; at most "
        f"{allowed:.0%} may. The first, on problem {first.problem.id!r}: {first.verdict.reason}"
    )


def _summary(
    problems: Sequence[Problem],
    samples: int,
    rollouts: Sequence[Rollout],
    generation_seconds: float,
    seconds: float,
) -> Evaluation:
    by_problem: list[list[Verdict]] = [[] for _ in problems]
    for rollout in rollouts:
        if rollout.verdict.outcome not in FAULTS:
            by_problem[rollout.group].append(rollout.verdict)
    graded = sum(map(len, by_problem))
    if not graded:
        raise _too_many(rollouts, len(rollouts), 0.0)
    estimate: Estimate = average([[v.score for v in verdicts] for verdicts in by_problem])
    lengths = [rollout.completion.token_count for rollout in rollouts]
    outcomes = [rollout.verdict.outcome for rollout in rollouts]
    return Evaluation(
        problems=len(problems),
        samples=samples,
        graded=graded,
        accuracy=estimate.mean,
        low=estimate.low,
        high=estimate.high,
        standard_error=estimate.standard_error,
        pass_at=_pass_at(by_problem, samples),
        outcomes={outcome: outcomes.count(outcome) for outcome in Outcome if outcome in outcomes},
        truncated_share=sum(r.completion.truncated for r in rollouts) / len(rollouts),
        length_p10=quantile(lengths, 0.1),
        length_p50=quantile(lengths, 0.5),
        length_p90=quantile(lengths, 0.9),
        length_max=max(lengths),
        tokens=sum(lengths),
        seconds=seconds,
        generation_seconds=generation_seconds,
        judging_seconds=sum(rollout.verdict.seconds for rollout in rollouts),
        rollouts=tuple(rollouts),
    )


def _pass_at(by_problem: Sequence[Sequence[Verdict]], samples: int) -> dict[int, float]:
    """Over the problems with at least k graded samples; a partial score is not a pass."""
    found = {}
    k = 2
    while k <= samples:
        shares = [
            pass_at_k(len(verdicts), sum(v.outcome is Outcome.CORRECT for v in verdicts), k)
            for verdicts in by_problem
            if len(verdicts) >= k
        ]
        if shares:
            found[k] = sum(shares) / len(shares)
        k *= 2
    return found
