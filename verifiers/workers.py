"""A pool of worker processes that can be killed: verdicts for completions, in parallel.

Usable from any thread, event loop (`asyncio.wrap_future`), notebook or script. Each worker process
belongs to one thread of the parent, which feeds and watches it.
"""

import atexit
import os
import pickle
import sys
import threading
import weakref
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import NamedTuple, Self

from ..core.errors import ConfigError, VerifierFault
from ..core.records import Json, Problem, Verdict
from . import process
from .attendant import Attendant
from .loading import portable_spec
from .messages import Request

IN_FLIGHT_PER_WORKER = 256  # judgements that `score_many` keeps queued ahead of the slowest


class Item(NamedTuple):
    """One judgement to make."""

    spec: str
    text: str
    problem: Problem
    options: Mapping[str, Json] | None = None


class _Job(NamedTuple):
    request: Request
    future: "Future[Verdict]"


class VerifierPool:
    r"""Worker processes that judge completions and are killed at the end of a judgement's budget.

    A judgement over its verifier's CPU budget gets the verifier's `on_budget` outcome and is not
    made again: it would end the same way. One that faults (an exception, a crash, nonsense) is made
    again `retries` times, then is a `verifier_error`. No judgement is lost and none hangs.

    As a context manager it waits for what was submitted; left by an exception, it abandons it.

    Args:
        workers: processes; by default one for each core that this process may use.
        retries: how often a faulty judgement is made again.
        wall_seconds: how long a judgement may wait for something other than the processor. A
            worker that merely waits for its turn on a loaded machine does not use it up.
        memory_bytes: data that one worker may hold; 0 for no limit.
        on_output: called, from the pool's threads, with what the user's code printed.

    Raises:
        ConfigError: an argument is out of range, or this process is itself a worker.

    >>> problem = Problem(id="1", prompt="What is 1/4 + 1/4?", reference="1/2")
    >>> with VerifierPool(workers=1) as pool:
    ...     pool.submit("math", r"It is \boxed{0.5}.", problem).result().outcome.value
    'correct'
    """

    def __init__(
        self,
        *,
        workers: int | None = None,
        retries: int = 1,
        wall_seconds: float = 120.0,
        memory_bytes: int = 2 * 2**30,
        on_output: Callable[[str], None] | None = None,
    ) -> None:
        self.workers = _cores() if workers is None else workers
        if self.workers < 1 or retries < 0 or not wall_seconds > 0 or memory_bytes < 0:
            raise ConfigError(
                f"a verifier pool needs workers >= 1 (given {self.workers}), retries >= 0 "
                f"({retries}), wall_seconds > 0 ({wall_seconds}), memory_bytes >= 0 "
                f"({memory_bytes})"
            )
        if process.inside_worker:
            raise ConfigError(
                "a verifier pool was made inside a verifier's worker process: put the part of the "
                "script that runs under `if __name__ == '__main__':`, or call the other verifier "
                "by truing.verifiers.verify, which then runs in the same process"
            )
        self.retries = retries
        self.wall_seconds = wall_seconds
        self.memory_bytes = memory_bytes
        self.on_output = on_output
        self._owner = os.getpid()
        self._changed = threading.Condition()
        self._jobs: deque[_Job] = deque()
        self._threads: list[threading.Thread] = []
        self._attendants: list[Attendant] = []
        self._idle = 0
        self._closing = False
        self._specs: dict[str, str] = {}
        self._at_exit = _closer(weakref.ref(self))
        atexit.register(self._at_exit)

    @property
    def usable(self) -> bool:
        """Whether judgements can be submitted, here and now."""
        return not self._closing and os.getpid() == self._owner

    def submit(
        self, spec: str, text: str, problem: Problem, options: Mapping[str, Json] | None = None
    ) -> "Future[Verdict]":
        """Queue one judgement.

        Args:
            spec: see `load_verifier`.
            text: the completion.
            problem: what it answers.
            options: the verifier's.

        Returns:
            A future that always resolves: to a verdict, or to a `TruingError` where the verifier
            cannot be loaded, or to `VerifierFault` where the pool is closed meanwhile.

        Raises:
            UnknownName: no verifier is registered under `spec`.
            VerifierFault: the pool is closed, or belongs to another process.
        """
        if spec not in self._specs:
            self._specs[spec] = portable_spec(spec)
        if os.getpid() != self._owner:
            raise VerifierFault("this verifier pool belongs to the process that made it")
        key = pickle.dumps((self._specs[spec], dict(options or {})))
        job = _Job(Request(key, spec, text, problem), Future())
        with self._changed:
            if self._closing:
                raise VerifierFault("the verifier pool is closed")
            self._jobs.append(job)
            if self._idle < len(self._jobs) and len(self._threads) < self.workers:
                self._hire()
            else:
                self._changed.notify()
        return job.future

    def score_many(
        self, items: Iterable[Item], *, progress: Callable[[Verdict], None] | None = None
    ) -> Iterator[Verdict]:
        """Verdicts of `items` in their order, judged in parallel and read no further than needed.

        Args:
            items: may be endless; an error that it raises is passed on after the verdicts of the
                items before it.
            progress: called with each verdict as it is given.
        """
        source = iter(items)
        waiting: deque[Future[Verdict]] = deque()
        stopped: Exception | None = None
        exhausted = False
        try:
            while True:
                while not exhausted and len(waiting) < self.workers * IN_FLIGHT_PER_WORKER:
                    try:
                        item = next(source)
                    except StopIteration:
                        exhausted = True
                    except Exception as fault:  # noqa: BLE001 - raised again below
                        exhausted, stopped = True, fault
                    else:
                        waiting.append(self.submit(*item))
                if not waiting:
                    break
                verdict = waiting.popleft().result()
                if progress is not None:
                    progress(verdict)
                yield verdict
        finally:
            for future in waiting:
                future.cancel()
        if stopped is not None:
            raise stopped

    def close(self, *, finish: bool = False) -> None:
        """End the workers.

        Args:
            finish: wait for what was submitted; else it is abandoned: queued futures are
                cancelled, those being judged get a `VerifierFault`.
        """
        if os.getpid() != self._owner:  # a fork's copy must leave the parent's workers alone
            return
        atexit.unregister(self._at_exit)
        with self._changed:
            self._closing = True
            queued = [] if finish else list(self._jobs)
            if not finish:
                self._jobs.clear()
            self._changed.notify_all()
        for job in queued:
            job.future.cancel()
        if not finish:
            for attendant in self._attendants:
                attendant.abandon()
        for thread in self._threads:
            if thread is not threading.current_thread():  # a future's callback may close the pool
                thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        fault: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            self.close(finish=kind is None)
        except BaseException:
            self.close()
            raise

    def _hire(self) -> None:
        """One more worker; its process starts when the first job reaches it."""
        attendant = Attendant(
            retries=self.retries,
            wall_seconds=self.wall_seconds,
            memory_bytes=self.memory_bytes,
            on_output=self.on_output,
        )
        thread = threading.Thread(
            target=self._serve, args=(attendant,), name="truing-verifier", daemon=True
        )
        self._attendants.append(attendant)
        self._threads.append(thread)
        thread.start()

    def _serve(self, attendant: Attendant) -> None:
        """A thread's life: take a job, have it judged, until the pool closes."""
        try:
            while (job := self._next()) is not None:
                if not job.future.set_running_or_notify_cancel():
                    continue
                try:
                    verdict = attendant.verdict(job.request)
                except BaseException as fault:  # noqa: BLE001 - goes to who waits for the future
                    job.future.set_exception(fault)
                else:
                    job.future.set_result(verdict)
        finally:
            attendant.retire()

    def _next(self) -> _Job | None:
        with self._changed:
            self._idle += 1
            while not self._jobs and not self._closing:
                self._changed.wait()
            self._idle -= 1
            return self._jobs.popleft() if self._jobs else None


def _cores() -> int:
    """Cores that this process may use."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _closer(reference: "weakref.ref[VerifierPool]") -> Callable[[], None]:
    def close() -> None:
        pool = reference()
        if pool is not None:
            pool.close()

    return close
