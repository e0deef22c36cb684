"""Sampling by transformers: prompts to completions with the log-probs of what was drawn."""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np
import torch
from pydantic import Field
from torch import Tensor

from ..core.config import Config
from ..core.errors import DataError, ModelError
from ..core.records import Completion, FinishReason
from ..core.registry import Registry
from ..core.sampler import Prompt, Sample, Sampler, SamplingParams
from .policy import Policy

COMPACT_BELOW = 0.75
"""Finished rows leave the batch once fewer than this share of its rows are still growing."""


class SamplerConfig(Config):
    """How completions are generated."""

    kind: str = "transformers"
    """Name of a registered sampler."""
    tokens_in_flight: int = Field(16384, ge=1)
    """Largest batch: rows times the longest sequence they may reach, in tokens."""


class TransformersSampler:
    """A `Sampler` over the policy's own model, in this process.

    Each draw depends on the seed, the prompt's index, the sample's index and the position alone,
    not on which rows share a batch.
    """

    def __init__(self, policy: Policy, config: SamplerConfig | None = None) -> None:
        self.policy = policy
        self.config = config or SamplerConfig()

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Sample]:
        """Yield each completion as it finishes.

        Raises:
            DataError: a prompt leaves no room for `max_new_tokens` in the model's context.
        """
        encoded = [self.policy.encode_prompt(prompt) for prompt in prompts]
        check_lengths(encoded, params.max_new_tokens, self.policy.context)
        self.policy.eval_mode()
        for bucket in self._buckets(encoded, params):
            yield from _Batch(self.policy, encoded, bucket, params).run()

    def _buckets(
        self, encoded: Sequence[tuple[int, ...]], params: SamplingParams
    ) -> Iterator[list[tuple[int, int]]]:
        """(prompt, sample) pairs of like prompt length; all samples of a prompt stay together."""
        order = sorted(range(len(encoded)), key=lambda prompt: -len(encoded[prompt]))
        bucket: list[tuple[int, int]] = []
        width = 0
        for prompt in order:
            width = width or len(encoded[prompt]) + params.max_new_tokens
            if bucket and width * (len(bucket) + params.n) > self.config.tokens_in_flight:
                yield bucket
                bucket, width = [], len(encoded[prompt]) + params.max_new_tokens
            bucket += [(prompt, sample) for sample in range(params.n)]
        if bucket:
            yield bucket


def check_lengths(encoded: Sequence[tuple[int, ...]], new_tokens: int, context: int) -> None:
    """Refuse prompts that do not fit.

    Raises:
        DataError: names the longest and says how many there are.
    """
    room = context - new_tokens
    over = [len(ids) for ids in encoded if len(ids) > room]
    if over:
        raise DataError(
            f"{len(over)} of {len(encoded)} prompts are longer than the context allows: the "
            f"longest has {max(over)} tokens; the model takes {context}, of which {new_tokens} are "
            "kept for the answer. Lower max_new_tokens, shorten the prompt template, or drop such "
            "problems with data.max_prompt_tokens"
        )


@dataclass(slots=True)
class _Row:
    prompt: int
    sample: int
    uniforms: np.ndarray[Any, np.dtype[np.float64]]
    ids: list[int] = field(default_factory=list)
    logprobs: list[float] = field(default_factory=list)


class _Batch:
    """One bucket of rows, grown a token at a time with a key-value cache."""

    def __init__(
        self,
        policy: Policy,
        encoded: Sequence[tuple[int, ...]],
        bucket: Sequence[tuple[int, int]],
        params: SamplingParams,
    ) -> None:
        self.policy, self.params = policy, params
        self.started = perf_counter()
        self.rows = [_Row(p, s, _uniforms(params, p, s)) for p, s in bucket]
        self.prompts = [encoded[prompt] for prompt in dict.fromkeys(p for p, _ in bucket)]

    @torch.no_grad()
    def run(self) -> Iterator[Sample]:
        """Prefill each prompt once, then draw a token for every growing row until none is left."""
        policy, eos = self.policy, self.policy.eos_ids
        cache, logits_BV, attention_BT = self._prefill()
        alive = list(range(len(self.rows)))  # rows in the model's batch, by batch position
        for position in range(self.params.max_new_tokens):
            drawn_B, logprobs_B = self._draw(logits_BV, alive, position)
            growing: list[int] = []
            for place, row_number in enumerate(alive):
                row = self.rows[row_number]
                if row.ids and (row.ids[-1] in eos):
                    continue  # finished earlier and not yet compacted away
                row.ids.append(drawn_B[place])
                row.logprobs.append(logprobs_B[place])
                if drawn_B[place] in eos:
                    yield self._finish(row, FinishReason.STOP)
                elif position + 1 == self.params.max_new_tokens:
                    yield self._finish(row, FinishReason.LENGTH)
                else:
                    growing.append(place)
            if not growing:
                return
            if len(growing) < COMPACT_BELOW * len(alive):
                keep = torch.tensor(growing, device=policy.device)
                cache.batch_select_indices(keep)
                attention_BT = attention_BT[keep]
                drawn_B = [drawn_B[place] for place in growing]
                alive = [alive[place] for place in growing]
            attention_BT = torch.cat([attention_BT, attention_BT.new_ones(len(alive), 1)], dim=1)
            logits_BV = self._forward(
                torch.tensor(drawn_B, device=policy.device)[:, None], attention_BT, cache
            )

    def _prefill(self) -> tuple[Any, Tensor, Tensor]:
        from transformers import DynamicCache

        width = max(map(len, self.prompts))
        ids = np.zeros((len(self.prompts), width), dtype=np.int64)
        real = np.zeros((len(self.prompts), width), dtype=np.int64)
        for b, prompt in enumerate(self.prompts):  # padded on the left: answers start together
            ids[b, width - len(prompt) :] = prompt
            real[b, width - len(prompt) :] = 1
        cache = DynamicCache(config=self.policy.model.config)
        attention_PT = torch.from_numpy(real).to(self.policy.device)
        tokens_PT = torch.from_numpy(ids).to(self.policy.device)
        logits_PV = self._forward(tokens_PT, attention_PT, cache)
        n = self.params.n
        cache.batch_repeat_interleave(n)
        return cache, logits_PV.repeat_interleave(n, 0), attention_PT.repeat_interleave(n, 0)

    def _forward(self, tokens_BT: Tensor, attention_BT: Tensor, cache: Any) -> Tensor:
        positions_BT = (attention_BT.cumsum(1) - 1).clamp(min=0)[:, -tokens_BT.shape[1] :]
        output = self.policy.model(
            input_ids=tokens_BT,
            attention_mask=attention_BT,
            position_ids=positions_BT,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
        )
        logits: Tensor = output.logits[:, -1]
        return logits

    def _draw(
        self, logits_BV: Tensor, alive: Sequence[int], position: int
    ) -> tuple[list[int], list[float]]:
        """A token for each row in the batch, with its log-prob under the sampled distribution."""
        if self.params.temperature == 0:
            logprobs_BV = logits_BV.float().log_softmax(-1)
            drawn = logprobs_BV.argmax(-1)
        else:
            scaled = logits_BV.float() / self.params.temperature
            logprobs_BV = keep_top(scaled, self.params.top_k, self.params.top_p).log_softmax(-1)
            uniforms = [self.rows[row].uniforms[position] for row in alive]
            drawn = inverse_cdf(logprobs_BV, torch.tensor(uniforms, dtype=torch.float64))
        chosen = logprobs_BV.gather(-1, drawn[:, None])[:, 0]
        if not chosen.isfinite().all():
            raise ModelError(
                "the model's log-probs are not finite: its weights were harmed. Go on from an "
                "earlier checkpoint, with a lower learning rate"
            )
        return drawn.tolist(), chosen.tolist()

    def _finish(self, row: _Row, reason: FinishReason) -> Sample:
        ids = tuple(row.ids)
        completion = Completion(
            text=self.policy.decode(ids),
            token_ids=ids,
            logprobs=tuple(row.logprobs),
            finish_reason=reason,
            seconds=perf_counter() - self.started,
            policy_version=self.policy.version,
        )
        return Sample(row.prompt, row.sample, completion)


def keep_top(logits_BV: Tensor, top_k: int, top_p: float) -> Tensor:
    """Logits with everything outside the top k, then outside the nucleus p, at −inf.

    Args:
        logits_BV: [B, V], temperature applied.
        top_k: tokens kept; 0 keeps all.
        top_p: mass kept: the fewest likeliest tokens that reach it (Holtzman et al. 2019,
            arXiv:1904.09751); 1 keeps all.
    """
    if top_k:
        lowest = logits_BV.topk(min(top_k, logits_BV.shape[-1]), dim=-1).values[:, -1:]
        logits_BV = logits_BV.masked_fill(logits_BV < lowest, -torch.inf)
    if top_p < 1:
        ordered, order = logits_BV.sort(dim=-1, descending=True)
        mass_before = ordered.softmax(-1).cumsum(-1) - ordered.softmax(-1)
        outside = torch.zeros_like(mass_before, dtype=torch.bool)
        outside.scatter_(-1, order, mass_before >= top_p)
        logits_BV = logits_BV.masked_fill(outside, -torch.inf)
    return logits_BV


def inverse_cdf(logprobs_BV: Tensor, uniforms_B: Tensor) -> Tensor:
    """[B] tokens: the first whose cumulative probability exceeds the row's uniform number.

    In float64, so that no token of probability 0 is ever drawn and rounding does not favour the
    last ones.
    """
    cumulative_BV = logprobs_BV.double().exp().cumsum(-1)
    targets_B1 = (uniforms_B.to(cumulative_BV.device) * cumulative_BV[:, -1])[:, None]
    drawn_B = torch.searchsorted(cumulative_BV, targets_B1, right=True)[:, 0]
    return drawn_B.clamp(max=logprobs_BV.shape[-1] - 1)


def _uniforms(
    params: SamplingParams, prompt: int, sample: int
) -> np.ndarray[Any, np.dtype[np.float64]]:
    if params.temperature == 0:
        return np.empty(0)
    return np.random.default_rng([params.seed, prompt, sample]).random(params.max_new_tokens)


SAMPLERS: Registry[Callable[[Policy, SamplerConfig], Sampler]] = Registry("sampler")
"""Name -> what makes a sampler of the policy in training."""
SAMPLERS.add("transformers", TransformersSampler, description="the policy's own model, in process")
