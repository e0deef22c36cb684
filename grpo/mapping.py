"""A row of a table becomes a `Problem`: its columns, its prompt, its answer, its id."""

import hashlib
import json
import math
import re
from collections.abc import Sequence
from difflib import get_close_matches

from pydantic import Field

from ..core.config import Config
from ..core.errors import DataError
from ..core.records import Json, Message, Problem
from ..core.sampler import Prompt
from .tables import Row

QUESTION = "{question}"
ID_DIGITS = 16  # 64 bits: two of a million rows share a hash with a chance of 3e-8


class ColumnsConfig(Config):
    """Which column holds what; an empty name means that there is none."""

    prompt: str = Field("question", min_length=1)
    """The question as text, or a list of chat messages."""
    reference: str = "answer"
    """The reference answer; set "" where tests or the verifier alone judge."""
    id: str = ""
    """A unique name of each row; without it the id is a hash of the row's mapped content."""
    tests: str = ""
    """Test cases: a list, or one value that is a single test."""
    response: str = ""
    """A demonstration for supervised training."""
    metadata: tuple[str, ...] = ()
    """Further columns to keep for the verifier."""

    def named(self) -> dict[str, str]:
        """Setting to column, for each column that is set."""
        singles = ("prompt", "reference", "id", "tests", "response")
        named = {setting: getattr(self, setting) for setting in singles if getattr(self, setting)}
        return named | {f"metadata.{n}": column for n, column in enumerate(self.metadata)}


class PromptStyle(Config):
    """How a question becomes the prompt that the model sees."""

    template: str = QUESTION
    """The prompt, in which {question} stands for the question; other braces stay as they are."""
    chat: bool = False
    """Send the prompt as a user's message through the model's chat template."""
    system: str = ""
    """A system message before it; needs chat."""

    def render(self, question: str) -> Prompt:
        """The prompt for a question given as text."""
        text = self.template.replace(QUESTION, question)
        if not self.chat:
            return text
        system = (Message("system", self.system),) if self.system else ()
        return (*system, Message("user", text))


def check_columns(rows: Sequence[Row], columns: ColumnsConfig, source: str) -> None:
    """Refuse a table that lacks a column.

    Raises:
        DataError: names the column, the setting that asked for it, a near one, and all there are.
    """
    there = list(dict.fromkeys(name for row in rows for name in row.values))
    for setting, column in columns.named().items():
        if column in there:
            continue
        near = get_close_matches(column, there, n=1, cutoff=0.5)
        hint = f" Did you mean {near[0]!r}?" if near else ""
        raise DataError(
            f"{source} has no column {column!r} (data.columns.{setting}).{hint} "
            f"Columns there: {', '.join(there)}"
        )


def problem_from_row(
    row: Row,
    columns: ColumnsConfig,
    style: PromptStyle,
    *,
    reference_pattern: str = "",
    split: str = "",
) -> Problem:
    """The problem that a row describes.

    The id is the declared column's value, or else the first hex digits of the SHA-256 of the mapped
    columns as they stand in the row (`id` itself left out), so it does not change with the prompt's
    template, the file's format or the order of rows.

    Raises:
        DataError: a value is missing or of a type that cannot be used; the message names the row.
    """
    question = _question(row, columns.prompt)
    reference = _text(row, columns.reference).strip() if columns.reference else ""
    tests = _value(row, columns.tests) if columns.tests else []
    metadata = {column: _value(row, column) for column in columns.metadata}
    if columns.response:
        metadata["response"] = _text(row, columns.response)
    return Problem(
        id=_text(row, columns.id)
        if columns.id
        else _hash(row, question, reference, tests, metadata),
        prompt=_prompt(row, question, style),
        reference=_answer(row, reference, reference_pattern) if reference_pattern else reference,
        tests=tuple(tests) if isinstance(tests, list) else (tests,),
        metadata=metadata,
        split=split,
    )


def _value(row: Row, column: str) -> Json:
    value = row.values.get(column)
    nothing = value is None or (isinstance(value, float) and not math.isfinite(value))
    if nothing or (isinstance(value, str) and not value.strip()):
        raise DataError(f"{row.place}: column {column!r} holds no value ({value!r})")
    return value


def _text(row: Row, column: str) -> str:
    """The column as text; numbers are written out, and a list of one stands for its element."""
    value = _value(row, column)
    if isinstance(value, list) and len(value) == 1:
        value = value[0]
    if isinstance(value, bool) or not isinstance(value, str | int | float):
        raise _unfit(row, column, value, "text or a number")
    return str(value)


def _question(row: Row, column: str) -> str | list[dict[str, str]]:
    value = _value(row, column)
    if not isinstance(value, list):
        return _text(row, column)
    turns = [turn for turn in value if isinstance(turn, dict) and {"role", "content"} <= set(turn)]
    if not value or len(turns) < len(value):
        raise _unfit(row, column, value, "text or a list of messages with role and content")
    return [{"role": str(turn["role"]), "content": str(turn["content"])} for turn in turns]


def _prompt(row: Row, question: str | list[dict[str, str]], style: PromptStyle) -> Prompt:
    if isinstance(question, str):
        return style.render(question)
    if not style.chat or style.template != QUESTION:
        raise DataError(
            f"{row.place}: the prompt is a list of chat messages; it needs data.chat = true and "
            "no data.template"
        )
    given = tuple(Message(turn["role"], turn["content"]) for turn in question)
    if style.system and given[0].role != "system":
        return (Message("system", style.system), *given)
    return given


def _answer(row: Row, reference: str, pattern: str) -> str:
    found = re.search(pattern, reference)
    answer = found and (found.group(1) if found.re.groups else found.group())
    if not answer or not answer.strip():
        raise DataError(
            f"{row.place}: data.reference_pattern {pattern!r} finds no answer in the reference "
            f"{shown(reference)}"
        )
    return answer.strip()


def _hash(row: Row, *content: Json) -> str:
    try:
        text = json.dumps(content, ensure_ascii=False, sort_keys=True)
    except TypeError as fault:
        raise DataError(f"{row.place}: a mapped column is not plain JSON: {fault}") from None
    return hashlib.sha256(text.encode()).hexdigest()[:ID_DIGITS]


def _unfit(row: Row, column: str, value: object, wanted: str) -> DataError:
    kind = type(value).__name__
    return DataError(
        f"{row.place}: column {column!r} should hold {wanted}, found {kind}: {shown(value)}"
    )


def shown(value: object) -> str:
    """The value for a message, cut where it is long."""
    text = repr(value)
    return text if len(text) <= 80 else f"{text[:77]}..."
