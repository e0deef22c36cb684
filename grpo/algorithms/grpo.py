"""Group relative policy optimisation: sample a group, judge it, prefer what beats the group's mean.

Shao et al. 2024, arXiv:2402.03300, algorithm 1 with outcome supervision (section 4.1.2).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from pydantic import Field, model_validator
from torch import Tensor

from ...core.records import Rollout
from ...core.sampler import SamplingParams
from ..advantage import group_relative
from ..batching import EpochOrder, TokenSequence, micro_batches
from ..losses import (
    Aggregation,
    BatchTotals,
    clipped_mask,
    clipped_surrogate,
    k3_kl,
    token_weights,
)
from ..metrics import TokenMeter, group_metrics, rollout_metrics, timing_metrics
from ..optimizer import Optimizer, OptimizerConfig
from ..scoring import Timing, collect, with_advantages
from .base import ALGORITHMS, AlgorithmConfig, Context, StepResult, timed


class GRPOConfig(AlgorithmConfig):
    """One step: `problems_per_step` × `group_size` completions, then `epochs` passes over them."""

    problems_per_step: int = Field(8, ge=1)
    """Problems sampled each step."""
    group_size: int = Field(8, ge=1)
    """Completions of each problem; they are compared with each other."""
    max_new_tokens: int = Field(256, ge=1)
    """Longest completion, in tokens."""
    temperature: float = Field(1.0, gt=0)
    """Sampling temperature; training scores tokens at the same one."""
    epochs: int = Field(1, ge=1)
    """Passes over each rollout."""
    minibatches: int = Field(1, ge=1)
    """Updates in a pass: the rollout's groups are split into this many."""
    clip_low: float = Field(0.2, ge=0, le=1)
    """The probability ratio may fall to 1 − clip_low."""
    clip_high: float = Field(0.2, ge=0)
    """The probability ratio may rise to 1 + clip_high."""
    beta: float = Field(0.0, ge=0)
    """Weight of the KL penalty to the policy as it was when this stage began."""
    scale_by_std: bool = True
    """Divide advantages by the group's standard deviation; False as in Dr. GRPO."""
    aggregation: Aggregation = Aggregation.SEQUENCE_MEAN
    """How token losses become one number: sequence_mean (GRPO), token_mean (DAPO), fixed_length."""
    optimizer: OptimizerConfig = OptimizerConfig()
    """AdamW and its schedule."""

    @model_validator(mode="after")
    def _sizes(self) -> "GRPOConfig":
        if self.group_size < 2:
            raise ValueError(
                f"group_size is {self.group_size}; group-relative advantages need at least 2. "
                "Set group_size=8"
            )
        if self.minibatches > self.problems_per_step:
            raise ValueError(
                f"minibatches is {self.minibatches}, more than problems_per_step "
                f"({self.problems_per_step}); each minibatch needs at least one group"
            )
        return self

    @property
    def total_updates(self) -> int:
        """Over the whole stage."""
        return self.steps * self.epochs * self.minibatches


@dataclass(frozen=True, slots=True)
class Trained:
    """A sequence that enters the loss: its tokens, advantage, and log-probs fixed before training.

    Attributes:
        sequence: prompt and sampled ids, never encoded anew.
        advantage: of its whole completion.
        sampled: log-probs as the sampler recorded them.
        old: the trainer's own before the first update; None where there is one update only.
        reference: under the reference policy; None where beta is 0.
    """

    sequence: TokenSequence
    advantage: float
    sampled: tuple[float, ...]
    old: tuple[float, ...] | None = None
    reference: tuple[float, ...] | None = None


@ALGORITHMS.register("grpo", description="group relative policy optimisation (arXiv:2402.03300)")
class GRPO:
    """The paper's algorithm 1; options that depart from it name their source."""

    config_type = GRPOConfig

    def __init__(self, config: GRPOConfig, context: Context) -> None:
        self.config, self.context, self.policy = config, context, context.policy
        self.optimizer = Optimizer(self.policy, config.optimizer, config.total_updates)
        self.order = EpochOrder(len(context.problems), context.seed)
        self.needs_reference = config.beta > 0

    def step(self, step: int) -> StepResult:
        """Sample, judge, compare, update."""
        rollouts, timing = self._sample(step)
        rewards_PG, valid_PG = reward_table(rollouts, self.config.group_size)
        advantages_PG = group_relative(rewards_PG, valid_PG, scale_by_std=self.config.scale_by_std)
        rollouts = with_advantages(rollouts, advantages_PG, valid_PG)
        with timed() as clock:
            metrics = self._train(rollouts)
        metrics |= rollout_metrics(rollouts) | group_metrics(rewards_PG, valid_PG)
        trained_tokens = int(metrics["trained_tokens"])
        metrics |= timing_metrics(rollouts, timing, clock.seconds, trained_tokens)
        return StepResult(metrics, rollouts)

    def _sample(self, step: int) -> tuple[list[Rollout], Timing]:
        config = self.config
        chosen = self.order.take((step - 1) * config.problems_per_step, config.problems_per_step)
        params = SamplingParams(
            temperature=config.temperature,
            max_new_tokens=config.max_new_tokens,
            n=config.group_size,
            seed=self.context.seed * 1_000_003 + step,
        )
        problems = [self.context.problems[index] for index in chosen]
        return collect(self.context.sampler, self.context.scorer, problems, params, step=step)

    def _train(self, rollouts: Sequence[Rollout]) -> dict[str, float]:
        config = self.config
        counted = [rollout for rollout in rollouts if rollout.advantage is not None]
        groups = sorted({rollout.group for rollout in counted})
        parts = [set(groups[part :: config.minibatches]) for part in range(config.minibatches)]
        batches = [self._prepare([r for r in counted if r.group in part]) for part in parts]
        meter = TokenMeter()
        self.policy.training_mode(dropout=False)
        updates = [
            self.optimizer.update(self._losses(trained, totals, meter))
            for _ in range(config.epochs)
            for trained, totals in batches
        ]
        kl = {"kl": meter.mean("kl")} if self.needs_reference else {}
        return kl | {
            "loss": sum(update["loss"] for update in updates) / len(updates),
            "grad_norm": max(update["grad_norm"] for update in updates),
            "learning_rate": updates[-1]["learning_rate"],
            "entropy": meter.mean("entropy"),
            "clip_share": meter.mean("clipped"),
            "mismatch/mean": meter.mean("mismatch"),
            "mismatch/max": meter.maximum("mismatch"),
            "mismatch/kl": meter.mean("mismatch_kl"),
            "trained_tokens": float(meter.tokens),
        }

    def _prepare(self, rollouts: Sequence[Rollout]) -> tuple[list[Trained], BatchTotals]:
        """What of a minibatch enters the loss, with the denominators of all of it.

        A sequence of advantage 0 adds nothing to the surrogate; it is left out of the computation,
        though not of the denominators, unless the KL penalty gives it a gradient.
        """
        totals = BatchTotals(
            sequences=len(rollouts),
            tokens=sum(rollout.completion.token_count for rollout in rollouts),
            longest=self.config.max_new_tokens,
        )
        kept = [rollout for rollout in rollouts if rollout.advantage or self.needs_reference]
        sequences = [self._sequence(rollout) for rollout in kept]
        # With one update a rollout the current log-probs are the old ones: no extra forward pass,
        # and a ratio of exactly 1 however the batch is split.
        once = self.config.epochs * self.config.minibatches == 1
        old = [None] * len(kept) if once else self._logprobs(sequences)
        reference: Sequence[tuple[float, ...] | None] = [None] * len(kept)
        if self.needs_reference:
            with self.policy.as_reference():
                reference = self._logprobs(sequences)
        return [
            Trained(sequence, r.advantage or 0.0, r.completion.logprobs, before, target)
            for r, sequence, before, target in zip(kept, sequences, old, reference, strict=True)
        ], totals

    def _sequence(self, rollout: Rollout) -> TokenSequence:
        prompt_ids = self.policy.encode_prompt(rollout.problem.prompt)
        return TokenSequence(prompt_ids, rollout.completion.token_ids)

    @torch.no_grad()
    def _logprobs(self, sequences: Sequence[TokenSequence]) -> list[tuple[float, ...]]:
        """Log-probs of each sequence's completion tokens under the weights as they are now."""
        self.policy.eval_mode()
        found: dict[int, tuple[float, ...]] = {}
        for batch in micro_batches(sequences, self.config.tokens_per_micro_batch):
            here = batch.to(self.policy.device)
            scores = self.policy.score(here, temperature=self.config.temperature)
            for place, row in enumerate(batch.rows):
                scored_T = here.scored_BT[place]
                found[row] = tuple(scores.logprobs_BT[place, scored_T].tolist())
        return [found[row] for row in range(len(sequences))]

    def _losses(
        self, trained: Sequence[Trained], totals: BatchTotals, meter: TokenMeter
    ) -> Iterator[Tensor]:
        """Each micro-batch's share of the minibatch's loss."""
        config = self.config
        sequences = [one.sequence for one in trained]
        for batch in micro_batches(sequences, config.tokens_per_micro_batch):
            here = batch.to(self.policy.device)
            rows = [trained[row] for row in batch.rows]
            logprobs_BT, entropy_BT = self.policy.score(
                here, temperature=config.temperature, entropy=True
            )
            advantages_B = logprobs_BT.new_tensor([row.advantage for row in rows])
            sampled_BT = here.spread([row.sampled for row in rows], logprobs_BT)
            old_BT = logprobs_BT.detach()
            if rows[0].old is not None:
                old_BT = here.spread([row.old or () for row in rows], logprobs_BT)
            clips = {"clip_low": config.clip_low, "clip_high": config.clip_high}
            loss_BT = clipped_surrogate(logprobs_BT, old_BT, advantages_B, **clips)
            clipped_BT = clipped_mask(logprobs_BT.detach(), old_BT, advantages_B, **clips)
            observed = {"entropy": entropy_BT, "clipped": clipped_BT}
            observed |= mismatch(old_BT, sampled_BT)
            if self.needs_reference:
                reference_BT = here.spread([row.reference or () for row in rows], logprobs_BT)
                kl_BT = k3_kl(logprobs_BT, reference_BT)
                loss_BT = loss_BT + config.beta * kl_BT
                observed["kl"] = kl_BT
            meter.add(here.scored_BT, observed)
            weights_BT = token_weights(here.scored_BT, config.aggregation, totals)
            yield (loss_BT * weights_BT.to(loss_BT.dtype)).sum()


def reward_table(rollouts: Sequence[Rollout], group_size: int) -> tuple[Tensor, Tensor]:
    """Rewards [P, G] in float64 and where they count; a verifier's fault has no reward.

    Args:
        rollouts: ordered by problem and sample, `group_size` of each problem.
        group_size: G.
    """
    values = [0.0 if rollout.reward is None else rollout.reward for rollout in rollouts]
    counts = [rollout.reward is not None for rollout in rollouts]
    return (
        torch.tensor(values, dtype=torch.float64).view(-1, group_size),
        torch.tensor(counts).view(-1, group_size),
    )


def mismatch(trainer_BT: Tensor, sampler_BT: Tensor) -> dict[str, Tensor]:
    """How far the trainer's log-probs are from those the sampler recorded, token by token.

    `mismatch_kl` is the k3 estimate of KL(sampler ‖ trainer).
    """
    difference_BT = trainer_BT.detach() - sampler_BT
    return {
        "mismatch": difference_BT.abs(),
        "mismatch_kl": torch.expm1(difference_BT) - difference_BT,
    }
