"""Keeps one worker process in service: replaces it when it ends, repeats a faulty judgement."""

from collections.abc import Callable
from threading import Lock
from time import perf_counter

from ..core.errors import VerifierFault
from ..core.records import FAULTS, Outcome, Verdict
from .messages import Request
from .process import OverBudget, WorkerDied, WorkerProcess


class Attendant:
    """Turns requests into verdicts through a worker process that it starts and replaces.

    Belongs to one thread; any thread may call `abandon`.

    Args:
        retries: how often a faulty judgement is made again.
        wall_seconds: see `WorkerProcess.judge`.
        memory_bytes: see `WorkerProcess`.
        on_output: called with what the user's code printed.
    """

    def __init__(
        self,
        *,
        retries: int,
        wall_seconds: float,
        memory_bytes: int,
        on_output: Callable[[str], None] | None,
    ) -> None:
        self._retries = retries
        self._wall_seconds = wall_seconds
        self._memory_bytes = memory_bytes
        self._on_output = on_output
        self._lock = Lock()
        self._worker: WorkerProcess | None = None
        self._abandoned = False

    def verdict(self, request: Request) -> Verdict:
        """Judge, again after a fault.

        Raises:
            TruingError: the verifier cannot be loaded, or `abandon` was called meanwhile.
        """
        for left in range(self._retries, -1, -1):
            try:
                verdict = self._attempt(request)
            except OverBudget as over:
                if over.outcome is None:
                    message = f"loading verifier {request.name!r} {over.reason}"
                    raise VerifierFault(message) from None
                # Not made again: it would end the same way, after as long a time.
                reason = f"verifier {request.name!r} {over.reason}"
                return Verdict(0.0, over.outcome, reason=reason, seconds=over.seconds)
            if verdict.outcome not in FAULTS or left == 0:
                return verdict
        raise AssertionError("unreachable: the last attempt returns")

    def retire(self) -> None:
        """End the worker and wait for its end."""
        with self._lock:
            worker, self._worker = self._worker, None
        if worker is not None:
            worker.reap()

    def abandon(self) -> None:
        """End the worker under whatever it is doing, and start no other."""
        with self._lock:
            self._abandoned = True
            if self._worker is not None:
                self._worker.kill()

    def _attempt(self, request: Request) -> Verdict:
        started = perf_counter()
        try:
            worker = self._present()
            judged = worker.judge(request, self._wall_seconds)
        except OverBudget as over:
            self.retire()
            over.seconds = perf_counter() - started
            raise
        except WorkerDied as death:
            self.retire()
            if self._abandoned:
                raise VerifierFault("the verifier pool was closed during the judgement") from None
            return _death_verdict(request, death, perf_counter() - started)
        if worker.output and self._on_output is not None:
            self._on_output(worker.output)
        if judged.spent:
            self.retire()
        return judged.verdict

    def _present(self) -> WorkerProcess:
        with self._lock:
            if self._abandoned:
                raise VerifierFault("the verifier pool is closed")
            if self._worker is None:
                self._worker = WorkerProcess(self._memory_bytes)
            return self._worker


def _death_verdict(request: Request, death: WorkerDied, seconds: float) -> Verdict:
    during = "while loading" if death.loading else "while running"
    return Verdict(
        0.0,
        Outcome.VERIFIER_ERROR,
        reason=f"the worker process {death.how} {during} verifier {request.name!r}",
        evidence={"printed": death.output} if death.output else {},
        seconds=seconds,
    )
