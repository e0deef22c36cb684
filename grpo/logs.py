"""Everything a run writes as it goes: metrics, rollouts, trackers; rewound exactly on resume.

`position` and `rewind` are what makes a resumed run's files equal those of a run that was never
interrupted: the checkpoint holds the position, and resuming cuts every file back to it.
"""

import json
import logging
import os
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from math import isfinite
from pathlib import Path

from ..core.errors import DataError
from ..core.records import Json, Rollout
from ..core.storage import storage_faults, sync_folder
from .trackers import TRACKERS

METRICS_FILE = "metrics.jsonl"
_log = logging.getLogger(__name__)


class RunLog:
    """The growing files of one run folder.

    Opening a folder that has files already goes on behind their last whole line; call `rewind` to
    go back further. Each file grows by whole lines: when the disk fills up in the middle of one,
    the part written is taken back before the `StorageError` is raised.

    Args:
        folder: the run folder; made if missing.
        trackers: names from `TRACKERS`, which get the metrics too.
        rollout_bytes: limit on all rollouts kept; past it the oldest segments are deleted, so that
            a little less is kept. 0 keeps none.
        segment_bytes: a segment that has grown past this is closed and the next one begun.

    Raises:
        MissingExtra: a tracker's package is not installed.
        UnknownName: no tracker has that name.
    """

    def __init__(
        self,
        folder: Path,
        *,
        trackers: Sequence[str] = ("tensorboard",),
        rollout_bytes: int = 1 << 30,
        segment_bytes: int = 64 << 20,
    ) -> None:
        self.folder = folder
        self._trackers = {name: TRACKERS[name](folder) for name in dict.fromkeys(trackers)}
        self._rollout_bytes = rollout_bytes
        self._segment_bytes = min(segment_bytes, max(1, rollout_bytes // 4))
        with storage_faults(folder):
            folder.mkdir(parents=True, exist_ok=True)
        self._metrics = _Lines(folder / METRICS_FILE)
        self._segment: _Lines | None = None
        self._open_last_segment()

    def metrics(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Append one line of metrics and hand them to the trackers; nan and inf become null."""
        finite = {name: v if isfinite(v) else None for name, v in values.items()}
        line = {"stage": stage, "step": step, "time": round(time.time(), 3), **finite}
        self._metrics.append((json.dumps(line) + "\n").encode())
        for tracker in self._trackers.values():
            tracker.write(stage, step, values)

    def rollouts(self, stage: str, rollouts: Iterable[Rollout]) -> None:
        """Append rollouts, one a line, to the current segment."""
        if self._rollout_bytes <= 0:
            return
        head = f'{{"stage":{json.dumps(stage)},'
        lines: list[bytes] = []
        waiting = 0
        for rollout in rollouts:
            lines.append((head + rollout.to_json_text()[1:] + "\n").encode())
            waiting += len(lines[-1])
            if self._current().size + waiting >= self._segment_bytes:
                self._current().append(b"".join(lines))
                lines, waiting = [], 0
                self._next_segment()
        if lines:
            self._current().append(b"".join(lines))

    def position(self) -> dict[str, Json]:
        """Make all that was written durable and say where each file ends.

        Returns:
            A JSON value for the checkpoint; sizes in bytes.
        """
        self._metrics.sync()
        if self._segment is not None:
            self._segment.sync()
        with storage_faults(self.folder):
            sync_folder(self.folder)
        return {
            "metrics": self._metrics.size,
            "rollouts": {path.name: path.stat().st_size for path in rollout_segments(self.folder)},
            "trackers": {name: tracker.position() for name, tracker in self._trackers.items()},
        }

    def rewind(self, position: Mapping[str, Json] | None) -> None:
        """Cut every file back to `position`; None empties the log.

        What was deleted in between cannot come back: a segment dropped for `rollout_bytes` stays
        dropped, as the replayed run would drop it again, and a file that lost lines by other hands
        is kept as far as it goes, with a warning.
        """
        sizes: Mapping[str, int] = position["rollouts"] if position else {}
        self._close_segment()
        self._metrics.cut(int(position["metrics"]) if position else 0)
        segments = rollout_segments(self.folder)
        for path in segments:
            if path.name not in sizes:
                with storage_faults(path):
                    path.unlink()
        kept = [path for path in segments if path.name in sizes]
        for path in kept:
            lines = _Lines(path)
            lines.cut(sizes[path.name])
            lines.close()
        # Segments are dropped oldest first, so one missing behind a kept one was lost otherwise.
        for name in sorted(set(sizes) - {path.name for path in kept}):
            if kept and name > kept[0].name:
                _log.warning("%s is missing; its rollouts are lost", self.folder / name)
        self._open_last_segment(max(sizes, default=None))
        with storage_faults(self.folder):
            sync_folder(self.folder)
        tracked = position["trackers"] if position else {}
        for tracker_name, tracker in self._trackers.items():
            tracker.rewind(tracked.get(tracker_name))

    def close(self) -> None:
        """Flush and close everything; may be called twice."""
        self._metrics.close()
        self._close_segment()
        for tracker in self._trackers.values():
            tracker.close()

    def _current(self) -> "_Lines":
        if self._segment is None:
            self._segment = _Lines(self.folder / "rollouts-00000.jsonl")
        return self._segment

    def _open_last_segment(self, name: str | None = None) -> None:
        """Open `name`, or else the newest segment there is."""
        segments = rollout_segments(self.folder)
        path = self.folder / name if name else segments[-1] if segments else None
        self._segment = _Lines(path) if path else None

    def _close_segment(self) -> None:
        segment, self._segment = self._segment, None
        if segment is not None:
            segment.close()

    def _next_segment(self) -> None:
        full = self._current()
        full.sync()
        full.close()
        number = int(full.path.stem.rpartition("-")[2]) + 1
        self._segment = _Lines(self.folder / f"rollouts-{number:05d}.jsonl")
        closed = rollout_segments(self.folder)[:-1]
        # Room for the segment now begun is part of the limit.
        total = sum(path.stat().st_size for path in closed) + self._segment_bytes
        for path in closed:
            if total <= self._rollout_bytes:
                break
            total -= path.stat().st_size
            with storage_faults(path):
                path.unlink()


class _Lines:
    """A file that grows by whole lines and can be cut back; always ends where `size` says."""

    def __init__(self, path: Path) -> None:
        self.path = path
        with storage_faults(path):
            self._file: int | None = os.open(path, os.O_RDWR | os.O_CREAT, 0o644)
            self.size = os.fstat(self._file).st_size
            self.cut(self.size)

    def append(self, data: bytes) -> None:
        """Write `data`, wholly or not at all."""
        file = self._descriptor()
        with storage_faults(self.path):
            try:
                written = 0
                while written < len(data):
                    written += os.pwrite(file, data[written:], self.size + written)
            except BaseException:
                os.ftruncate(file, self.size)
                raise
        self.size += len(data)

    def cut(self, size: int) -> None:
        """Shorten to `size` bytes, and by whatever torn line would then stand at the end."""
        file = self._descriptor()
        with storage_faults(self.path):
            there = os.fstat(file).st_size
            if there < size:
                _log.warning("%s has lost its last %d bytes", self.path, size - there)
            self.size = _last_line_end(file, min(size, there))
            os.ftruncate(file, self.size)

    def sync(self) -> None:
        """Make durable what was appended."""
        with storage_faults(self.path):
            os.fsync(self._descriptor())

    def close(self) -> None:
        """Close; may be called twice."""
        file, self._file = self._file, None
        if file is not None:
            os.close(file)

    def _descriptor(self) -> int:
        if self._file is None:
            raise ValueError(f"{self.path} is closed")
        return self._file


def _last_line_end(file: int, size: int, block: int = 1 << 16) -> int:
    while size > 0:
        start = max(0, size - block)
        newline = os.pread(file, size - start, start).rfind(b"\n")
        if newline >= 0:
            return start + newline + 1
        size = start
    return 0


def rollout_segments(folder: Path) -> list[Path]:
    """The run's rollout files, oldest first."""
    return sorted(folder.glob("rollouts-[0-9]*.jsonl"), key=lambda path: (len(path.name), path))


def read_lines(path: Path) -> Iterator[dict[str, Json]]:
    """The objects of a `.jsonl` file of the run; a torn last line, as a live run has, is left out.

    A missing file has no lines.

    Raises:
        DataError: a line is not a JSON object; the message names it.
    """
    if not path.is_file():
        return
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            if not line.endswith(b"\n"):
                return
            try:
                value = json.loads(line)
            except ValueError as fault:
                raise DataError(f"{path}, line {number}, is damaged: {fault}") from None
            if not isinstance(value, dict):
                raise DataError(f"{path}, line {number}, is not a JSON object")
            yield value
