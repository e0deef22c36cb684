"""A file is the old one or the new one, never half of either."""

import errno
import os
import resource
import signal
from pathlib import Path

import pytest

from truing.core.errors import StorageError
from truing.core.storage import storage_faults, write_atomic


def test_a_file_is_written_and_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "file.json"
    write_atomic(path, "one")
    write_atomic(path, b"two")
    assert path.read_bytes() == b"two"
    assert [entry.name for entry in path.parent.iterdir()] == ["file.json"]


def test_a_disk_that_refuses_leaves_the_old_file_and_no_litter(tmp_path: Path) -> None:
    path = tmp_path / "file.json"
    write_atomic(path, "old")
    # A real refusal by the kernel: no file may grow beyond 1000 bytes.
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    ignored = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(StorageError, match=r"cannot write .*file\.json"):
            write_atomic(path, "x" * 5000)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
        signal.signal(signal.SIGXFSZ, ignored)
    assert path.read_text() == "old"
    assert [entry.name for entry in tmp_path.iterdir()] == ["file.json"]


def test_a_folder_that_is_a_file_is_named(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("")
    with pytest.raises(StorageError, match="taken"):
        write_atomic(tmp_path / "taken" / "file.json", "x")


@pytest.mark.parametrize(
    ("number", "advice"),
    [(errno.ENOSPC, "the disk is full"), (errno.EROFS, "read-only"), (errno.EACCES, "permission")],
)
def test_the_disks_errors_say_what_to_do(number: int, advice: str) -> None:
    with pytest.raises(StorageError, match=advice), storage_faults(Path("out.json")):
        raise OSError(number, os.strerror(number))
