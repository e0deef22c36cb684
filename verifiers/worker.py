"""The worker process: reads judgements from a pipe, runs verifiers, writes verdicts back.

Started by `process.py` as `python -m truing.verifiers.worker`. Whatever the user's code prints goes
to standard error, which the parent collects, and its standard input is empty, so that neither
disturbs the messages.
"""

import os
import pickle
import resource
import signal
import sys
import time
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from ..core.errors import TruingError
from ..core.records import Outcome, Problem, Verdict
from . import process
from .base import Verifier, checked_verdict, fault_verdict
from .loading import load_verifier
from .messages import HEADER, Hello, Judged, Ready, Refused, Request, frame

# After these the process is not trusted with another judgement.
SPENT = frozenset({"MemoryError", "SystemExit", "KeyboardInterrupt", "GeneratorExit"})
PR_SET_PDEATHSIG = 1


class Pipes(NamedTuple):
    """File descriptors: where requests come from and where replies go."""

    requests: int
    replies: int

    def receive(self) -> Any:
        """The next message; None when the parent has gone."""
        header = self._read(HEADER.size)
        if header is None:
            return None
        body = self._read(HEADER.unpack(header)[0])
        return None if body is None else pickle.loads(body)

    def send(self, message: Any) -> None:
        """Write one message, whole."""
        view = memoryview(frame(message))
        while view:
            view = view[os.write(self.replies, view) :]

    def _read(self, count: int) -> bytes | None:
        parts = []
        while count:
            part = os.read(self.requests, count)
            if not part:
                return None
            parts.append(part)
            count -= len(part)
        return b"".join(parts)


def main() -> None:
    """Serve until the parent closes the pipe or dies."""
    pipes = _take_pipes()
    hello = pipes.receive()
    if not isinstance(hello, Hello):
        os._exit(0)
    _settle(hello)
    verifiers: dict[bytes, Verifier] = {}
    while (request := pipes.receive()) is not None:
        if request.verifier not in verifiers:
            loaded = _load(request)
            if isinstance(loaded, Refused):
                pipes.send(loaded)
                continue
            verifiers[request.verifier] = loaded
            pipes.send(Ready(loaded.cpu_seconds, loaded.on_budget, cpu_time()))
        judged, spent = _judge(verifiers[request.verifier], request)
        for stream in (sys.stdout, sys.stderr):
            with suppress(OSError, ValueError):  # the user's code may have closed it
                stream.flush()
        pipes.send(judged)
        if spent:
            break
    # No clean-up of the user's: a thread that never ends would keep the process alive.
    os._exit(0)


def cpu_time() -> float:
    """Seconds of CPU that this process and its finished children used, as the parent sees them."""
    return sum(os.times()[:4])


def _take_pipes() -> Pipes:
    """Move the frames' pipes out of reach of `print` and `input`."""
    pipes = Pipes(os.dup(0), os.dup(1))
    empty = os.open(os.devnull, os.O_RDONLY)
    os.dup2(empty, 0)
    os.close(empty)
    os.dup2(2, 1)
    return pipes


def _settle(hello: Hello) -> None:
    process.inside_worker = True
    _die_with_parent(hello.parent)
    if hello.memory_bytes:
        # RLIMIT_DATA counts what is written to, not the libraries that are merely mapped.
        resource.setrlimit(resource.RLIMIT_DATA, (hello.memory_bytes, hello.memory_bytes))
    if hello.python_path is None:
        os.environ.pop("PYTHONPATH", None)
    else:
        os.environ["PYTHONPATH"] = hello.python_path


def _die_with_parent(parent: int) -> None:
    """A verifier in an endless loop does not see the pipe close; the kernel ends it on Linux."""
    if sys.platform == "linux":
        import ctypes

        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGKILL)
    if os.getppid() != parent:
        os._exit(0)


def _load(request: Request) -> Verifier | Refused:
    spec, options = pickle.loads(request.verifier)
    try:
        return load_verifier(spec, options)
    except TruingError as fault:
        return Refused(fault)


def _judge(verifier: Verifier, request: Request) -> tuple[Judged, bool]:
    """The judgement, and whether the process had better end after it."""
    started, cpu_before = time.perf_counter(), _exact_cpu_time()
    verdict = _verdict(verifier, request.text, request.problem, request.name)
    cpu_used = _exact_cpu_time() - cpu_before
    spent = verdict.evidence.get("exception") in SPENT
    if not verdict.seconds:
        verdict = replace(verdict, seconds=time.perf_counter() - started)
    return Judged(verdict, cpu_used, cpu_time(), spent), spent


def _verdict(verifier: Verifier, text: str, problem: Problem, name: str) -> Verdict:
    try:
        answer = verifier(text, problem)
        if not isinstance(answer, Verdict):
            reason = f"verifier {name!r} returned a {type(answer).__name__}, not a Verdict"
            return Verdict(0.0, Outcome.VERIFIER_ERROR, reason=reason)
        return checked_verdict(answer)
    except BaseException as fault:  # noqa: BLE001 - the border to the user's code
        return fault_verdict(fault, name=name)


def _exact_cpu_time() -> float:
    children = resource.getrusage(resource.RUSAGE_CHILDREN)
    return time.process_time() + children.ru_utime + children.ru_stime


if __name__ == "__main__":
    main()
