"""Losses of the training paths. Pure: tensors in, tensors out; no configuration, device or clock.

Axes: B sequences, T tokens. Every per-token result is [B, T]; `token_weights` turns the sum over
all micro-batches into the batch's loss, with denominators of the whole batch, so that how a batch
is split never changes its gradient.
"""

from dataclasses import dataclass
from enum import StrEnum

import torch
from torch import Tensor

from ..core.errors import ShapeError


class Aggregation(StrEnum):
    """How per-token losses become one number."""

    SEQUENCE_MEAN = "sequence_mean"  #: mean over sequences of each one's token mean (GRPO's eq. 3)
    TOKEN_MEAN = "token_mean"  #: mean over all tokens of the batch (DAPO, arXiv:2503.14476, eq. 8)
    FIXED_LENGTH = "fixed_length"  #: sum over B · longest allowed length (Dr. GRPO)


@dataclass(frozen=True, slots=True)
class BatchTotals:
    """Denominators of the whole batch, whatever the micro-batches.

    Attributes:
        sequences: sequences that count.
        tokens: their completion tokens.
        longest: the longest completion allowed, in tokens.
    """

    sequences: int
    tokens: int
    longest: int


def token_weights(mask_BT: Tensor, aggregation: Aggregation, totals: BatchTotals) -> Tensor:
    """What each token's loss is multiplied by before summing over the batch.

    Args:
        mask_BT: [B, T], True at completion tokens.
        aggregation: the rule.
        totals: of the whole batch.

    Returns:
        [B, T] float64, 0 where the mask is False.
    """
    mask = mask_BT.to(torch.float64)
    if aggregation is Aggregation.TOKEN_MEAN:
        return mask / max(totals.tokens, 1)
    if aggregation is Aggregation.FIXED_LENGTH:
        return mask / max(totals.sequences * totals.longest, 1)
    lengths = mask.sum(dim=1, keepdim=True).clamp(min=1)
    return mask / (lengths * max(totals.sequences, 1))


def clipped_surrogate(
    logprobs_BT: Tensor,
    old_logprobs_BT: Tensor,
    advantages_B: Tensor,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
) -> Tensor:
    """Negated PPO surrogate (Schulman et al. 2017, arXiv:1707.06347, eq. 7), for each token.

    −min(ρ A, clip(ρ, 1 − clip_low, 1 + clip_high) A) with ρ = exp(logp − old logp). Unequal bounds
    are DAPO's clip-higher (arXiv:2503.14476, section 3.1).

    Args:
        logprobs_BT: [B, T], of the policy in training.
        old_logprobs_BT: [B, T], of the policy that sampled; no gradient flows through it.
        advantages_B: [B], one a sequence, as GRPO's outcome supervision has it.
        clip_low: ratio may fall to 1 − clip_low.
        clip_high: ratio may rise to 1 + clip_high.

    Returns:
        [B, T].

    Raises:
        ShapeError: the shapes do not fit together.
    """
    _same_shape(logprobs_BT, old_logprobs_BT)
    if advantages_B.shape != logprobs_BT.shape[:1]:
        raise ShapeError(
            f"advantages are {tuple(advantages_B.shape)}, log-probs {tuple(logprobs_BT.shape)}"
        )
    ratio_BT = torch.exp(logprobs_BT - old_logprobs_BT.detach())
    advantages_B1 = advantages_B[:, None]
    clipped_BT = ratio_BT.clamp(1 - clip_low, 1 + clip_high)
    return -torch.minimum(ratio_BT * advantages_B1, clipped_BT * advantages_B1)


def clipped_mask(
    logprobs_BT: Tensor,
    old_logprobs_BT: Tensor,
    advantages_B: Tensor,
    *,
    clip_low: float = 0.2,
    clip_high: float = 0.2,
) -> Tensor:
    """[B, T], True where clipping takes a token's gradient away (ratio past its bound)."""
    ratio_BT = torch.exp(logprobs_BT - old_logprobs_BT)
    advantages_B1 = advantages_B[:, None]
    above = (advantages_B1 > 0) & (ratio_BT > 1 + clip_high)
    below = (advantages_B1 < 0) & (ratio_BT < 1 - clip_low)
    return above | below


def k3_kl(logprobs_BT: Tensor, reference_logprobs_BT: Tensor) -> Tensor:
    """GRPO's per-token estimate of KL(π ‖ π_ref) (arXiv:2402.03300, eq. 4; Schulman's k3).

    e^d − d − 1 with d = log π_ref − log π: unbiased under samples of π and never negative. Its
    gradient is not the KL's; the paper uses it as it is, and so does this.

    Args:
        logprobs_BT: [B, T], of the policy in training.
        reference_logprobs_BT: [B, T], of the reference policy; no gradient flows through it.

    Returns:
        [B, T].
    """
    _same_shape(logprobs_BT, reference_logprobs_BT)
    difference_BT = reference_logprobs_BT.detach() - logprobs_BT
    return torch.expm1(difference_BT) - difference_BT


def negative_log_likelihood(logprobs_BT: Tensor) -> Tensor:
    """Supervised loss for each token: −log π(token). [B, T]."""
    return -logprobs_BT


def _same_shape(left: Tensor, right: Tensor) -> None:
    if left.shape != right.shape:
        raise ShapeError(f"shapes differ: {tuple(left.shape)} and {tuple(right.shape)}")
