r"""Accuracy and CPU time of the math verifier on suites, beside Math-Verify if asked.

    python -m truing.benchmarks.perf.math_verifier FILE... [--peer [PYTHON]] [--json OUT]

One configuration for all suites: the defaults; responses (`text`) are extracted from leniently.
`undecided` counts as wrong. Times are CPU time of one process and include reading both the answer
and the reference, which is remembered in ordinary use but not here.
"""

import argparse
import json
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import median
from typing import Any

from ...core.errors import TruingError
from ...core.records import Outcome, Problem, Verdict
from ...core.storage import write_atomic
from ...verifiers.extract import extract
from ...verifiers.math_answers import MathVerifier, math_equal
from ...verifiers.reading import read_reference
from .suites import Row, read_suite, suite_name

REPORTED_FLAGS = ("convention", "approx")
PEER = Path(__file__).with_name("math_verify_peer.py")


@dataclass(frozen=True, slots=True)
class Judged:
    """A row with what a grader made of it.

    Attributes:
        accepted: None where it was undecided.
        cpu: seconds.
    """

    row: Row
    accepted: bool | None
    cpu: float
    reason: str = ""

    @property
    def right(self) -> bool:
        """Whether the label was met; undecided is wrong whatever the label."""
        return self.accepted is not None and self.accepted is self.row.label


def judge(row: Row, verifier: MathVerifier) -> Verdict:
    """The verdict on one row."""
    reference = row.gold
    if row.gold_format == "text":
        found = extract(reference, "lenient")
        reference = found.fallback or found.answer or reference
    elif row.gold_format == "choice":
        reference = reference.upper()
    if row.pred_format == "text":
        return verifier(row.pred, Problem(id=row.id, prompt="", reference=reference))
    return math_equal(row.pred, reference)


def run(rows: Iterable[Row]) -> list[Judged]:
    """All rows judged by truing, one after another."""
    verifier = MathVerifier(extraction="lenient")
    math_equal(r"\sqrt{2}", "x")  # loads what is loaded once
    judged = []
    for row in rows:
        read_reference.cache_clear()
        started = time.process_time()
        verdict = judge(row, verifier)
        spent = time.process_time() - started
        accepted = None if verdict.outcome is Outcome.UNDECIDED else verdict.score == 1.0
        judged.append(Judged(row, accepted, spent, verdict.reason))
    return judged


def run_peer(rows: Sequence[Row], python: str) -> list[Judged]:
    """All rows judged by Math-Verify, in a process of a Python that has it.

    Raises:
        TruingError: that Python cannot run it.
    """
    lines = "".join(
        json.dumps(
            {name: getattr(row, name) for name in ("gold", "pred", "gold_format", "pred_format")}
        )
        + "\n"
        for row in rows
    )
    command = [python, str(PEER)]
    done = subprocess.run(command, input=lines, capture_output=True, text=True, check=False)
    answers = [json.loads(line) for line in done.stdout.splitlines() if line.startswith("{")]
    if len(answers) != len(rows):
        last = (done.stderr.strip().splitlines() or ["no message"])[-1]
        raise TruingError(
            f"Math-Verify did not judge all rows: {last}; install it where {python} finds it "
            "(pip install math-verify==0.9.0) or name another Python after --peer"
        )
    return [
        Judged(row, answer["accepted"], answer["cpu"])
        for row, answer in zip(rows, answers, strict=True)
    ]


def summary(judged: Sequence[Judged]) -> dict[str, Any]:
    """The figures of one suite.

    >>> row = Row("1", "1", "2", False)
    >>> summary([Judged(row, False, 0.002), Judged(row, True, 0.004)])["fp"]
    1
    """
    labelled = [each for each in judged if each.row.label is not None]
    times = sorted(1000 * each.cpu for each in judged)
    return {
        "n": len(judged),
        "accuracy": round(sum(e.right for e in labelled) / len(labelled), 4) if labelled else None,
        "fp": sum(bool(each.accepted) and not each.row.label for each in labelled),
        "fn": sum(not each.accepted and bool(each.row.label) for each in labelled),
        "undecided": sum(each.accepted is None for each in judged),
        "cpu_ms_median": round(median(times), 3) if times else None,
        "cpu_ms_p99": round(times[min(len(times) - 1, int(0.99 * len(times)))], 3)
        if times
        else None,
        "cpu_s_total": round(sum(times) / 1000, 3),
    }


def by_flag(judged: Sequence[Judged]) -> dict[str, Any]:
    """The figures of the rows whose label is a matter of convention, apart."""
    parts = {flag: [each for each in judged if flag in each.row.flags] for flag in REPORTED_FLAGS}
    return {
        flag: {key: summary(rows)[key] for key in ("n", "accuracy", "fp", "fn")}
        for flag, rows in parts.items()
        if rows
    }


def report(name: str, figures: dict[str, Any], peer: dict[str, Any] | None) -> Iterator[str]:
    """A suite's figures as lines."""
    yield _line(name, figures)
    for flag, part in figures["by_flag"].items():
        wrong = f"{part['fp']} FP, {part['fn']} FN"
        yield f"  {flag}: {part['n']} rows, accuracy {part['accuracy']}, {wrong}"
    if peer is not None:
        yield _line("  Math-Verify", peer)
        if figures["cpu_s_total"]:
            yield f"  {peer['cpu_s_total'] / figures['cpu_s_total']:.0f} times its throughput"


def _line(name: str, f: dict[str, Any]) -> str:
    accuracy = "    -" if f["accuracy"] is None else f"{f['accuracy']:.4f}"
    return (
        f"{name:<26} n {f['n']:>5}  accuracy {accuracy}  FP {f['fp']:>3}  FN {f['fn']:>3}  "
        f"undecided {f['undecided']:>3}  CPU ms median {f['cpu_ms_median']:.3f}  "
        f"p99 {f['cpu_ms_p99']:.2f}  total {f['cpu_s_total']:.2f} s"
    )


def disagreements(judged: Sequence[Judged]) -> Iterator[str]:
    """Each row that was not judged as labelled, with the reason."""
    for each in judged:
        row = each.row
        if row.label is not None and not each.right:
            kind = "undecided" if each.accepted is None else "FP" if each.accepted else "FN"
            flags = f" [{', '.join(row.flags)}]" if row.flags else ""
            pair = f"{row.pred[-120:]!r} for {row.gold[-120:]!r}"
            yield f"  {kind} {row.id}{flags}: {pair}: {each.reason}"


def main(arguments: Sequence[str] | None = None, show: Callable[[str], None] = print) -> int:
    """The command line; 0 when all suites ran, 2 where one could not be read."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("files", nargs="+", type=Path, metavar="FILE")
    parser.add_argument("--peer", nargs="?", const=sys.executable, metavar="PYTHON",
                        help="run Math-Verify too, by this Python (default: the same)")  # fmt: skip
    parser.add_argument("--json", type=Path, metavar="OUT", help="write the figures here")
    parser.add_argument("--disagreements", action="store_true", help="list rows not as labelled")
    options = parser.parse_args(arguments)
    results: dict[str, Any] = {}
    try:
        for path in options.files:
            rows = read_suite(path)
            judged = run(rows)
            figures = summary(judged) | {"by_flag": by_flag(judged)}
            peer = summary(run_peer(rows, options.peer)) if options.peer else None
            results[suite_name(path)] = figures | ({"peer": peer} if peer else {})
            for line in report(suite_name(path), figures, peer):
                show(line)
            if options.disagreements:
                for line in disagreements(judged):
                    show(line)
        if options.json:
            write_atomic(options.json, json.dumps(results, indent=1) + "\n")
    except TruingError as fault:
        print(fault, file=sys.stderr)
        return fault.exit_code
    return 0


if __name__ == "__main__":
    sys.exit(main())
