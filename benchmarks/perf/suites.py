"""Files of graded answers: reading them, and the long answers that a generator beside them makes.

One JSON object a line: `gold`, `pred`, `label`, `gold_format` and `pred_format`, where `latex` and
`expr` are bare answers, `text` is a response to extract from and `choice` an option's letter. Rows
flagged `bad_label` are left out. A row without `gold` compares `pred` with itself; one without
`label` asks only that a verdict comes, and soon.
"""

import ast
import gzip
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...core.errors import DataError

GENERATOR = "_gen.py"


@dataclass(frozen=True, slots=True)
class Row:
    """One answer to be judged."""

    id: str
    gold: str
    pred: str
    label: bool | None
    gold_format: str = "latex"
    pred_format: str = "latex"
    flags: tuple[str, ...] = ()


def read_suite(path: Path) -> list[Row]:
    """The usable rows of a suite.

    Raises:
        DataError: the file is missing, or a line is not a row.
    """
    opened = gzip.open if path.suffix == ".gz" else open
    try:
        with opened(path, "rt", encoding="utf-8") as file:
            lines = [line for line in file if line.strip()]
    except OSError as fault:
        raise DataError(f"cannot read the suite {path}: {fault.strerror or fault}") from None
    return list(_rows(path, lines))


def suite_name(path: Path) -> str:
    """A suite's name: its file's, without endings."""
    return path.name.removesuffix(".gz").removesuffix(".jsonl")


def _rows(path: Path, lines: list[str]) -> Iterator[Row]:
    made: dict[str, str] | None = None
    for number, line in enumerate(lines, 1):
        try:
            raw: dict[str, Any] = json.loads(line)
            pred = raw["pred"]
            flags = tuple(raw.get("flags") or ())
            if pred is None:
                made = _generated(path) if made is None else made
                pred = made[raw["key"]]
            gold = pred if raw["gold"] is None else raw["gold"]
            label = raw["label"]
        except (ValueError, KeyError, TypeError) as fault:
            raise DataError(f"{path}, line {number}: not a row of a suite: {fault!r}") from None
        if "bad_label" in flags:
            continue
        formats = raw.get("gold_format", "latex"), raw.get("pred_format", "latex")
        yield Row(str(raw.get("id", number)), gold, pred, label, *formats, flags)


def _generated(path: Path) -> dict[str, str]:
    """The long answers that the generator beside a suite builds: its dictionaries named D."""
    script = path.with_name(suite_name(path) + GENERATOR)
    try:
        tree = ast.parse(script.read_text(encoding="utf-8"))
    except OSError as fault:
        raise DataError(f"{path} needs {script} beside it: {fault.strerror}") from None
    made: dict[str, str] = {}
    for statement in tree.body:
        if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Dict):
            code = compile(ast.Expression(statement.value), str(script), "eval")
            made.update(eval(code))  # the suite's own script, run because its reader asked for it
    return made
