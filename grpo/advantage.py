"""Rewards to advantages. Pure: tensors in, tensors out.

Axes: P problems, G completions of one problem.
"""

import torch
from torch import Tensor

from ..core.errors import ShapeError


def group_relative(
    rewards_PG: Tensor,
    valid_PG: Tensor | None = None,
    *,
    scale_by_std: bool = True,
    eps: float = 1e-6,
) -> Tensor:
    """Advantages as in GRPO (Shao et al. 2024, arXiv:2402.03300, section 4.1.2).

    A = (r − mean) / (std + eps) within each problem's group. The paper leaves the divisor of the
    deviation open; it is the sample's (G − 1) here, as in TRL, verl and OpenRLHF.

    Args:
        rewards_PG: [P, G], one row a problem; float. Values where `valid_PG` is False are ignored.
        valid_PG: [P, G], True where the sample counts; None counts all.
        scale_by_std: False gives r − mean (Dr. GRPO, Liu et al. 2025, arXiv:2503.20783).
        eps: added to the deviation; a row of equal rewards gives zeros.

    Returns:
        [P, G]; 0 where a sample does not count, and in rows with fewer than two that do.

    Raises:
        ShapeError: `rewards_PG` is not two-dimensional, or the shapes differ.
    """
    if rewards_PG.dim() != 2:
        raise ShapeError(f"rewards must be [P, G]; got shape {tuple(rewards_PG.shape)}")
    valid = torch.ones_like(rewards_PG, dtype=torch.bool) if valid_PG is None else valid_PG
    if valid.shape != rewards_PG.shape:
        raise ShapeError(f"valid is {tuple(valid.shape)}, rewards are {tuple(rewards_PG.shape)}")
    rewards = torch.where(valid, rewards_PG, torch.zeros_like(rewards_PG))
    count = valid.sum(dim=1, keepdim=True)
    mean = rewards.sum(dim=1, keepdim=True) / count.clamp(min=1)
    # A row of equal rewards must give exact zeros, not rounding left-overs divided by eps: its
    # sequences are then skipped in training.
    uninformative = equal_rewards(rewards, valid)[:, None]
    centred = torch.where(valid & ~uninformative, rewards - mean, torch.zeros_like(rewards))
    if not scale_by_std:
        return centred
    std = (centred.square().sum(dim=1, keepdim=True) / (count - 1).clamp(min=1)).sqrt()
    return centred / (std + eps)


def equal_rewards(rewards_PG: Tensor, valid_PG: Tensor) -> Tensor:
    """[P], True where a group teaches nothing: its counted rewards are equal, or fewer than two."""
    highest = torch.where(valid_PG, rewards_PG, -torch.inf).amax(dim=1)
    lowest = torch.where(valid_PG, rewards_PG, torch.inf).amin(dim=1)
    return (highest <= lowest) | (valid_PG.sum(dim=1) < 2)
