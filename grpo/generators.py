"""Seeded generators of problems: as many as asked for, no two alike, with demonstrations.

A generator draws an exercise, says how a right answer is written, and makes a plausible mistake on
request. Everything else (uniqueness, a held-out part that training never sees, the share of wrong
demonstrations) is done once, here.
"""

import hashlib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from random import Random
from typing import Any, Literal, Protocol

from pydantic import Field, model_validator

from ..core.config import Config, resolve
from ..core.errors import DataError
from ..core.records import Json, Problem
from ..core.registry import Registry


class GeneratorOptions(Config):
    """Options that every generator has; a generator's own options inherit these."""

    wrong_share: float = Field(0.0, ge=0.0, lt=1.0)
    """Share of the training demonstrations that end in a wrong answer; references stay right."""


@dataclass(frozen=True, slots=True)
class Exercise:
    """What a generator draws: a question, its right answer, and what else a verifier may want.

    >>> Exercise("37+58=", "95").answer
    '95'
    """

    question: str
    answer: str
    metadata: Mapping[str, Json] = field(default_factory=dict)


class Generator(Protocol):
    """A source of exercises; all randomness comes from the `Random` that is handed in."""

    @property
    def options(self) -> GeneratorOptions:
        """The checked options that it was made with."""
        ...

    def draw(self, rng: Random) -> Exercise:
        """One exercise; drawing the same question again is allowed."""
        ...

    def slip(self, exercise: Exercise, rng: Random) -> str:
        """A wrong answer such as a learner might give; never the right one."""
        ...

    def demonstrate(self, exercise: Exercise, answer: str) -> str:
        """The completion that a supervised model should imitate, ending in `answer`."""
        ...


GENERATORS: Registry[Callable[[Mapping[str, Any]], Generator]] = Registry("generator")
"""Name to a factory that checks the options and makes the generator."""


def generate(
    name: str, options: Mapping[str, Any], *, train: int, heldout: int, seed: int
) -> tuple[tuple[Problem, ...], tuple[Problem, ...]]:
    """Distinct problems of the generator `name`: (for training, held out).

    The held-out problems depend on the options and the seed alone, not on how many are drawn for
    training, and no question stands in both parts.

    Args:
        name: an entry of `GENERATORS`.
        options: the generator's options, not yet checked.
        train: number of problems for training.
        heldout: number of problems never to be trained on.
        seed: same seed, same problems, on every machine.

    Raises:
        UnknownName: no generator has that name.
        ConfigError: an option is unknown or out of range.
        DataError: the options do not allow so many distinct problems.
    """
    generator = GENERATORS[name](options)
    exercises = _distinct(generator, name, train + heldout, Random(f"{name}/{seed}/draw"))
    rng = Random(f"{name}/{seed}/slips")
    wrong = set(rng.sample(range(train), round(generator.options.wrong_share * train)))
    held_problems = tuple(
        _problem(generator, name, e, e.answer, "heldout") for e in exercises[:heldout]
    )
    train_problems = tuple(
        _problem(generator, name, e, generator.slip(e, rng) if i in wrong else e.answer, "train")
        for i, e in enumerate(exercises[heldout:])
    )
    return train_problems, held_problems


def _distinct(generator: Generator, name: str, wanted: int, rng: Random) -> Sequence[Exercise]:
    found: dict[str, Exercise] = {}
    repeats = 0
    while len(found) < wanted:
        exercise = generator.draw(rng)
        if exercise.question not in found:
            found[exercise.question] = exercise
            repeats = 0
            continue
        repeats += 1
        # With one question left of n, 20 n repeats in a row have a probability below e^-20.
        if repeats > 1000 + 20 * len(found):
            raise DataError(
                f"generator {name!r} gives {len(found)} distinct problems with these options, but "
                f"{wanted} are wanted (data.limit + data.holdout); widen its options, such as "
                "data.options.max_operand, or ask for fewer"
            )
    return tuple(found.values())


def _problem(
    generator: Generator, name: str, exercise: Exercise, demonstrated: str, split: str
) -> Problem:
    digest = hashlib.sha256(exercise.question.encode()).hexdigest()[:12]
    response = generator.demonstrate(exercise, demonstrated)
    return Problem(
        id=f"{name}/{digest}",
        prompt=exercise.question,
        reference=exercise.answer,
        metadata={**exercise.metadata, "response": response},
        split=split,
    )


class ArithmeticOptions(GeneratorOptions):
    """Sums, differences and products of whole numbers."""

    operations: tuple[Literal["+", "-", "*"], ...] = Field(("+",), min_length=1)
    """Operators to draw from, each equally likely."""
    min_operand: int = Field(0, ge=0)
    """Smallest operand."""
    max_operand: int = Field(99, ge=0)
    """Largest operand."""
    terms: int = Field(2, ge=2, le=8)
    """Operands in each problem; products bind tighter than sums."""

    @model_validator(mode="after")
    def _ordered(self) -> "ArithmeticOptions":
        if self.min_operand > self.max_operand:
            raise ValueError(
                f"min_operand ({self.min_operand}) is above max_operand ({self.max_operand})"
            )
        return self


class Arithmetic:
    r"""Problems such as `37+58=`, answered as `\boxed{95}`."""

    def __init__(self, options: Mapping[str, Any]) -> None:
        self.options = resolve(ArithmeticOptions, options, where="data.options (arithmetic)")

    def draw(self, rng: Random) -> Exercise:
        """Operands and operators, each drawn evenly."""
        low, high = self.options.min_operand, self.options.max_operand
        operands = [rng.randint(low, high) for _ in range(self.options.terms)]
        operators = [rng.choice(self.options.operations) for _ in operands[1:]]
        pairs = zip(operators, operands[1:], strict=True)
        question = str(operands[0]) + "".join(f"{sign}{number}" for sign, number in pairs)
        return Exercise(f"{question}=", str(_value(operands, operators)))

    def slip(self, exercise: Exercise, rng: Random) -> str:
        """One digit off by one, up or down, and the others as they are; no leading zero."""
        answer = exercise.answer
        first = len(answer) - len(answer.lstrip("-"))
        place = rng.randrange(first, len(answer))
        digit = int(answer[place])
        lowest = 1 if place == first and len(answer) > 1 else 0
        near = [other for other in (digit - 1, digit + 1) if lowest <= other <= 9]
        return answer[:place] + str(rng.choice(near)) + answer[place + 1 :]

    def demonstrate(self, exercise: Exercise, answer: str) -> str:
        """The boxed answer alone."""
        return f"\\boxed{{{answer}}}"


GENERATORS.add("arithmetic", Arithmetic)


def _value(operands: Sequence[int], operators: Sequence[str]) -> int:
    """The expression's value, products first, by summing signed products."""
    total, product = 0, operands[0]
    for sign, operand in zip(operators, operands[1:], strict=True):
        if sign == "*":
            product *= operand
        else:
            total, product = total + product, operand if sign == "+" else -operand
    return total + product
