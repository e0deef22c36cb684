"""The pool: verdicts in order, from threads, event loops and scripts; nothing lost or hanging."""

import asyncio
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import CancelledError, ThreadPoolExecutor
from pathlib import Path

import psutil
import pytest
import torch

from truing.core.errors import ConfigError, DataError, UnknownName, VerifierFault
from truing.core.records import Outcome, Problem, Verdict
from truing.verifiers import Item, VerifierPool, verify

PROBLEM = Problem(id="1", prompt="2 + 2?", reference="4")
MINE = """
import os, sys, time
from pathlib import Path
from truing.verifiers import Problem, Verdict, VerifierPool, verify

def exact(text, problem):
    return text == problem.reference

def echo(text, problem):
    return Verdict.wrong(text, pid=os.getpid())

def options(text, problem, *, accept="4"):
    return text == accept

def slow(text, problem):
    "Waits until a file appears; the file's name is the completion."
    while not Path(text).exists():
        time.sleep(0.01)
    return True

def started(text, problem):
    "Makes a file, then waits for ever."
    Path(text).write_text(str(os.getpid()))
    time.sleep(3600)

def nested(text, problem):
    return verify(__file__ + ":exact", text, problem)

def pools(text, problem):
    VerifierPool(workers=1)

def environment(text, problem):
    return Verdict.wrong(os.environ.get("PYTHONPATH", ""), path=sys.path, stdin=sys.stdin.read())
"""


@pytest.fixture(scope="module")
def mine(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("verifiers") / "mine.py"
    path.write_text(MINE)
    return str(path)


@pytest.fixture(scope="module")
def pool(mine: str):
    with VerifierPool(workers=2, retries=0) as pool:
        yield pool


def test_a_thousand_items_keep_their_order(pool: VerifierPool, mine: str) -> None:
    items = (Item(f"{mine}:echo", str(i), PROBLEM) for i in range(1000))
    seen: list[Verdict] = []
    verdicts = list(pool.score_many(items, progress=seen.append))
    assert [verdict.extracted for verdict in verdicts] == [str(i) for i in range(1000)]
    assert seen == verdicts
    assert len({verdict.evidence["pid"] for verdict in verdicts}) == 2


def test_items_are_read_no_further_than_needed(mine: str) -> None:
    taken = 0

    def endless():
        nonlocal taken
        while True:
            taken += 1
            yield Item(f"{mine}:exact", "4", PROBLEM)

    with VerifierPool(workers=1) as pool:
        verdicts = pool.score_many(endless())
        assert next(verdicts).score == 1
        assert taken < 1000
        verdicts.close()


def test_an_error_of_the_source_comes_after_the_verdicts_before_it(
    pool: VerifierPool, mine: str
) -> None:
    def source():
        yield from (Item(f"{mine}:exact", "4", PROBLEM) for _ in range(20))
        raise DataError("line 21 is torn")

    given: list[Verdict] = []
    with pytest.raises(DataError, match="line 21"):
        given.extend(pool.score_many(source()))
    assert len(given) == 20


def test_a_large_completion_goes_through_the_pipe(pool: VerifierPool, mine: str) -> None:
    text = "x\ud800" * 3_000_000  # half a surrogate pair, as a data set may hold
    problem = Problem(id="1", prompt="", reference=text)
    assert pool.submit(f"{mine}:exact", text, problem).result().score == 1


def test_options_are_part_of_what_is_cached(pool: VerifierPool, mine: str) -> None:
    spec = f"{mine}:options"
    given = [None, {"accept": "5"}, {"accept": "4"}, {"accept": "5"}]
    scores = [pool.submit(spec, "5", PROBLEM, options).result().score for options in given]
    assert scores == [0, 1, 0, 1]


def test_threads_share_a_pool(pool: VerifierPool, mine: str) -> None:
    def ask(i: int) -> str | None:
        return pool.submit(f"{mine}:echo", str(i), PROBLEM).result().extracted

    with ThreadPoolExecutor(8) as threads:
        assert list(threads.map(ask, range(200))) == [str(i) for i in range(200)]


def test_an_event_loop_awaits_verdicts(pool: VerifierPool, mine: str) -> None:
    async def ask() -> list[Verdict]:
        futures = [pool.submit(f"{mine}:echo", str(i), PROBLEM) for i in range(50)]
        return await asyncio.gather(*map(asyncio.wrap_future, futures))

    assert [verdict.extracted for verdict in asyncio.run(ask())] == [str(i) for i in range(50)]


def test_a_parent_full_of_threads_and_torch_starts_workers(mine: str) -> None:
    torch.ones(64, 64) @ torch.ones(64, 64)  # torch's own threads run now
    with VerifierPool(workers=2) as pool:
        assert pool.submit(f"{mine}:exact", "4", PROBLEM).result().score == 1


def test_workers_start_as_they_are_needed(mine: str) -> None:
    with VerifierPool(workers=8) as pool:
        assert children() == set()
        for _ in range(5):
            pool.submit(f"{mine}:exact", "4", PROBLEM).result()
        assert len(children()) <= 2


def children() -> set[int]:
    return {
        child.pid
        for child in psutil.Process().children()
        if "truing.verifiers.worker" in " ".join(child.cmdline()) and child.pid not in SHARED
    }


SHARED: set[int] = set()


@pytest.fixture(autouse=True)
def _workers_of_other_tests() -> None:
    SHARED.clear()
    SHARED.update(children())


def test_a_pool_that_is_left_waits_for_its_work(mine: str) -> None:
    with VerifierPool(workers=1) as pool:
        futures = [pool.submit(f"{mine}:exact", "4", PROBLEM) for _ in range(50)]
    assert all(future.done() and future.result().score == 1 for future in futures)
    assert children() == set()


def test_a_pool_that_is_left_by_an_error_abandons_its_work(mine: str, tmp_path: Path) -> None:
    futures = []

    def leave() -> None:
        with VerifierPool(workers=1) as pool:
            futures.append(pool.submit(f"{mine}:slow", str(tmp_path / "never"), PROBLEM))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        leave()
    with pytest.raises((VerifierFault, CancelledError)):
        futures[0].result(timeout=30)


def test_closing_a_busy_pool_resolves_every_future(mine: str, tmp_path: Path) -> None:
    pool = VerifierPool(workers=2)
    marks = [tmp_path / "a", tmp_path / "b"]
    running = [pool.submit(f"{mine}:started", str(mark), PROBLEM) for mark in marks]
    queued = [pool.submit(f"{mine}:exact", "4", PROBLEM) for _ in range(100)]
    while not all(mark.exists() for mark in marks):
        time.sleep(0.01)
    pool.close()
    pool.close()  # again: harmless
    assert all(future.done() for future in running + queued)
    for future in running:
        with pytest.raises(VerifierFault, match="closed during the judgement"):
            future.result()
    assert all(future.cancelled() for future in queued)
    assert children() == set()
    assert not pool.usable
    with pytest.raises(VerifierFault, match="is closed"):
        pool.submit(f"{mine}:exact", "4", PROBLEM)


def test_a_futures_callback_may_close_the_pool(mine: str) -> None:
    pool = VerifierPool(workers=1)
    closed = threading.Event()
    future = pool.submit(f"{mine}:exact", "4", PROBLEM)
    future.add_done_callback(lambda _: (pool.close(), closed.set()))
    assert closed.wait(30)


def test_a_queued_judgement_can_be_cancelled(mine: str, tmp_path: Path) -> None:
    with VerifierPool(workers=1) as pool:
        first = pool.submit(f"{mine}:slow", str(tmp_path / "go"), PROBLEM)
        second = pool.submit(f"{mine}:exact", "4", PROBLEM)
        assert second.cancel()
        (tmp_path / "go").touch()
        assert first.result().score == 1


def test_a_verifier_may_call_another_one(pool: VerifierPool, mine: str) -> None:
    assert pool.submit(f"{mine}:nested", "4", PROBLEM).result().score == 1


def test_a_pool_inside_a_worker_is_refused_with_advice(pool: VerifierPool, mine: str) -> None:
    verdict = pool.submit(f"{mine}:pools", "4", PROBLEM).result()
    assert verdict.outcome is Outcome.VERIFIER_ERROR
    assert "__main__" in verdict.reason


def test_a_worker_has_the_parents_import_path_and_an_empty_standard_input(
    pool: VerifierPool, mine: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    verdict = pool.submit(f"{mine}:environment", "", PROBLEM).result()
    assert set(filter(None, sys.path)) <= set(verdict.evidence["path"])
    assert verdict.evidence["stdin"] == ""
    assert verdict.extracted == os.environ.get("PYTHONPATH", "")


def test_what_cannot_be_loaded_is_an_error_and_not_a_verdict(pool: VerifierPool, mine: str) -> None:
    with pytest.raises(UnknownName):
        pool.submit("no such verifier", "4", PROBLEM)
    for spec, said in (
        (f"{mine}:exakt", "did you mean 'exact'"),
        ("/gone/mine.py:exact", "there is no file"),
    ):
        with pytest.raises(ConfigError, match=said):
            pool.submit(spec, "4", PROBLEM).result()
    assert pool.submit(f"{mine}:exact", "4", PROBLEM).result().score == 1


@pytest.mark.parametrize(
    "arguments", [{"workers": 0}, {"retries": -1}, {"wall_seconds": 0}, {"memory_bytes": -1}]
)
def test_senseless_arguments_are_refused(arguments: dict[str, int]) -> None:
    with pytest.raises(ConfigError, match="a verifier pool needs"):
        VerifierPool(**arguments)  # type: ignore[arg-type]


SCRIPT = """
from truing.verifiers import Problem, VerifierPool, verifier

@verifier
def exact(text, problem):
    return text == problem.reference

{guard}
with VerifierPool(workers=1, retries=0) as pool:
    verdict = pool.submit("exact", "4", Problem(id="1", prompt="", reference="4")).result()
    print(verdict.outcome.value)
"""


def run_script(path: Path, source: str) -> subprocess.CompletedProcess[str]:
    path.write_text(source)
    return subprocess.run([sys.executable, path], check=False, capture_output=True, text=True)


def test_a_script_judges_by_the_function_that_it_registers(tmp_path: Path) -> None:
    body = SCRIPT.format(guard="if __name__ == '__main__':").replace("\nwith", "\n  with")
    body = body.replace("\n    verdict", "\n      verdict").replace("\n    print", "\n      print")
    done = run_script(tmp_path / "script.py", body)
    assert (done.stdout, done.stderr) == ("correct\n", "")


def test_a_script_without_a_guard_is_told_so_and_does_not_multiply(tmp_path: Path) -> None:
    done = run_script(tmp_path / "script.py", SCRIPT.format(guard=""))
    assert done.returncode == 1
    assert "if __name__ == '__main__'" in done.stderr


def test_a_script_that_leaves_its_pool_open_ends_in_silence(mine: str, tmp_path: Path) -> None:
    source = (
        "from truing.verifiers import Problem, VerifierPool\n"
        "pool = VerifierPool(workers=2)\n"
        f"pool.submit({mine + ':started'!r}, {str(tmp_path / 'mark')!r}, Problem('1', ''))\n"
        f"print(pool.submit({mine + ':exact'!r}, '', Problem('1', '')).result().score)\n"
    )
    path = tmp_path / "script.py"
    path.write_text(source)
    command = [sys.executable, "-X", "dev", "-W", "error", path]
    done = subprocess.run(command, check=False, capture_output=True, text=True)
    assert (done.returncode, done.stdout, done.stderr) == (0, "1.0\n", "")


def test_workers_die_with_a_parent_that_is_killed(mine: str, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    source = (
        "from truing.verifiers import Problem, VerifierPool\n"
        "pool = VerifierPool(workers=2)\n"
        f"print(pool.submit({mine + ':exact'!r}, '', Problem('1', '')).result().score)\n"
        f"pool.submit({mine + ':started'!r}, {str(mark)!r}, Problem('1', '')).result()\n"
    )
    with subprocess.Popen([sys.executable, "-c", source], stdout=subprocess.PIPE) as parent:
        while not (mark.exists() and mark.read_text()):
            assert parent.poll() is None
            time.sleep(0.01)
        workers = psutil.Process(parent.pid).children()
        assert int(mark.read_text()) in {worker.pid for worker in workers}
        parent.kill()
    _, alive = psutil.wait_procs(workers, timeout=30)
    assert alive == []


def test_a_forked_copy_of_the_parent_leaves_its_pool_alone(pool: VerifierPool, mine: str) -> None:
    # In a process of its own: forking this one, with all its threads, is what the pool avoids.
    source = (
        "import os\n"
        "from truing.core.errors import VerifierFault\n"
        "from truing.verifiers import Problem, VerifierPool\n"
        "pool, problem = VerifierPool(workers=1), Problem('1', '')\n"
        f"spec = {mine + ':exact'!r}\n"
        "pool.submit(spec, '', problem).result()\n"
        "if not (child := os.fork()):\n"
        "    try:\n        pool.submit(spec, '', problem)\n"
        "    except VerifierFault:\n        pool.close()\n        os._exit(7)\n"
        "print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))\n"
        "print(pool.submit(spec, '', problem).result().score)\n"
    )
    done = subprocess.run([sys.executable, "-c", source], check=False, capture_output=True)
    assert done.stdout.split() == [b"7", b"1.0"], done.stderr


def test_one_verdict_needs_no_pool(mine: str) -> None:
    assert verify(f"{mine}:exact", "4", "4").outcome is Outcome.CORRECT
    assert verify(f"{mine}:exact", "5", PROBLEM).outcome is Outcome.WRONG
    assert verify(f"{mine}:options", "5", PROBLEM, {"accept": "5"}).outcome is Outcome.CORRECT
    assert verify(lambda text, problem: 0.5, "5", "4").outcome is Outcome.PARTIAL
    assert verify(lambda text, problem: 1 / 0, "5", "4").outcome is Outcome.VERIFIER_ERROR
