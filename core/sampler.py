"""The protocol by which everything samples: training, evaluation, judges."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

from .errors import ConfigError
from .records import Completion, Message, Record

Prompt = str | tuple[Message, ...]


@dataclass(frozen=True, slots=True)
class SamplingParams(Record):
    """How to sample.

    Attributes:
        temperature: divides the logits; 0 is greedy.
        max_new_tokens: limit per completion, end-of-sequence included.
        n: completions per prompt.
        top_p: nucleus mass kept; 1 keeps all.
        top_k: tokens kept; 0 keeps all.
        seed: with the prompt's and the sample's index it fixes every draw.

    >>> SamplingParams(temperature=0.7, n=4).n
    4
    """

    temperature: float = 1.0
    max_new_tokens: int = 256
    n: int = 1
    top_p: float = 1.0
    top_k: int = 0
    seed: int = 0

    def __post_init__(self) -> None:
        faults = [
            text
            for bad, text in (
                (not self.temperature >= 0, f"temperature is {self.temperature}; it must be >= 0"),
                (self.max_new_tokens < 1, f"max_new_tokens is {self.max_new_tokens}; at least 1"),
                (self.n < 1, f"n is {self.n}; it must be at least 1"),
                (not 0 < self.top_p <= 1, f"top_p is {self.top_p}; it must lie in (0, 1]"),
                (self.top_k < 0, f"top_k is {self.top_k}; it must be 0 (off) or more"),
            )
            if bad
        ]
        if faults:
            raise ConfigError("sampling: " + "; ".join(faults))


class Sample(NamedTuple):
    """One completion with its place: index of the prompt, index among the prompt's `n`."""

    prompt: int
    sample: int
    completion: Completion


class Sampler(Protocol):
    """Whatever turns prompts into completions."""

    def sample(self, prompts: Sequence[Prompt], params: SamplingParams) -> Iterator[Sample]:
        """Yield each completion as it finishes, in no promised order; each exactly once."""
        ...
