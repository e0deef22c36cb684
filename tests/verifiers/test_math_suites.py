"""The math verifier on the suites of graded answers: accuracy, limits, the same under load.

Skipped where TRUING_DATA names no folder with them.
"""

import asyncio
import multiprocessing
import random
import threading
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from truing.benchmarks.perf.math_verifier import judge, run, summary
from truing.benchmarks.perf.suites import Row, read_suite
from truing.core.records import Outcome
from truing.verifiers.math_answers import MathVerifier, math_equal


def rows_of(truing_data: Path, name: str) -> list[Row]:
    path = truing_data / "verifier" / f"{name}.jsonl.gz"
    if not path.exists():
        pytest.skip(f"there is no suite {path}")
    return read_suite(path)


@pytest.mark.parametrize(
    ("name", "accuracy", "false_positives"),
    [
        ("math_verify_suite", 0.985, 1),
        ("hardverify_dev", 0.93, 0),
        ("metamorphic_dev", 0.995, 0),
        ("adversarial_fp_dev", 0.98, 0),
        ("unit_tests_public", 0.93, 3),
        ("mathcoder_numeric", 0.995, 0),
        ("gsm8k_example_solutions", 1.0, 0),
    ],
)
def test_suite(truing_data: Path, name: str, accuracy: float, false_positives: int) -> None:
    figures = summary(run(rows_of(truing_data, name)))
    assert figures["accuracy"] >= accuracy
    assert figures["fp"] <= false_positives


def test_inputs_made_to_hang_are_decided_or_given_up(truing_data: Path) -> None:
    rows = rows_of(truing_data, "adversarial_dos")
    before = psutil.Process().memory_info().rss
    for row in rows:
        verdict = math_equal(row.pred, row.gold)
        if row.label:
            assert verdict.outcome is Outcome.CORRECT, row.id
    assert psutil.Process().memory_info().rss - before < 300 * 2**20


def test_inputs_made_to_hang_in_a_thread_and_in_an_event_loop(truing_data: Path) -> None:
    rows = rows_of(truing_data, "adversarial_dos")
    alone = [math_equal(row.pred, row.gold).outcome for row in rows]

    async def in_loop() -> list[Outcome]:
        return [math_equal(row.pred, row.gold).outcome for row in rows]

    in_thread: list[Outcome] = []
    thread = threading.Thread(
        target=lambda: in_thread.extend(math_equal(row.pred, row.gold).outcome for row in rows)
    )
    thread.start()
    thread.join()
    assert in_thread == asyncio.run(in_loop()) == alone


@pytest.fixture
def busy_machine() -> Iterator[None]:
    """Every core kept busy by processes that compute for nothing."""
    context = multiprocessing.get_context("spawn")
    stop = context.Event()
    processes = [
        context.Process(target=_compute, args=(stop,), daemon=True)
        for _ in range(psutil.cpu_count() or 1)
    ]
    for process in processes:
        process.start()
    yield
    stop.set()
    for process in processes:
        process.join()


def _compute(stop: "multiprocessing.synchronize.Event") -> None:  # type: ignore[name-defined]
    while not stop.is_set():
        sum(range(10_000))


@pytest.mark.slow
def test_the_same_verdicts_five_times_under_load_in_any_order(
    truing_data: Path, busy_machine: None
) -> None:
    verifier = MathVerifier(extraction="lenient")
    rows = [
        row
        for name in ("hardverify_dev", "adversarial_fp_dev", "math_verify_suite", "metamorphic_dev")
        for row in rows_of(truing_data, name)
    ]
    runs = []
    for seed in range(5):
        verdicts = {}
        for row in random.Random(seed).sample(rows, len(rows)):
            verdict = judge(row, verifier)
            verdicts[row.id] = (verdict.outcome, verdict.reason)
        runs.append(verdicts)
    assert all(verdicts == runs[0] for verdicts in runs[1:])
