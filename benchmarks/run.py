"""One evaluation from its configuration: load the problems and the model, wire, measure."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from typing import Any

from pydantic import Field, model_validator

from .. import __version__
from ..core.config import Config
from ..core.records import Json, Problem, Rollout
from ..core.sampler import SamplingParams
from ..grpo.data import DataConfig, ProblemSet, load_problems
from ..grpo.policy import Policy, PolicyConfig
from ..grpo.sampling import SamplerConfig, TransformersSampler
from ..grpo.scoring import PoolScorer, VerificationConfig
from ..verifiers import VerifierPool, load_verifier
from .evaluate import Evaluation, evaluate


class EvalConfig(Config):
    """A model, problems, a verifier, and how to sample."""

    model: PolicyConfig
    """The model to measure."""
    data: DataConfig
    """The problems; where data.holdout is set, the held-out ones alone."""
    verifier: str = "math"
    """Registered name, or path/to/file.py:name; a problem's own verifier goes first."""
    verifier_options: dict[str, Any] = Field(default_factory=dict)
    """Keyword options of the verifier."""
    samples: int = Field(1, ge=1)
    """Completions of each problem."""
    temperature: float | None = Field(None, ge=0)
    """Divides the logits; by default 0 (greedy) for one sample and 1 for several."""
    max_new_tokens: int = Field(512, ge=1)
    """Longest completion, in tokens."""
    top_p: float = Field(1.0, gt=0, le=1)
    """Nucleus mass kept; 1 keeps all."""
    top_k: int = Field(0, ge=0)
    """Tokens kept; 0 keeps all."""
    seed: int = Field(0, ge=0)
    """Fixes every draw."""
    sampler: SamplerConfig = SamplerConfig()
    """How completions are generated."""
    verification: VerificationConfig = VerificationConfig()
    """How completions are judged."""

    @model_validator(mode="after")
    def _samples_differ(self) -> "EvalConfig":
        if self.samples > 1 and self.temperature == 0:
            raise ValueError(
                f"samples is {self.samples} at temperature 0, where all samples of a problem are "
                "the same; set samples=1 or a temperature above 0"
            )
        return self

    def params(self) -> SamplingParams:
        """The sampling parameters, the default temperature filled in."""
        default = 0.0 if self.samples == 1 else 1.0
        return SamplingParams(
            temperature=default if self.temperature is None else self.temperature,
            max_new_tokens=self.max_new_tokens,
            n=self.samples,
            top_p=self.top_p,
            top_k=self.top_k,
            seed=self.seed,
        )


@dataclass(frozen=True)
class Measured:
    """An evaluation with what it takes to repeat it.

    Attributes:
        config: as resolved.
        data: the problems' source, hash and notes.
        evaluation: the figures.
    """

    config: EvalConfig
    data: ProblemSet
    evaluation: Evaluation

    def to_json(self) -> dict[str, Json]:
        """Settings and figures, without the completions."""
        config, evaluation = self.config, self.evaluation
        return {
            "truing": __version__,
            "model": config.model.path,
            "data": self.data.source,
            "data_sha256": self.data.sha256,
            "verifier": config.verifier,
            "sampling": config.params().to_json(),
            **replace(evaluation, rollouts=()).to_json(),
            "faults": evaluation.faults,
            "tokens_per_second": evaluation.tokens_per_second,
        }


def run_evaluation(
    config: EvalConfig,
    *,
    on_start: Callable[[ProblemSet, int], None] | None = None,
    on_graded: Callable[[Rollout], None] | None = None,
) -> Measured:
    """Measure the model that `config` names.

    Args:
        config: what to measure, and how.
        on_start: called with the data and the number of completions to come.
        on_graded: called with each graded completion as soon as its verdict is in.

    Raises:
        TruingError: a verifier, data set or model that cannot be loaded; a prompt that is too
            long; a verifier that fails more often than `verification.max_fault_share`.
    """
    settings = config.verification
    load_verifier(config.verifier, config.verifier_options)  # its faults are found at once

    @cache
    def policy() -> Policy:
        return Policy.load(config.model, seed=config.seed)

    data = load_problems(
        config.data,
        verifier=config.verifier,
        prompt_tokens=lambda prompt: len(policy().encode_prompt(prompt)),
    )
    problems: Sequence[Problem] = data.heldout or data.train
    if on_start is not None:
        on_start(data, len(problems) * config.samples)
    with VerifierPool(
        workers=settings.workers, retries=settings.retries, wall_seconds=settings.wall_seconds
    ) as pool:
        evaluation = evaluate(
            TransformersSampler(policy(), config.sampler),
            PoolScorer(pool, config.verifier, config.verifier_options, settings.judge_truncated),
            problems,
            config.params(),
            max_fault_share=settings.max_fault_share,
            on_graded=on_graded,
        )
    return Measured(config, data, evaluation)
