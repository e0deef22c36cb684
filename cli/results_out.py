"""Verdict lines in a file that an interrupted run continues: nothing judged twice, nothing lost."""

import fcntl
import json
import os
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path
from types import TracebackType
from typing import IO, Self

from ..core.errors import DataError, StorageError
from ..core.records import Json, Outcome, Verdict
from ..core.storage import storage_faults
from .records_in import Line


class Results:
    """The output of a run, to a file or to standard output.

    An existing file is checked line by line against the input (each line holds a hash of what it
    was judged from) and then continued; its last line is dropped where it is torn.

    Args:
        path: the file; None for standard output.

    Raises:
        DataError: the file holds something else than verdicts.
        StorageError: it cannot be written, or another run is writing it.
    """

    def __init__(self, path: Path | None) -> None:
        self.path = path
        self.outcomes: Counter[Outcome] = Counter()
        self.scores: list[float] = []
        self.kept = 0  # verdicts that were there before
        self.written = 0
        self._there: list[tuple[int, str]] = []
        if path is None:
            self._file: IO[str] = sys.stdout
            return
        with storage_faults(path):
            path.parent.mkdir(parents=True, exist_ok=True)
            self._file = path.open("a+", encoding="utf-8")
            try:
                fcntl.flock(self._file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                self._file.close()
                raise StorageError(f"another run is writing {path}; wait for its end") from None
        try:
            self._read_existing(path)
        except BaseException:
            self._file.close()
            raise

    def unjudged(self, lines: Iterable[Line]) -> Iterator[Line]:
        """The lines whose verdicts are not in the file yet.

        Raises:
            DataError: what is in the file was judged from something else.
        """
        index = 0
        for line in lines:
            if index < len(self._there):
                if self._there[index] != (line.number, line.key):
                    raise DataError(
                        f"line {index + 1} of {self.path} was not judged from line {line.number} "
                        "of this input by this verifier with these options; choose another "
                        "--output, or remove that file"
                    )
                index += 1
            else:
                yield line
        if index < len(self._there):
            raise DataError(
                f"{self.path} holds {len(self._there)} verdicts but this input has only {index} "
                "records; choose another --output, or remove that file"
            )

    def write(self, line: Line, verdict: Verdict) -> None:
        """Append one verdict; it survives the end of this process."""
        self._count(verdict)
        self.written += 1
        record = {"line": line.number, "id": line.id, "key": line.key, **verdict.to_json()}
        if self.path is None:
            print(json.dumps(record), file=self._file, flush=True)
            return
        with storage_faults(self.path):
            self._file.write(json.dumps(record) + "\n")
            self._file.flush()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self.path is not None:
            with storage_faults(self.path):
                if kind is None:
                    os.fsync(self._file.fileno())
                self._file.close()

    def _count(self, verdict: Verdict) -> None:
        self.outcomes[verdict.outcome] += 1
        if verdict.reward is not None:
            self.scores.append(verdict.reward)

    def _read_existing(self, path: Path) -> None:
        whole = 0
        with path.open("rb") as file:
            for number, raw in enumerate(file, 1):
                if not raw.endswith(b"\n"):
                    break  # torn: the run was killed while it wrote this line
                self._take(raw, number, path)
                whole += len(raw)
        self.kept = len(self._there)
        with storage_faults(path):
            self._file.truncate(whole)

    def _take(self, raw: bytes, number: int, path: Path) -> None:
        try:
            record: dict[str, Json] = json.loads(raw)
            line, key = record.pop("line"), record.pop("key")
            record.pop("id")
            verdict = Verdict.from_json(record)
        except (ValueError, LookupError, TypeError, AttributeError):
            raise DataError(
                f"{path} exists and its line {number} is no verdict of `truing verify`; choose "
                "another --output, or remove that file"
            ) from None
        self._there.append((line, key))
        self._count(verdict)
