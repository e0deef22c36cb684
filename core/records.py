"""What crosses a folder: problem, completion, verdict, rollout.

Frozen dataclasses with an exact JSON round trip: `Record.from_json(record.to_json()) == record`.
`to_json` gives plain dicts, lists, strings, numbers; floats survive unchanged.
"""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, fields
from enum import StrEnum
from math import isfinite
from typing import Any, ClassVar, Self

from pydantic import ConfigDict, TypeAdapter, ValidationError
from pydantic_core import PydanticSerializationError

from .errors import DataError

Json = Any  # a JSON value: None, bool, int, float, str, list or dict of the same


class Outcome(StrEnum):
    """Why a verdict has its score. A closed set; `EARNING` and `FAULTS` below sort it."""

    CORRECT = "correct"  #: the answer is right; earns its score
    PARTIAL = "partial"  #: some credit, by a verifier that grades in steps; earns its score
    WRONG = "wrong"  #: an answer was found and is not right
    NO_ANSWER = "no_answer"  #: nothing in the completion counts as a final answer
    TRUNCATED = "truncated"  #: cut at the token limit, or thinking never closed, before an answer
    TIMEOUT = "timeout"  #: the model's program ran out of its time limit
    UNDECIDED = "undecided"  #: the verifier's budget ended before it was certain
    VERIFIER_ERROR = "verifier_error"  #: the verifier crashed, hung or answered nonsense
    SANDBOX_ERROR = "sandbox_error"  #: the sandbox failed, not the program in it


EARNING = frozenset({Outcome.CORRECT, Outcome.PARTIAL})
FAULTS = frozenset({Outcome.VERIFIER_ERROR, Outcome.SANDBOX_ERROR})


class FinishReason(StrEnum):
    """Why generation of a completion ended."""

    STOP = "stop"  #: the model emitted an end-of-sequence token
    LENGTH = "length"  #: the token limit was reached
    DEADLINE = "deadline"  #: the request outlived its time limit


_ADAPTERS: dict[type, TypeAdapter[Any]] = {}


def _adapter(record: type) -> TypeAdapter[Any]:
    if record not in _ADAPTERS:
        _ADAPTERS[record] = TypeAdapter(record)
    return _ADAPTERS[record]


def _fault(where: Sequence[int | str], message: str) -> str:
    key = ".".join(map(str, where))
    message = message.removeprefix("Value error, ")
    message = message.replace("Unexpected keyword argument", "unknown key")
    return f"{key}: {message}" if key else message


def _plain(value: object) -> Json:
    """`value` in lists, dicts, strings and numbers. Not by pydantic, which makes inf None."""
    if value is None or isinstance(value, bool):
        return value
    for kind in (str, int, float):
        if isinstance(value, kind):  # an enum's member or a numpy number becomes plain
            return kind(value)
    if isinstance(value, Record):
        return value.to_json()
    if isinstance(value, Mapping):
        return {key if type(key) is str else str(key): _plain(v) for key, v in value.items()}
    if isinstance(value, list | tuple):
        if set(map(type, value)) <= {int, float}:
            return list(value)  # token ids and log-probs: long
        return [_plain(item) for item in value]
    raise DataError(f"{value!r:.80} is a {type(value).__name__}, which JSON cannot hold")


class Record:
    """JSON in and out, shared by the records below."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(extra="forbid")

    def to_json(self) -> dict[str, Json]:
        """The record as plain JSON values.

        Raises:
            DataError: metadata, tests or evidence hold what JSON cannot.
        """
        return {each.name: _plain(getattr(self, each.name)) for each in fields(self)}  # type: ignore[arg-type]

    def to_json_text(self) -> str:
        """`to_json` as one line of JSON text, several times faster than `json.dumps` of it."""
        try:
            text: str = _adapter(type(self)).dump_json(self).decode()
        except PydanticSerializationError:  # half of a surrogate pair; json escapes it
            return self._field_by_field()
        # pydantic writes null for None, but for nan and inf too; only None may become null.
        return self._field_by_field() if "null" in text else text

    def _field_by_field(self) -> str:
        plain: dict[str, Json] = {}
        parts = []
        for name in (each.name for each in fields(self)):  # type: ignore[arg-type]
            value = getattr(self, name)
            if isinstance(value, Record):
                text = value.to_json_text()
            elif value is None or type(value) in (bool, int, float, str):
                text = json.dumps(value)
            else:
                plain = plain or self.to_json()
                text = json.dumps(plain[name])
            parts.append(f'"{name}":{text}')
        return "{" + ",".join(parts) + "}"

    @classmethod
    def from_json(cls, value: Mapping[str, Json]) -> Self:
        """The record that `to_json` wrote.

        Raises:
            DataError: a field is missing, unknown or of the wrong type; the message names it.
        """
        if not isinstance(value, Mapping):
            raise DataError(f"not a {cls.__name__}: a JSON object is needed, this is {value!r:.80}")
        try:
            record: Self = _adapter(cls).validate_python(dict(value))
        except ValidationError as fault:
            parts = [_fault(error["loc"], error["msg"]) for error in fault.errors()]
            raise DataError(f"not a {cls.__name__}: " + "; ".join(parts)) from None
        return record


@dataclass(frozen=True, slots=True)
class Message(Record):
    """One turn of a chat.

    >>> Message("user", "What is 2 + 2?").to_json()
    {'role': 'user', 'content': 'What is 2 + 2?'}
    """

    role: str
    content: str


@dataclass(frozen=True, slots=True)
class Problem(Record):
    """Something to solve, and what it takes to judge a solution.

    Attributes:
        id: unique in its data set; rollouts and evaluations refer to it.
        prompt: plain text, or chat messages for the model's chat template.
        reference: the reference answer as text; empty where `tests` judge instead.
        verifier: registered name, `file.py:name`, or empty for the run's default.
        tests: test cases for verifiers that run programs, one JSON value each.
        metadata: whatever else the data set says; verifiers may read it. A demonstration for
            supervised training stands under `response`.
        split: such as `train` or `test`.

    >>> problem = Problem(id="1", prompt="What is 1/4 + 1/4?", reference="1/2")
    >>> Problem.from_json(problem.to_json()) == problem
    True
    """

    id: str
    prompt: str | tuple[Message, ...]
    reference: str = ""
    verifier: str = ""
    tests: tuple[Json, ...] = ()
    metadata: Mapping[str, Json] = field(default_factory=dict)
    split: str = ""

    @property
    def prompt_text(self) -> str:
        """The prompt as one string, chat turns joined by blank lines, for people and reports."""
        if isinstance(self.prompt, str):
            return self.prompt
        return "\n\n".join(message.content for message in self.prompt)


@dataclass(frozen=True, slots=True)
class Completion(Record):
    """What a sampler made of a prompt.

    Attributes:
        text: the decoded tokens, without the end-of-sequence token.
        token_ids: as sampled, end-of-sequence included where the model emitted it.
        logprobs: natural log-probability of each token under the distribution it was drawn from
            (at the sampling temperature); same length as `token_ids`, empty if not recorded.
        finish_reason: why generation ended.
        seconds: wall time from the request's start to its last token.
        policy_version: number of weight updates that the sampling policy had seen.

    >>> Completion(text="4", token_ids=(19, 2), logprobs=(-0.5, -0.1)).token_count
    2
    """

    text: str
    token_ids: tuple[int, ...] = ()
    logprobs: tuple[float, ...] = ()
    finish_reason: FinishReason = FinishReason.STOP
    seconds: float = 0.0
    policy_version: int = 0

    def __post_init__(self) -> None:
        if self.logprobs and len(self.logprobs) != len(self.token_ids):
            raise DataError(
                f"a completion has {len(self.token_ids)} token ids but {len(self.logprobs)} "
                "log-probs; give one for each token, or none"
            )

    @property
    def token_count(self) -> int:
        """Number of tokens, end-of-sequence included."""
        return len(self.token_ids)

    @property
    def truncated(self) -> bool:
        """True where generation was cut rather than ended by the model."""
        return self.finish_reason is not FinishReason.STOP


@dataclass(frozen=True, slots=True)
class Verdict(Record):
    """A verifier's judgement of one completion.

    Attributes:
        score: in [0, 1]; above 0 only where the outcome earns.
        outcome: why.
        extracted: the answer that was judged; None where none was found.
        reason: one line for people.
        evidence: what the reason rests on (sampled points, a failing test, a traceback).
        seconds: wall time that the judgement took.

    >>> Verdict.correct("0.5", "equal as rationals 1/2").reward
    1.0
    >>> Verdict(0.0, Outcome.VERIFIER_ERROR).reward is None
    True
    """

    score: float
    outcome: Outcome
    extracted: str | None = None
    reason: str = ""
    evidence: Mapping[str, Json] = field(default_factory=dict)
    seconds: float = 0.0

    def __post_init__(self) -> None:
        if not (isfinite(self.score) and 0.0 <= self.score <= 1.0):
            raise DataError(f"a verdict's score is {self.score}; it must lie in [0, 1]")
        if self.score > 0.0 and self.outcome not in EARNING:
            raise DataError(f"outcome {self.outcome.value!r} cannot earn a score ({self.score})")
        if self.score == 0.0 and self.outcome is Outcome.CORRECT:
            raise DataError("outcome 'correct' needs a score above 0")

    @classmethod
    def correct(cls, extracted: str | None = None, reason: str = "", **evidence: Json) -> Self:
        """Score 1."""
        return cls(1.0, Outcome.CORRECT, extracted, reason, evidence)

    @classmethod
    def wrong(cls, extracted: str | None = None, reason: str = "", **evidence: Json) -> Self:
        """Score 0: there is an answer and it is not right."""
        return cls(0.0, Outcome.WRONG, extracted, reason, evidence)

    @property
    def reward(self) -> float | None:
        """What training may use: the score, 0 for every failure of the model, None for a fault."""
        return None if self.outcome in FAULTS else self.score


@dataclass(frozen=True, slots=True)
class Rollout(Record):
    """One completion of one problem with its verdict, as training saw it.

    Attributes:
        step: the training step, from 1.
        group: index of the problem within the step; its samples are compared with each other.
        sample: index of the completion within its group.
        reward: what entered the advantage; None where a fault excluded the sample.
        advantage: None where excluded.

    >>> rollout = Rollout(1, 0, 0, Problem("1", "2+2?"), Completion("4"), Verdict.correct("4"))
    >>> Rollout.from_json(rollout.to_json()) == rollout
    True
    """

    step: int
    group: int
    sample: int
    problem: Problem
    completion: Completion
    verdict: Verdict
    reward: float | None = None
    advantage: float | None = None
