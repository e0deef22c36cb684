"""AdamW with a learning-rate schedule, and the update that every algorithm ends with."""

from collections.abc import Iterable
from math import cos, isfinite, pi
from typing import Annotated, Any, Literal

import torch
from pydantic import Field

from ..core.config import Config
from ..core.errors import USER_FAULT, TruingError
from .policy import Policy


class TrainingDiverged(TruingError, ArithmeticError):
    """The loss or the gradient is no longer a number."""

    exit_code = USER_FAULT


Decay = Annotated[float, Field(ge=0, lt=1)]


class OptimizerConfig(Config):
    """AdamW (Loshchilov and Hutter 2017, arXiv:1711.05101) and its learning rate."""

    learning_rate: float = Field(1e-6, gt=0)
    """Peak learning rate."""
    schedule: Literal["constant", "linear", "cosine"] = "constant"
    """After the warm-up: stay, or fall to 0 at the last update along a line or a cosine."""
    warmup_updates: int = Field(0, ge=0)
    """Updates over which the rate rises from 0."""
    betas: tuple[Decay, Decay] = (0.9, 0.999)
    """Decay rates of the moment estimates."""
    eps: float = Field(1e-8, gt=0)
    """Added to the denominator."""
    weight_decay: float = Field(0.0, ge=0)
    """Decoupled decay, of matrices only (never of norms and biases)."""
    max_grad_norm: float = Field(1.0, gt=0)
    """The gradient is scaled down to this norm."""


class Optimizer:
    """AdamW over a policy's trainable parameters."""

    def __init__(self, policy: Policy, config: OptimizerConfig, total_updates: int) -> None:
        self.policy = policy
        self.config = config
        parameters = list(policy.trainable().values())
        matrices = [p for p in parameters if p.dim() >= 2]
        others = [p for p in parameters if p.dim() < 2]
        groups: list[dict[str, Any]] = [{"params": matrices}]
        if others:
            groups.append({"params": others, "weight_decay": 0.0})
        self.adamw = torch.optim.AdamW(
            groups,
            lr=config.learning_rate,
            betas=config.betas,
            eps=config.eps,
            weight_decay=config.weight_decay,
        )
        self.total_updates = total_updates
        self.updates = 0

    def update(self, losses: Iterable[torch.Tensor]) -> dict[str, float]:
        """Accumulate the gradient of each micro-batch's loss, then step once.

        Args:
            losses: scalars whose sum is the batch's loss; drawn one at a time, so that only one
                micro-batch's activations are held.

        Returns:
            loss, grad_norm before clipping, learning_rate. A batch in which nothing has a gradient
            is not applied: momentum would move the weights on no evidence.

        Raises:
            TrainingDiverged: the loss or gradient is not finite; the weights are left as they were.
        """
        total = 0.0
        for loss in losses:
            loss.backward()  # type: ignore[no-untyped-call]
            total += loss.item()
        rate = learning_rate(self.config, self.updates, self.total_updates)
        self.updates += 1
        parameters = [p for p in self.policy.trainable().values() if p.grad is not None]
        if not parameters:
            return {"loss": total, "grad_norm": 0.0, "learning_rate": rate}
        norm = torch.nn.utils.clip_grad_norm_(parameters, self.config.max_grad_norm).item()
        if not (isfinite(total) and isfinite(norm)):
            self.adamw.zero_grad(set_to_none=True)
            raise TrainingDiverged(
                f"the loss is {total} and the gradient norm {norm} at learning rate {rate:g}: the "
                "update was not applied. Lower the learning rate and start anew, or go on from an "
                "earlier checkpoint"
            )
        for group in self.adamw.param_groups:
            group["lr"] = rate
        self.adamw.step()
        self.adamw.zero_grad(set_to_none=True)
        self.policy.version += 1
        return {"loss": total, "grad_norm": norm, "learning_rate": rate}


def learning_rate(config: OptimizerConfig, update: int, total_updates: int) -> float:
    """The rate of update number `update`, counted from 0, of `total_updates`."""
    if update < config.warmup_updates:
        return config.learning_rate * (update + 1) / config.warmup_updates
    if config.schedule == "constant":
        return config.learning_rate
    left = max(total_updates - config.warmup_updates, 1)
    done = min((update - config.warmup_updates) / left, 1.0)
    falling = 1 - done if config.schedule == "linear" else (1 + cos(pi * done)) / 2
    return config.learning_rate * falling
