"""Supervised fine-tuning on demonstrations: maximise the likelihood of each response."""

from collections.abc import Iterator
from functools import lru_cache

from pydantic import Field
from torch import Tensor

from ...core.errors import DataError
from ..batching import EpochOrder, TokenSequence, micro_batches
from ..losses import Aggregation, BatchTotals, negative_log_likelihood, token_weights
from ..optimizer import Optimizer, OptimizerConfig
from .base import ALGORITHMS, AlgorithmConfig, Context, StepResult, timed


class SFTConfig(AlgorithmConfig):
    """Supervised fine-tuning: `batch_size` demonstrations an update."""

    batch_size: int = Field(64, ge=1)
    """Demonstrations an update."""
    optimizer: OptimizerConfig = OptimizerConfig(learning_rate=2e-5)
    """AdamW and its schedule."""

    @property
    def total_updates(self) -> int:
        """One a step."""
        return self.steps


@ALGORITHMS.register("sft", description="supervised fine-tuning on demonstrations")
class SFT:
    """Minimises −log π(response | prompt), averaged over the batch's response tokens."""

    config_type = SFTConfig

    def __init__(self, config: SFTConfig, context: Context) -> None:
        self.config, self.context, self.policy = config, context, context.policy
        self.problems = [p for p in context.problems if p.metadata.get("response")]
        if not self.problems:
            raise DataError(
                f"sft needs demonstrations, but none of the {len(context.problems)} training "
                "problems has a response; map one with data.columns.response=COLUMN"
            )
        self.optimizer = Optimizer(self.policy, config.optimizer, config.total_updates)
        self.order = EpochOrder(len(self.problems), context.seed)
        self._sequence = lru_cache(maxsize=1 << 16)(self._encode)  # met again in each epoch

    def step(self, step: int) -> StepResult:
        """One update on the next `batch_size` demonstrations."""
        size = self.config.batch_size
        chosen = self.order.take((step - 1) * size, size)
        sequences = [self._sequence(index) for index in chosen]
        tokens = sum(len(sequence.completion_ids) for sequence in sequences)
        totals = BatchTotals(len(sequences), tokens, longest=self.policy.context)
        self.policy.training_mode(dropout=True)
        with timed() as clock:
            metrics = self.optimizer.update(self._losses(sequences, totals))
        metrics |= {"tokens": float(tokens), "seconds/training": clock.seconds}
        metrics["tokens_per_second/training"] = tokens / clock.seconds
        return StepResult(metrics)

    def _losses(self, sequences: list[TokenSequence], totals: BatchTotals) -> Iterator[Tensor]:
        for batch in micro_batches(sequences, self.config.tokens_per_micro_batch):
            here = batch.to(self.policy.device)
            per_token_BT = negative_log_likelihood(self.policy.score(here).logprobs_BT)
            weights_BT = token_weights(here.scored_BT, Aggregation.TOKEN_MEAN, totals)
            yield (per_token_BT * weights_BT.to(per_token_BT.dtype)).sum()

    def _encode(self, index: int) -> TokenSequence:
        problem = self.problems[index]
        sequence = TokenSequence(
            self.policy.encode_prompt(problem.prompt),
            self.policy.encode_response(str(problem.metadata["response"])),
        )
        if len(sequence) > self.policy.context:
            raise DataError(
                f"the demonstration of problem {problem.id!r} has {len(sequence)} tokens with its "
                f"prompt; the model takes {self.policy.context}. Drop such problems with "
                "data.max_prompt_tokens, or shorten the responses"
            )
        return sequence
