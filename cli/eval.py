"""`truing eval`: a model, problems and a verifier become one table with an interval."""

import json
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import IO, TYPE_CHECKING, Annotated, Any

import typer

from ..core.openmp import wait_asleep

if TYPE_CHECKING:
    from ..benchmarks.run import EvalConfig, Measured
    from ..core.records import Rollout
    from ..grpo.data import ProblemSet


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("eval")(evaluate)


def evaluate(
    overrides: Annotated[
        list[str] | None,
        typer.Argument(help="key=value pairs, such as data.columns.prompt=problem."),
    ] = None,
    model: Annotated[
        str | None, typer.Option("--model", help="Folder of a transformers model, or a hub id.")
    ] = None,
    data: Annotated[str | None, typer.Option("--data", help="File of problems.")] = None,
    verifier: Annotated[
        str | None, typer.Option("--verifier", help="math, or path/to/file.py:name.")
    ] = None,
    samples: Annotated[
        int | None, typer.Option("--samples", help="Completions of each problem.")
    ] = None,
    temperature: Annotated[
        float | None,
        typer.Option("--temperature", help="Default: 0 (greedy); 1 where samples > 1."),
    ] = None,
    max_new_tokens: Annotated[
        int | None, typer.Option("--max-new-tokens", help="Longest completion; default 512.")
    ] = None,
    limit: Annotated[
        int | None, typer.Option("--limit", help="At most so many problems, drawn by data.seed.")
    ] = None,
    output: Annotated[
        Path | None, typer.Option("--output", help="New JSONL file for the graded completions.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the figures as JSON.")] = False,
) -> None:
    """Measure a model on problems: accuracy with a 95% interval, and why answers failed."""
    given = {
        "model.path": model,
        "data.path": data,
        "data.limit": limit,
        "verifier": verifier,
        "samples": samples,
        "temperature": temperature,
        "max_new_tokens": max_new_tokens,
    }
    wait_asleep()
    config = _resolved(given, overrides or [])
    from ..benchmarks.run import run_evaluation

    with ExitStack() as stack:
        file = stack.enter_context(_new_file(output)) if output else None
        progress = stack.enter_context(_Progress())

        def graded(rollout: "Rollout") -> None:
            if file is not None:
                file.write(_line(rollout))
            progress.step()

        measured = run_evaluation(config, on_start=progress.start, on_graded=graded)
    if as_json:
        typer.echo(json.dumps(measured.to_json(), indent=1))
    else:
        _print_table(measured, output)


def _resolved(given: dict[str, Any], overrides: list[str]) -> "EvalConfig":
    """The configuration: options first, then the pairs, which win."""
    from ..core.config import apply_overrides, resolve

    tables: dict[str, Any] = {"model": {}, "data": {}}
    for key, value in given.items():
        section, _, name = key.rpartition(".")
        if value is not None:
            (tables[section] if section else tables)[name] = value
    tables = apply_overrides(tables, overrides)
    data = tables["data"]
    if isinstance(data, dict) and not data.get("limit") and not data.get("holdout"):
        data.setdefault("shuffle", False)  # all of them are wanted: keep the file's order
    from ..benchmarks.run import EvalConfig

    return resolve(EvalConfig, tables, where="truing eval")


@contextmanager
def _new_file(path: Path) -> Iterator[IO[str]]:
    """`path` opened for writing, each line on the disk when it ends; never an existing file."""
    from ..core.errors import StorageError
    from ..core.storage import storage_faults

    with storage_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        if path.exists() and path.stat().st_size:
            raise StorageError(f"{path} exists; give --output another name, or remove it")
        file = path.open("w", encoding="utf-8", buffering=1)
        try:
            with file:
                yield file
        finally:
            if path.stat().st_size == 0:  # nothing was graded: the same command may run again
                path.unlink()


def _line(rollout: "Rollout") -> str:
    """A graded completion as a JSON line; log-probs are of no use to whoever reads it."""
    value = rollout.to_json()
    del value["completion"]["logprobs"]
    return json.dumps(value, ensure_ascii=False) + "\n"


class _Progress:
    """A bar on stderr where a person watches; else a line for every tenth."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import Progress

        self._console = Console(stderr=True)
        self._bar = Progress(console=self._console, transient=True)
        self._done = self._total = 0

    def __enter__(self) -> "_Progress":
        return self

    def __exit__(self, *_: object) -> None:
        self._bar.stop()

    def start(self, data: "ProblemSet", total: int) -> None:
        """Say what is about to be measured."""
        for note in data.notes:
            print(f"note: {note}", file=sys.stderr)
        self._total = total
        if self._console.is_terminal:
            self._task = self._bar.add_task("graded", total=total)
            self._bar.start()

    def step(self) -> None:
        """One more completion is graded."""
        before, self._done = self._done, self._done + 1
        if self._console.is_terminal:
            self._bar.advance(self._task)
        elif before * 10 // self._total < self._done * 10 // self._total:
            print(f"graded {self._done} of {self._total}", file=sys.stderr)


def _print_table(measured: "Measured", output: Path | None) -> None:
    from rich.console import Console
    from rich.table import Table

    figures, params = measured.evaluation, measured.config.params()
    table = Table(title=f"{measured.config.model.path} on {measured.data.source}")
    table.add_column("")
    table.add_column("value", justify="right")
    table.add_column("", justify="left")
    table.add_row(
        "accuracy" if figures.samples == 1 else f"accuracy (avg@{figures.samples})",
        f"{figures.accuracy:.1%}",
        f"95% interval {figures.low:.1%} to {figures.high:.1%}",
    )
    for k, share in figures.pass_at.items():
        table.add_row(f"pass@{k}", f"{share:.1%}", "")
    table.add_row(
        "problems",
        f"{figures.problems:,}",
        f"{figures.samples} sample{'s' * (figures.samples > 1)} each, "
        f"temperature {params.temperature:g}, seed {params.seed}",
        end_section=True,
    )
    for outcome, count in figures.outcomes.items():
        counts = "" if outcome not in _faults() else ", not part of the accuracy"
        table.add_row(outcome.value, f"{count:,}", f"{count / figures.completions:.1%}{counts}")
    table.add_section()
    table.add_row(
        "tokens each",
        f"{figures.length_p50:,.0f}",
        f"median; 10% {figures.length_p10:,.0f}, 90% {figures.length_p90:,.0f}, "
        f"most {figures.length_max:,}; {figures.truncated_share:.1%} cut off",
    )
    table.add_row("tokens/s", f"{figures.tokens_per_second:,.0f}", f"{figures.tokens:,} sampled")
    table.add_row(
        "seconds",
        f"{figures.seconds:.1f}",
        f"of which {figures.seconds - figures.generation_seconds:.1f} waiting for verdicts",
    )
    console = Console()
    console.print(table)
    if output is not None:
        console.print(f"graded completions: {output}", soft_wrap=True, highlight=False)


def _faults() -> "frozenset[Any]":
    from ..core.records import FAULTS

    return FAULTS
