"""Sequences to padded micro-batches under a token budget.

Axes: B sequences, T tokens of the padded sequence, N scored tokens of a micro-batch.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor

from ..core.errors import DataError


@dataclass(frozen=True, slots=True)
class TokenSequence:
    """A prompt and what followed it, as token ids; only the completion is scored."""

    prompt_ids: tuple[int, ...]
    completion_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        if not self.prompt_ids or not self.completion_ids:
            raise DataError("a sequence needs at least one prompt token and one completion token")

    def __len__(self) -> int:
        return len(self.prompt_ids) + len(self.completion_ids)


@dataclass(frozen=True, slots=True)
class MicroBatch:
    """Some sequences of a batch, padded on the right.

    Attributes:
        tokens_BT: token ids; padding is 0 and never read.
        attention_BT: True where a token is real.
        scored_BT: True where a token is of the completion, end-of-sequence included.
        rows: which sequences of the whole batch these are.
    """

    tokens_BT: Tensor
    attention_BT: Tensor
    scored_BT: Tensor
    rows: tuple[int, ...]

    def to(self, device: torch.device) -> "MicroBatch":
        """The same on another device."""
        return MicroBatch(
            self.tokens_BT.to(device),
            self.attention_BT.to(device),
            self.scored_BT.to(device),
            self.rows,
        )

    def spread(self, values: Sequence[Sequence[float]], like: Tensor) -> Tensor:
        """Values of the completion tokens as [B, T], 0 elsewhere.

        Args:
            values: for each row of this micro-batch, one value a completion token.
            like: gives the type and device.
        """
        spread_BT = torch.zeros(self.scored_BT.shape, dtype=like.dtype, device=like.device)
        flat = [value for row in values for value in row]
        spread_BT[self.scored_BT] = torch.tensor(flat, dtype=like.dtype, device=like.device)
        return spread_BT


def micro_batches(sequences: Sequence[TokenSequence], token_budget: int) -> list[MicroBatch]:
    """Sequences of like length together, each micro-batch at most `token_budget` padded tokens.

    A sequence longer than the budget gets a micro-batch of its own: nothing is dropped. The longest
    come first, so that a run that will not fit in memory fails at its first step.
    """
    order = sorted(range(len(sequences)), key=lambda row: -len(sequences[row]))
    batches: list[MicroBatch] = []
    rows: list[int] = []
    for row in order:
        width = len(sequences[rows[0]]) if rows else len(sequences[row])
        if rows and width * (len(rows) + 1) > token_budget:
            batches.append(pad([sequences[r] for r in rows], tuple(rows)))
            rows = []
        rows.append(row)
    if rows:
        batches.append(pad([sequences[r] for r in rows], tuple(rows)))
    return batches


def pad(sequences: Sequence[TokenSequence], rows: tuple[int, ...]) -> MicroBatch:
    """One micro-batch of all `sequences`."""
    shape = (len(sequences), max(map(len, sequences)))
    tokens = np.zeros(shape, dtype=np.int64)
    attention = np.zeros(shape, dtype=np.bool_)
    scored = np.zeros(shape, dtype=np.bool_)
    for b, sequence in enumerate(sequences):
        start, end = len(sequence.prompt_ids), len(sequence)
        tokens[b, :start] = sequence.prompt_ids
        tokens[b, start:end] = sequence.completion_ids
        attention[b, :end] = True
        scored[b, start:end] = True
    return MicroBatch(
        torch.from_numpy(tokens), torch.from_numpy(attention), torch.from_numpy(scored), rows
    )


@dataclass(frozen=True, slots=True)
class EpochOrder:
    """An endless order over `size` items, reshuffled every epoch.

    Position alone fixes the item, so the order needs no state to resume.
    """

    size: int
    seed: int

    def take(self, position: int, count: int) -> list[int]:
        """The items at `position` … `position + count - 1`."""
        items: list[int] = []
        while len(items) < count:
            epoch, start = divmod(position + len(items), self.size)
            shuffled = np.random.default_rng([self.seed, epoch]).permutation(self.size)
            items += shuffled[start : start + count - len(items)].tolist()
        return items
