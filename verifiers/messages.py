"""What a worker process and its parent say to each other: a length, then a pickle.

The parent unpickles only what its own worker sends, and a verdict's evidence has been made plain
JSON by then; a verifier is the user's own code and is not kept from harm here.
"""

import pickle
import struct
from typing import Any, NamedTuple

from ..core.errors import TruingError
from ..core.records import Outcome, Problem, Verdict

HEADER = struct.Struct(">Q")


class Hello(NamedTuple):
    """First message to a worker: who its parent is, and what it may use and see."""

    parent: int
    memory_bytes: int
    python_path: str | None


class Request(NamedTuple):
    """A judgement to make; `verifier` is a pickled (spec, options), which also serves as key."""

    verifier: bytes
    name: str
    text: str
    problem: Problem


class Ready(NamedTuple):
    """The verifier is loaded and the judgement begins; `cpu_time` is the worker's total so far."""

    cpu_seconds: float
    on_budget: Outcome
    cpu_time: float


class Judged(NamedTuple):
    """A verdict, the CPU seconds it took, the worker's total, and whether the worker now ends."""

    verdict: Verdict
    cpu_used: float
    cpu_time: float
    spent: bool


class Refused(NamedTuple):
    """The verifier cannot be loaded, and why."""

    fault: TruingError


def frame(message: Any) -> bytes:
    """`message` as it goes through the pipe."""
    body = pickle.dumps(message, pickle.HIGHEST_PROTOCOL)
    return HEADER.pack(len(body)) + body
