"""The training paths: each a config and a step."""

from . import grpo, sft
from .base import ALGORITHMS, Algorithm, AlgorithmConfig, Context, StepResult

__all__ = [
    "ALGORITHMS",
    "Algorithm",
    "AlgorithmConfig",
    "Context",
    "StepResult",
    "grpo",
    "sft",
]
