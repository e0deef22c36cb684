"""`truing verify`: the verdict on one completion, or on each record of a file."""

import json
import sys
from collections import deque
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..core.config import apply_overrides
from ..core.errors import ConfigError, DataError
from ..core.records import EARNING, FAULTS, Json, Outcome, Verdict

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

    from ..verifiers import Item, VerifierPool
    from .records_in import Line, Reader
    from .results_out import Results

RECORD_SUFFIXES = (".jsonl", ".json", ".ndjson", ".gz", ".bz2", ".xz", ".zst")


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("verify")(verify)


def verify(
    what: Annotated[
        str,
        typer.Argument(
            metavar="COMPLETION|FILE|-",
            help="With --reference, the text of one completion (- reads it from standard input; "
            "put -- before a text that begins with a dash). Without, a JSONL file of records or -.",
        ),
    ],
    verifier: Annotated[
        str | None,
        typer.Option(
            "--verifier",
            "-v",
            help="math, another registered name, or path/to/file.py:name; "
            "default: the one that each record names.",
        ),
    ] = None,
    reference: Annotated[
        str | None, typer.Option("--reference", "-r", help="Reference answer of one completion.")
    ] = None,
    options: Annotated[
        list[str] | None,
        typer.Option("--option", "-o", help="key=value for the verifier; repeatable."),
    ] = None,
    output: Annotated[
        Path | None,
        typer.Option("--output", help="JSONL file of verdicts; the same command continues it."),
    ] = None,
    workers: Annotated[
        int | None, typer.Option(min=1, help="Verifier processes; default: one a core.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print the verdict as JSON.")] = False,
) -> None:
    """Judge a completion, or every record of a file, by a verifier.

    A record holds `completion` (or `response`), `reference` (or `answer`) or a whole `problem`, and
    optionally `id` and `verifier`; the rollouts of a run are such records. Verdicts come in the
    order of the records, one JSON line each. The exit code is 0 whatever the verdicts are, 2 where
    the input is at fault.
    """
    settings = apply_overrides({}, options or [])
    if reference is None and _is_records(what):
        from .records_in import Reader

        _verify_records(Reader(what, verifier, settings), output, workers)
        return
    if verifier is None:
        raise ConfigError(
            "which verifier? pass --verifier math, or --verifier path/to/file.py:name"
        )
    if output is not None:
        raise ConfigError("--output is for a file of records; print one verdict with --json")
    text = sys.stdin.read() if what == "-" else what
    _print_verdict(_one(verifier, text, reference or "", settings), as_json)


def _is_records(what: str) -> bool:
    if what == "-" or Path(what).is_file():
        return True
    if what.endswith(RECORD_SUFFIXES):
        raise DataError(f"there is no file {what} (a completion's text needs --reference)")
    return False


def _one(spec: str, text: str, reference: str, options: dict[str, Json]) -> Verdict:
    from ..core.records import Problem
    from ..verifiers import VerifierPool
    from ..verifiers.direct import quick_verdict
    from ..verifiers.loading import check_problem

    problem = Problem("", "", reference)
    check_problem(spec, problem)
    quick = quick_verdict(spec, text, problem, options)
    if quick is not None:
        return quick
    with VerifierPool(workers=1, on_output=_echo) as pool:
        return pool.submit(spec, text, problem, options).result()


def _echo(printed: str) -> None:
    """What the user's verifier printed: seen, and apart from the verdicts."""
    print(printed, end="", file=sys.stderr, flush=True)


def _print_verdict(verdict: Verdict, as_json: bool) -> None:
    if as_json:
        typer.echo(json.dumps(verdict.to_json()))
        return
    from rich.console import Console

    Console(soft_wrap=True).print(_line(verdict))
    for kind in ("traceback", "printed"):
        if kind in verdict.evidence:
            typer.echo(verdict.evidence[kind], err=True, nl=False)


def _line(verdict: Verdict) -> "Text":
    from rich.text import Text

    color = "green" if verdict.outcome in EARNING else "red"
    if verdict.outcome in FAULTS or verdict.outcome is Outcome.UNDECIDED:
        color = "yellow"
    parts = [f"score {verdict.score:g}" if verdict.reward is not None else "no score"]
    if verdict.extracted is not None:
        parts.append(f"answer {verdict.extracted}")
    if verdict.reason:
        parts.append(verdict.reason)
    return Text.assemble((verdict.outcome.value, f"bold {color}"), "  ", "  ".join(parts))


def _verify_records(reader: "Reader", output: Path | None, workers: int | None) -> None:
    from rich.console import Console
    from rich.progress import MofNCompleteColumn, Progress, TimeElapsedColumn, TimeRemainingColumn

    from ..verifiers import VerifierPool
    from .results_out import Results

    console = Console(stderr=True)
    columns = [*Progress.get_default_columns()[:2], MofNCompleteColumn()]
    columns += [TimeElapsedColumn(), TimeRemainingColumn()]

    def echo(printed: str) -> None:
        console.print(printed, end="", markup=False, highlight=False)

    progress = Progress(*columns, console=console, disable=not console.is_terminal)
    with Results(output) as results, VerifierPool(workers=workers, on_output=echo) as pool:
        try:
            with progress:
                total = reader.count() if console.is_terminal else None
                task = progress.add_task("judged", total=total, completed=results.kept)
                for line, verdict in _verdicts(results.unjudged(reader.lines()), pool):
                    results.write(line, verdict)
                    progress.advance(task)
        except BaseException as fault:
            if results.written:
                _print_summary(results, console)
            if isinstance(fault, KeyboardInterrupt) and output is not None:
                console.print("the same command goes on from here")
            raise
        _print_summary(results, console)


def _verdicts(lines: "Iterator[Line]", pool: "VerifierPool") -> "Iterator[tuple[Line, Verdict]]":
    """Each line with its verdict, in order; an error in reading comes after the verdicts before."""
    pending: deque[Line] = deque()
    stopped: list[DataError] = []

    def items() -> "Iterator[Item]":
        try:
            for line in lines:
                pending.append(line)
                if line.ready is None:
                    yield line.item
        except DataError as fault:
            stopped.append(fault)

    for verdict in pool.score_many(items()):
        while (ready := pending[0].ready) is not None:
            yield pending.popleft(), ready
        yield pending.popleft(), verdict
    yield from ((line, line.ready) for line in pending if line.ready is not None)
    if stopped:
        raise stopped[0]


def _print_summary(results: "Results", console: "Console") -> None:
    from rich.table import Table

    total = results.outcomes.total()
    table = Table("outcome", "records", "share", title=f"{total} records")
    for outcome in Outcome:
        if count := results.outcomes[outcome]:
            table.add_row(outcome.value, str(count), f"{count / total:.1%}")
    console.print(table)
    if results.scores:
        mean = sum(results.scores) / len(results.scores)
        console.print(f"mean score {mean:.4f} over {len(results.scores)} records without faults")
    if results.path is not None:
        kept = f"; {results.kept} were there from before" if results.kept else ""
        console.print(f"written to {results.path}{kept}", soft_wrap=True)
