"""Files that are whole or absent: written aside, synced, renamed."""

import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from .errors import StorageError


@contextmanager
def storage_faults(path: Path) -> Iterator[None]:
    """Turn the disk's own errors into a `StorageError` that names `path` and what to do."""
    try:
        yield
    except OSError as fault:
        if isinstance(fault, StorageError):
            raise
        advice = {
            errno.ENOSPC: "the disk is full; free some space and run the same command again",
            errno.EDQUOT: "the quota is used up; free some space and run the same command again",
            errno.EACCES: "permission denied; choose a folder that you can write to",
            errno.EROFS: "the file system is read-only; choose another folder",
        }.get(fault.errno or 0, str(fault))
        raise StorageError(f"cannot write {path}: {advice}. Nothing written before is lost.") from (
            fault
        )


def write_atomic(path: Path, content: str | bytes) -> None:
    """Replace `path` by `content`; a crash at any moment leaves the old file or the new one.

    Raises:
        StorageError: the disk is full or refuses; the old file still stands.
    """
    data = content.encode() if isinstance(content, str) else content
    with storage_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        descriptor, aside = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(data)
                file.flush()
                os.fsync(file.fileno())
            Path(aside).chmod(0o644)
            Path(aside).replace(path)
        except BaseException:
            Path(aside).unlink(missing_ok=True)
            raise
        sync_folder(path.parent)


def sync_folder(folder: Path) -> None:
    """Make renames inside `folder` durable."""
    descriptor = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
