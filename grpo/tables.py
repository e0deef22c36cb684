"""Files as rows: column name to value, each row knowing where it stood."""

import bz2
import csv
import gzip
import json
import lzma
import sys
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

from ..core.errors import DataError, MissingExtra
from ..core.records import Json

FORMATS = ".jsonl .json .csv .tsv .parquet, plain or with .gz .bz2 .xz .zst"


@dataclass(frozen=True, slots=True)
class Row:
    """One row of a table.

    Attributes:
        place: where it stands, for messages, such as `line 3`.
        values: column name to value.
    """

    place: str
    values: Mapping[str, Json]


def read_file(path: Path) -> list[Row]:
    """The rows of a local file; the format follows from the name.

    Raises:
        DataError: the file is missing, of an unknown format, damaged, or has an unreadable line.
    """
    reader, compression = _format(path)
    try:
        data = _DECOMPRESS[compression](path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"no data at {path}{_near_file(path)}; check data.path") from None
    except (OSError, EOFError, lzma.LZMAError, zlib.error) as fault:
        raise DataError(f"cannot read {path}: {fault}; is the file complete?") from None
    rows = reader(path, data)
    if not rows:
        raise empty(str(path))
    return rows


def _format(path: Path) -> tuple[Callable[[Path, bytes], list[Row]], str]:
    suffixes = [suffix.lower() for suffix in path.suffixes]
    compression = suffixes.pop() if suffixes and suffixes[-1] in _DECOMPRESS else ""
    reader = _READERS.get(suffixes[-1] if suffixes else "")
    if reader is None:
        raise DataError(f"{path}: the name says no known format; known are {FORMATS}")
    return reader, compression


def _near_file(path: Path) -> str:
    if not path.parent.is_dir():
        return f" (nor is there a folder {path.parent})"
    near = get_close_matches(path.name, [p.name for p in path.parent.iterdir()], n=1, cutoff=0.75)
    return f", though there is {path.parent / near[0]}" if near else ""


def _zstd(data: bytes) -> bytes:
    pyarrow = _pyarrow("a .zst file")
    with pyarrow.CompressedInputStream(BytesIO(data), "zstd") as stream:
        content: bytes = stream.read()
    return content


_DECOMPRESS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.decompress,
    ".bz2": bz2.decompress,
    ".xz": lzma.decompress,
    ".zst": _zstd,
}


def _text(path: Path, data: bytes) -> str:
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as fault:
        line = data.count(b"\n", 0, fault.start) + 1
        raise DataError(
            f"{path}, line {line}: not UTF-8 ({fault.reason}); convert the file to UTF-8"
        ) from None


def _jsonl(path: Path, data: bytes) -> list[Row]:
    rows = []
    # Not str.splitlines: U+2028 and its kin may stand unescaped inside a JSON string.
    for number, line in enumerate(_text(path, data).split("\n"), start=1):
        if not line.strip():
            continue
        try:
            value = json.loads(line)
        except json.JSONDecodeError as fault:
            raise DataError(
                f"{path}, line {number}: not JSON: {fault.msg} at column {fault.colno}"
            ) from None
        rows.append(_object(path, f"line {number}", value))
    return rows


def _json(path: Path, data: bytes) -> list[Row]:
    """A list of objects; a file named .json that holds one object a line is read as such."""
    text = _text(path, data)
    try:
        value = json.loads(text)
    except json.JSONDecodeError as fault:
        if fault.msg == "Extra data":
            return _jsonl(path, data)
        raise DataError(
            f"{path}, line {fault.lineno}: not JSON: {fault.msg} at column {fault.colno}"
        ) from None
    if isinstance(value, dict) and not any(isinstance(part, list) for part in value.values()):
        value = [value]  # a JSONL file of one line
    if not isinstance(value, list):
        raise DataError(f"{path}: expected a list of objects, one a problem, at the top level")
    return [_object(path, f"row {number}", row) for number, row in enumerate(value, start=1)]


def _object(path: Path, place: str, value: Json) -> Row:
    if not isinstance(value, dict):
        raise DataError(
            f"{path}, {place}: expected an object with columns, found {type(value).__name__}"
        )
    return Row(place, value)


def _csv(path: Path, data: bytes) -> list[Row]:
    delimiter = "\t" if ".tsv" in path.name.lower() else ","
    former = csv.field_size_limit(sys.maxsize)  # the default refuses long solutions
    reader = csv.DictReader(
        StringIO(_text(path, data), newline=""), delimiter=delimiter, strict=True
    )
    rows = []
    try:
        for values in reader:
            count = len(reader.fieldnames or ())
            extra, missing = values.pop(None, None), [k for k, v in values.items() if v is None]
            if extra or missing:
                found = count + len(extra or ()) - len(missing)
                raise DataError(
                    f"{path}, line {reader.line_num}: {found} fields, but the header names "
                    f"{count}; quote fields that hold a {delimiter!r}"
                )
            rows.append(Row(f"line {reader.line_num}", values))
    except csv.Error as fault:
        raise DataError(f"{path}, line {reader.line_num}: not CSV: {fault}") from None
    finally:
        csv.field_size_limit(former)
    return rows


def _parquet(path: Path, data: bytes) -> list[Row]:
    pyarrow = _pyarrow("a .parquet file")
    from pyarrow import parquet

    try:
        values = parquet.read_table(BytesIO(data)).to_pylist()
    except (pyarrow.ArrowException, OSError) as fault:
        raise DataError(f"cannot read {path}: {fault}; is it a Parquet file?") from None
    return [Row(f"row {number}", row) for number, row in enumerate(values, start=1)]


_READERS = {".jsonl": _jsonl, ".ndjson": _jsonl, ".json": _json, ".csv": _csv, ".tsv": _csv}
_READERS[".parquet"] = _parquet


def _pyarrow(what: str) -> Any:
    try:
        import pyarrow
    except ImportError:
        raise MissingExtra(f"{what} needs truing[train]: pip install 'truing[train]'") from None
    return pyarrow


def empty(source: str) -> DataError:
    """The error of a source without rows."""
    return DataError(f"{source} holds no rows; an empty data set cannot be used")
