"""Lines of a JSONL file, or of standard input, to judgements that are to be made."""

import bz2
import gzip
import json
import lzma
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import IO, Any

from ..core.errors import DataError, TruingError
from ..core.records import Completion, Json, Outcome, Problem, Verdict
from ..verifiers import Item
from ..verifiers.loading import check_problem, file_of, portable_spec

OPENERS: dict[str, Any] = {".gz": gzip.open, ".bz2": bz2.open, ".xz": lzma.open}
COMPLETION_KEYS = ("completion", "response", "text")
REFERENCE_KEYS = ("reference", "answer")


@dataclass(frozen=True, slots=True)
class Line:
    """One record.

    Attributes:
        number: of its line in the input, from 1.
        id: the record's own, its problem's, or the number.
        item: the judgement to make.
        key: hash of all that the verdict depends on, the text of the verifier's file included.
        ready: the verdict, where none needs to be made.
    """

    number: int
    id: str
    item: Item
    key: str
    ready: Verdict | None


@dataclass(frozen=True, slots=True)
class Reader:
    """Reads records.

    Args:
        source: a file, or `-` for standard input.
        spec: the verifier for all records; None to use each record's own.
        options: for `spec`.
    """

    source: str
    spec: str | None
    options: Mapping[str, Json]

    def lines(self) -> Iterator[Line]:
        """The records in order; blank lines are passed over.

        Raises:
            DataError: the file cannot be read, or a line is no record; the message names it.
        """
        with _opened(self.source) as file:
            for number, raw in enumerate(file, 1):
                if not raw.strip():
                    continue
                try:
                    yield self._line(number, raw)
                except TruingError as fault:
                    raise DataError(f"{self.shown}, line {number}: {fault}") from None

    def count(self) -> int | None:
        """How many records there are, where reading the input twice is possible."""
        if self.source == "-" or not Path(self.source).is_file():
            return None
        with _opened(self.source) as file:
            return sum(1 for raw in file if raw.strip())

    @property
    def shown(self) -> str:
        """The source's name for messages."""
        return "standard input" if self.source == "-" else self.source

    def _line(self, number: int, raw: bytes) -> Line:
        record = _json_object(raw)
        completion = _completion(record)
        problem = _problem(record, number)
        spec = self.spec or record.get("verifier") or problem.verifier
        if not isinstance(spec, str) or not spec:
            raise DataError("it names no verifier; add one, or pass --verifier")
        options = dict(self.options) if spec == self.spec else {}
        check_problem(spec, problem)
        portable_spec(spec)
        ready = None
        if completion.truncated:  # as in training
            reason = f"generation was cut off ({completion.finish_reason.value})"
            ready = Verdict(0.0, Outcome.TRUNCATED, reason=reason)
        item = Item(spec, completion.text, problem, options)
        identity = record.get("id", problem.id)
        return Line(number, str(identity), item, _key(item, ready is not None), ready)


@contextmanager
def _opened(source: str) -> Iterator[IO[bytes]]:
    if source == "-":
        yield sys.stdin.buffer
        return
    path = Path(source)
    try:
        with OPENERS.get(path.suffix, open)(path, "rb") as file:
            yield file
    except FileNotFoundError:
        raise DataError(f"there is no file {source}") from None
    except (OSError, EOFError, lzma.LZMAError) as fault:
        raise DataError(f"cannot read {source}: {fault}") from None


def _json_object(raw: bytes) -> dict[str, Json]:
    try:
        record = json.loads(raw)
    except (ValueError, RecursionError) as fault:
        raise DataError(f"not JSON: {fault}") from None
    if not isinstance(record, dict):
        raise DataError(f"a JSON object is needed, this is a {type(record).__name__}")
    return record


def _completion(record: Mapping[str, Json]) -> Completion:
    key = next((key for key in COMPLETION_KEYS if key in record), None)
    if key is None:
        raise DataError(
            f"no completion; give it as {_either(COMPLETION_KEYS)} (keys here: "
            f"{', '.join(record) or 'none'})"
        )
    value = record[key]
    if isinstance(value, dict):
        return Completion.from_json(value)
    if not isinstance(value, str):
        raise DataError(f"{key} must be a string, this is a {type(value).__name__}")
    return Completion(value)


def _problem(record: Mapping[str, Json], number: int) -> Problem:
    given = record.get("problem", "")
    if isinstance(given, dict):
        return Problem.from_json(given)
    if not isinstance(given, str):
        raise DataError(f"problem must be a string or an object, this is a {type(given).__name__}")
    key = next((key for key in REFERENCE_KEYS if key in record), None)
    reference = record[key] if key else ""
    if isinstance(reference, bool) or not isinstance(reference, str | int | float):
        raise DataError(f"{key} must be a string or a number, this is {reference!r}")
    fields = {name: record[name] for name in ("tests", "metadata") if name in record}
    identity = str(record.get("id", number))
    return Problem.from_json(
        {"id": identity, "prompt": given, "reference": str(reference), **fields}
    )


def _key(item: Item, truncated: bool) -> str:
    file = file_of(item.spec)
    parts = [
        sha256(file.read_bytes()).hexdigest() if file else item.spec,
        item.spec.rpartition(":")[2],
        sorted((item.options or {}).items()),
        item.text,
        item.problem.to_json(),
        truncated,
    ]
    return sha256(json.dumps(parts, sort_keys=True, default=str).encode()).hexdigest()[:16]


def _either(names: tuple[str, ...]) -> str:
    return " or ".join(repr(name) for name in names)
