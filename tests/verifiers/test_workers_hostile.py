"""Verifiers that hang, crash, eat memory and meddle: a fault each time, never a reward of 0."""

import os
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from truing.core.errors import ConfigError, VerifierFault
from truing.core.records import Outcome, Problem, Verdict
from truing.verifiers import VerifierPool, process

PROBLEM = Problem(id="1", prompt="2 + 2?", reference="4")
HOSTILE = """
import ctypes, os, signal, subprocess, sys, threading, time
from pathlib import Path
from truing.verifiers import Outcome, Verdict, verifier

def exact(text, problem):
    return text == problem.reference

@verifier(cpu_seconds=0.3)
def spins(text, problem):
    while True:
        pass

@verifier(cpu_seconds=0.3)
def spins_in_c(text, problem):
    return 2 ** (10 ** 10) > 0   # holds the interpreter's lock throughout

@verifier(cpu_seconds=0.3)
def computes_in_a_child(text, problem):
    subprocess.run([sys.executable, "-c", "for i in range(10**8): pass"])
    return True

class Undecided:
    cpu_seconds = 0.3
    on_budget = Outcome.UNDECIDED
    def __call__(self, text, problem):
        while True:
            pass

class Quick:
    "Over its budget, and back before anyone looks."
    cpu_seconds = 0.001
    on_budget = Outcome.UNDECIDED
    def __call__(self, text, problem):
        end = time.process_time() + 0.004
        while time.process_time() < end:
            pass
        return Verdict.correct()

def sleeps(text, problem):
    time.sleep(3600)

def stops(text, problem):
    os.kill(os.getpid(), signal.SIGSTOP)

def segfaults(text, problem):
    print("the last words")
    ctypes.string_at(0)

def exits(text, problem):
    os._exit(3)

def leaves(text, problem):
    raise SystemExit(0)

def interrupts(text, problem):
    raise KeyboardInterrupt

def raises(text, problem):
    raise ValueError(f"cannot read {text!r}")

def eats(text, problem):
    hoard = []
    while True:
        hoard.append(bytearray(10 ** 7))

def prints(text, problem):
    print("to standard output", flush=True)
    os.write(1, b"to its descriptor")
    sys.stderr.write("to standard error")
    subprocess.run(["echo", "from a child"])
    return text == problem.reference

def prints_without_end(text, problem):
    for _ in range(20_000):
        print("x" * 99)
    return True

def closes_everything(text, problem):
    os.closerange(0, 100)
    return True

def writes_into_pipes(text, problem):
    for descriptor in range(3, 20):
        try:
            os.write(descriptor, b"rubbish" * 10)
        except OSError:
            pass
    return True

def once(text, problem):
    "Fails the first time; the completion names the file that remembers."
    if not Path(text).exists():
        Path(text).touch()
        raise ConnectionError("not yet")
    return True

def counts(text, problem):
    with open(text, "a") as file:
        file.write("x")
    raise ValueError("again")

def leaves_a_child(text, problem):
    child = subprocess.Popen(["sleep", "3600"])
    Path(text).write_text(str(child.pid))
    os._exit(1)

class Talkative:
    cpu_seconds = 5.0
    on_budget = Outcome.UNDECIDED
    def __call__(self, text, problem):
        return "yes"
"""


@pytest.fixture(scope="module")
def hostile(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("hostile") / "hostile.py"
    path.write_text(HOSTILE)
    return str(path)


@pytest.fixture(scope="module")
def pool():
    with VerifierPool(workers=1, retries=0, wall_seconds=1.0, memory_bytes=2**28) as pool:
        yield pool


@pytest.fixture(autouse=True)
def _the_pool_works_afterwards(pool: VerifierPool, hostile: str):
    yield
    assert pool.submit(f"{hostile}:exact", "4", PROBLEM).result(timeout=60).reward == 1.0


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("spins", "used more than its 0.3 s of CPU time"),
        ("spins_in_c", "used more than its 0.3 s of CPU time"),
        ("computes_in_a_child", "CPU time|waited for"),
        ("sleeps", "waited for"),
        ("stops", "waited for"),
        ("segfaults", "was killed by SIGSEGV while running"),
        ("exits", "exited with status 3 while running"),
        ("leaves", "raised SystemExit: 0"),
        ("interrupts", "raised KeyboardInterrupt"),
        ("raises", "raised ValueError: cannot read '4'"),
        ("eats", "raised MemoryError"),
        ("closes_everything", "while running"),
        ("writes_into_pipes", "sent|exited|killed"),
        ("Talkative", "returned a str, not a Verdict"),
    ],
)
def test_it_is_a_fault_and_never_a_reward(
    pool: VerifierPool, hostile: str, name: str, said: str
) -> None:
    verdict = pool.submit(f"{hostile}:{name}", "4", PROBLEM).result(timeout=60)
    assert verdict.outcome is Outcome.VERIFIER_ERROR
    assert verdict.reward is None
    assert any(word in verdict.reason for word in said.split("|")), verdict.reason


def test_a_verifier_that_gives_up_honestly_is_undecided(pool: VerifierPool, hostile: str) -> None:
    verdict = pool.submit(f"{hostile}:Undecided", "4", PROBLEM).result(timeout=60)
    assert (verdict.outcome, verdict.reward) == (Outcome.UNDECIDED, 0.0)


def test_the_budget_holds_for_who_is_back_before_anyone_looks(
    pool: VerifierPool, hostile: str
) -> None:
    for _ in range(3):
        verdict = pool.submit(f"{hostile}:Quick", "4", PROBLEM).result(timeout=60)
        assert verdict.outcome is Outcome.UNDECIDED


def test_a_traceback_is_kept_and_begins_in_the_users_file(pool: VerifierPool, hostile: str) -> None:
    verdict = pool.submit(f"{hostile}:raises", "4", PROBLEM).result()
    first, second, *_ = verdict.evidence["traceback"].splitlines()
    assert first.startswith("Traceback")
    assert "hostile.py" in second


def test_the_last_words_of_a_crash_are_kept(pool: VerifierPool, hostile: str) -> None:
    verdict = pool.submit(f"{hostile}:segfaults", "4", PROBLEM).result(timeout=60)
    assert "the last words" in verdict.evidence["printed"]
    assert "in segfaults" in verdict.evidence["printed"]


def test_what_is_printed_disturbs_nothing_and_can_be_seen(hostile: str) -> None:
    printed: list[str] = []
    with VerifierPool(workers=1, on_output=printed.append) as pool:
        assert pool.submit(f"{hostile}:prints", "4", PROBLEM).result().score == 1
        assert pool.submit(f"{hostile}:exact", "4", PROBLEM).result().score == 1
        assert pool.submit(f"{hostile}:prints_without_end", "4", PROBLEM).result().score == 1
    words = ("to standard output", "to its descriptor", "to standard error", "from a child")
    assert all(word in printed[0] for word in words)
    assert len(printed) == 2
    assert len(printed[1]) <= process.OUTPUT_KEPT


def test_a_passing_fault_is_mended_by_trying_again(hostile: str, tmp_path: Path) -> None:
    with VerifierPool(workers=1, retries=1) as pool:
        future = pool.submit(f"{hostile}:once", str(tmp_path / "mark"), PROBLEM)
        assert future.result().outcome is Outcome.CORRECT


@pytest.mark.parametrize("retries", [0, 2])
def test_a_fault_is_tried_as_often_as_asked(hostile: str, tmp_path: Path, retries: int) -> None:
    with VerifierPool(workers=1, retries=retries) as pool:
        verdict = pool.submit(f"{hostile}:counts", str(tmp_path / "n"), PROBLEM).result()
    assert verdict.outcome is Outcome.VERIFIER_ERROR
    assert (tmp_path / "n").read_text() == "x" * (retries + 1)


def test_what_a_dying_worker_started_dies_with_it(
    pool: VerifierPool, hostile: str, tmp_path: Path
) -> None:
    pool.submit(f"{hostile}:leaves_a_child", str(tmp_path / "pid"), PROBLEM).result(timeout=60)
    pid = int((tmp_path / "pid").read_text())
    with suppress(psutil.NoSuchProcess):
        psutil.Process(pid).wait(timeout=30)


@pytest.mark.parametrize(
    ("source", "kind", "said"),
    [
        ("1 / 0\n", ConfigError, "ZeroDivisionError"),
        ("import time\ntime.sleep(3600)\n", VerifierFault, "loading verifier .* waited for"),
    ],
)
def test_a_file_that_does_not_load_is_an_error(
    pool: VerifierPool, tmp_path: Path, source: str, kind: type[Exception], said: str
) -> None:
    path = tmp_path / "broken.py"
    path.write_text(source)
    with pytest.raises(kind, match=said):
        pool.submit(f"{path}:exact", "4", PROBLEM).result(timeout=60)


def test_a_file_that_kills_its_process_is_a_fault(pool: VerifierPool, tmp_path: Path) -> None:
    path = tmp_path / "broken.py"
    path.write_text("import os\nos._exit(5)\n")
    verdict: Verdict = pool.submit(f"{path}:exact", "4", PROBLEM).result(timeout=60)
    assert verdict.outcome is Outcome.VERIFIER_ERROR
    assert "exited with status 5 while loading" in verdict.reason


def test_no_worker_outlives_its_judgement_for_long(pool: VerifierPool, hostile: str) -> None:
    before = {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}
    for _ in range(3):
        pool.submit(f"{hostile}:spins", "4", PROBLEM).result(timeout=60)
    after = {child.pid for child in psutil.Process(os.getpid()).children(recursive=True)}
    assert len(after) <= len(before)
