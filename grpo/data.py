"""Problems to train on: read from a file, a hub data set or a generator, selected, and hashed.

The same data set gives the same records, ids, order and hash wherever it is read from: nothing
below depends on the file's name, its format or the order of its rows.
"""

import hashlib
import json
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from pydantic import Field, model_validator

from ..core.errors import DataError, UnknownName
from ..core.records import Problem
from ..core.sampler import Prompt
from ..verifiers.loading import check_problem
from .generators import GENERATORS, generate
from .hub import read_folder, read_hub
from .mapping import QUESTION, ColumnsConfig, PromptStyle, check_columns, problem_from_row
from .tables import Row, read_file

__all__ = ["ColumnsConfig", "DataConfig", "ProblemSet", "content_hash", "load_problems"]

PromptTokens = Callable[[Prompt], int]


class DataConfig(PromptStyle):
    """Where problems come from, how a row becomes one, and which are taken."""

    path: str = ""
    """A local file (.jsonl .json .csv .tsv .parquet, also .gz .bz2 .xz .zst) or a data set's
    folder; wins over hub and generator."""
    hub: str = ""
    """A data set of the Hugging Face hub, such as openai/gsm8k."""
    name: str = ""
    """The hub data set's configuration, such as main."""
    split: str = "train"
    """The split to load from a hub or folder; problems bear its name."""
    revision: str = ""
    """The hub data set's commit, tag or branch."""
    generator: str = ""
    """A generator of problems, such as arithmetic."""
    options: dict[str, Any] = Field(default_factory=dict)
    """The generator's options."""
    columns: ColumnsConfig = ColumnsConfig()
    """Names of the columns of a file or hub data set."""
    reference_pattern: str = ""
    """Regular expression whose first group (or whole match) in the reference is the answer."""
    max_prompt_tokens: int | None = Field(None, ge=1)
    """Leave out problems whose prompt has more tokens."""
    limit: int | None = Field(None, ge=1)
    """Problems to train on at most, the held-out ones not counted; a generator needs it."""
    holdout: int = Field(0, ge=0)
    """Problems set aside for evaluation and never trained on."""
    shuffle: bool = True
    """Order the problems by the seed before holdout and limit are taken; else as they stand."""
    seed: int = 0
    """Seed of the order and of the generator."""
    bad_rows: Literal["error", "drop"] = "error"
    """Rows that cannot be used (no value, no answer found): refuse them, or leave them out."""
    duplicates: Literal["error", "drop"] = "error"
    """Rows of equal id or equal content: refuse them, or keep the first."""

    @model_validator(mode="after")
    def _consistent(self) -> "DataConfig":
        generated = bool(self.generator) and not self.path
        checks = (
            (not (self.path or self.hub or self.generator), "set one of path, hub, generator"),
            (generated and bool(self.hub), "hub and generator are both set; keep one"),
            (generated and self.limit is None, "a generator needs limit, the number of problems"),
            (QUESTION not in self.template, f"template must hold {QUESTION}"),
            (bool(self.system) and not self.chat, "system needs chat = true"),
        )
        faults = [text for failed, text in checks if failed]
        try:
            re.compile(self.reference_pattern)
        except re.error as fault:
            faults.append(f"reference_pattern is not a regular expression: {fault}")
        if self.generator and not self.path:
            try:
                GENERATORS.entry(self.generator)
            except UnknownName as fault:
                faults.append(str(fault))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @property
    def source(self) -> str:
        """The one source that is read, for messages."""
        if self.path:
            return self.path
        if self.hub:
            return f"{self.hub} ({', '.join(filter(None, (self.name, self.split)))})"
        return f"generator {self.generator}"


@dataclass(frozen=True)
class ProblemSet:
    """Problems ready to be trained and evaluated on.

    Attributes:
        train: to train on.
        heldout: set aside; no prompt of theirs is in `train`.
        sha256: of the content of both parts, equal for equal records whatever their source.
        source: where they came from, for the log and the report.
        notes: what a user should be told: a source overruled, rows left out.
    """

    train: tuple[Problem, ...]
    heldout: tuple[Problem, ...]
    sha256: str
    source: str
    notes: tuple[str, ...] = ()


def load_problems(
    config: DataConfig, *, verifier: str = "", prompt_tokens: PromptTokens | None = None
) -> ProblemSet:
    """The problems that `config` describes.

    Args:
        config: source, columns, prompt and selection.
        verifier: the registered verifier that will judge. Where what is registered has a static
            method `check_reference(reference) -> str | None`, as `math` has, every reference must
            pass it; the string says what is wrong.
        prompt_tokens: tokens of a prompt; needed where `config.max_prompt_tokens` is set.

    Raises:
        DataError: the data cannot be read, lack a column, repeat an id or hold a row that cannot
            be used; the message names it.
        ConfigError: the generator's options are wrong.
    """
    notes: list[str] = []
    if config.path and (config.hub or config.generator):
        notes.append(f"data.path is set: {config.hub or config.generator} is not read")
    if config.generator and not config.path:
        train, heldout = _generated(config)
        heldout = _short_enough(heldout, config, prompt_tokens, notes)
        train = _short_enough(train, config, prompt_tokens, notes)
    else:
        problems = _ordered(_read(config, verifier, notes), config)
        problems = _short_enough(problems, config, prompt_tokens, notes)
        train, heldout = _parted(problems, config)
    if not train:
        raise DataError(
            f"{config.source}: no problem is left to train on ({len(heldout)} are held out); lower "
            "data.holdout or raise data.max_prompt_tokens"
        )
    shared = {problem.prompt for problem in train} & {problem.prompt for problem in heldout}
    assert not shared, f"held-out prompts would be trained on: {len(shared)}"
    return ProblemSet(
        tuple(train), tuple(heldout), content_hash([*train, *heldout]), config.source, tuple(notes)
    )


def content_hash(problems: Sequence[Problem]) -> str:
    """SHA-256 of the records, in their order, as canonical JSON lines."""
    digest = hashlib.sha256()
    for problem in problems:
        line = json.dumps(problem.to_json(), ensure_ascii=False, sort_keys=True)
        digest.update(line.encode("utf-8", "surrogatepass") + b"\n")
    return digest.hexdigest()


def _generated(config: DataConfig) -> tuple[list[Problem], list[Problem]]:
    assert config.limit is not None  # DataConfig refuses a generator without it
    parts = generate(
        config.generator,
        config.options,
        train=config.limit,
        heldout=config.holdout,
        seed=config.seed,
    )
    train, heldout = (
        [replace(problem, prompt=config.render(problem.prompt_text)) for problem in part]
        for part in parts
    )
    return train, heldout


def _read(config: DataConfig, verifier: str, notes: list[str]) -> list[Problem]:
    """Every row as a problem, checked, without duplicates, in the source's order."""
    rows = _rows(config)
    check_columns(rows, config.columns, config.source)
    usable: list[tuple[Row, Problem]] = []
    faults: list[DataError] = []
    for row in rows:
        try:
            problem = problem_from_row(
                row,
                config.columns,
                config,
                reference_pattern=config.reference_pattern,
                split=config.split,
            )
            if verifier and problem.reference:
                _check_reference(verifier, problem, row)
            usable.append((row, problem))
        except DataError as fault:
            faults.append(fault)
    if faults and (config.bad_rows == "error" or not usable):
        raise DataError(
            f"{config.source}, {faults[0]} ({len(faults)} of {len(rows)} rows cannot be used); "
            'mend the data, or leave such rows out with data.bad_rows="drop"'
        )
    if faults:
        notes.append(f"{len(faults)} rows left out that cannot be used, such as {faults[0]}")
    return _distinct(usable, config, notes)


def _rows(config: DataConfig) -> list[Row]:
    if not config.path:
        return read_hub(config.hub, name=config.name, split=config.split, revision=config.revision)
    path = Path(config.path).expanduser()
    if path.is_dir():
        return read_folder(path, name=config.name, split=config.split)
    return read_file(path)


def _check_reference(verifier: str, problem: Problem, row: Row) -> None:
    try:
        check_problem(verifier, problem)
    except DataError as fault:
        raise DataError(f"{row.place}: {fault}") from None


def _distinct(
    usable: Sequence[tuple[Row, Problem]], config: DataConfig, notes: list[str]
) -> list[Problem]:
    first: dict[str, tuple[Row, Problem]] = {}
    repeats = [
        (row, problem)
        for row, problem in usable
        if first.setdefault(problem.id, (row, problem))[0] is not row
    ]
    if repeats and config.duplicates == "error":
        row, problem = repeats[0]
        what = f"the id {problem.id!r}" if config.columns.id else "the content"
        raise DataError(
            f"{config.source}: {row.place} repeats {what} of {first[problem.id][0].place} "
            f"({len(repeats)} such rows in all); mend the data, or keep the first of each with "
            'data.duplicates="drop"'
        )
    if repeats:
        notes.append(f"{len(repeats)} duplicate rows left out")
    return [problem for _, problem in first.values()]


def _ordered(problems: list[Problem], config: DataConfig) -> list[Problem]:
    """By a hash of seed and id: the same order from any source, whatever its rows' order."""
    if not config.shuffle:
        return problems
    return sorted(problems, key=lambda p: hashlib.sha256(f"{config.seed}/{p.id}".encode()).digest())


def _short_enough(
    problems: list[Problem],
    config: DataConfig,
    prompt_tokens: PromptTokens | None,
    notes: list[str],
) -> list[Problem]:
    if config.max_prompt_tokens is None:
        return problems
    if prompt_tokens is None:
        raise DataError("data.max_prompt_tokens needs a model whose tokenizer counts the tokens")
    kept = [p for p in problems if prompt_tokens(p.prompt) <= config.max_prompt_tokens]
    if len(kept) < len(problems):
        notes.append(
            f"{len(problems) - len(kept)} of {len(problems)} problems left out: their prompts have "
            f"more than {config.max_prompt_tokens} tokens (data.max_prompt_tokens)"
        )
    return kept


def _parted(problems: Sequence[Problem], config: DataConfig) -> tuple[list[Problem], list[Problem]]:
    """The first `holdout` prompts are held out, with every row that shares one of them."""
    by_prompt: dict[Prompt, Problem] = {}
    for problem in problems:
        by_prompt.setdefault(problem.prompt, problem)
    heldout = list(by_prompt.values())[: config.holdout]
    kept_back = {problem.prompt for problem in heldout}
    train = [problem for problem in problems if problem.prompt not in kept_back][: config.limit]
    return train, [replace(problem, split="heldout") for problem in heldout]
