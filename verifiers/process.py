"""One worker process as its parent sees it: started, asked, watched, killed.

`subprocess` and pipes rather than `multiprocessing`: nothing is forked from a process that may
hold threads and accelerators, no `__main__` guard is needed, and a notebook can do it.
"""

import os
import pickle
import select
import signal
import subprocess
import sys
import threading
from contextlib import suppress
from time import monotonic
from typing import Any

import psutil

from ..core.records import Outcome
from .messages import HEADER, Hello, Judged, Ready, Refused, Request, frame

LARGEST_REPLY = 64 * 2**20  # bytes; a verdict longer than this is nonsense
OUTPUT_KEPT = 8000  # bytes of what the user's code printed last
LOAD_CPU_SECONDS = 120.0
SHORTEST_WATCH, LONGEST_WATCH = 0.01, 0.2  # seconds between two looks at a busy worker
BUSY_SHARE = 0.1  # of the time between two looks; a worker that computes less is waiting

inside_worker = False
"""True in a worker process; set by `worker.py`."""


class WorkerDied(Exception):
    """The process ended in the middle of a judgement; `output` is what it printed last."""

    def __init__(self, how: str, output: str, loading: bool) -> None:
        super().__init__(how)
        self.how, self.output, self.loading = how, output, loading


class OverBudget(Exception):
    """The judgement used more than it may; `outcome` is None where loading did."""

    def __init__(self, reason: str, outcome: Outcome | None) -> None:
        super().__init__(reason)
        self.reason, self.outcome = reason, outcome
        self.seconds = 0.0


class WorkerProcess:
    """A child that judges one completion at a time. Owned by one thread; any may call `kill`.

    Args:
        memory_bytes: limit on the data that the child may hold; 0 for none.

    Raises:
        WorkerDied: the process cannot be started.
    """

    def __init__(self, memory_bytes: int) -> None:
        self._lock = threading.Lock()
        self._output = b""
        self._silent = False  # nothing more can come from its standard error
        self._input = bytearray()
        self._ready: dict[bytes, Ready] = {}
        self._cpu_base = 0.0  # the child's CPU time when the judgement began
        self._cpu_seen = 0.0  # and at the last look
        self._unsent = memoryview(b"")
        command = [sys.executable, "-P", "-X", "faulthandler", "-m", "truing.verifiers.worker"]
        try:
            self._process = subprocess.Popen(
                command,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                env=_environment(),
                start_new_session=True,  # Ctrl-C is the parent's; the group is killed as a whole
            )
        except OSError as fault:
            raise WorkerDied(f"could not be started: {fault}", "", False) from None
        streams = (self._process.stdin, self._process.stdout, self._process.stderr)
        self._requests, self._replies, self._printed = (s.fileno() for s in streams if s)
        for descriptor in (self._requests, self._replies, self._printed):
            os.set_blocking(descriptor, False)
        self._watched = psutil.Process(self._process.pid)
        self._send(Hello(os.getpid(), memory_bytes, os.environ.get("PYTHONPATH")))

    @property
    def pid(self) -> int:
        """The child's process id."""
        return self._process.pid

    def judge(self, request: Request, wall_seconds: float) -> Judged:
        """Run one judgement to its end.

        Args:
            request: what to judge.
            wall_seconds: how long the child may wait for something other than the processor.

        Raises:
            OverBudget: too much CPU time or waiting; the child has been killed.
            WorkerDied: the child ended, for whatever reason.
            TruingError: the verifier cannot be loaded; the child lives on.
        """
        self._output = b""
        self._send(request)
        ready = self._ready.get(request.verifier)
        while True:
            reply = self._receive(ready, wall_seconds)
            if isinstance(reply, Ready):
                ready = self._ready[request.verifier] = reply
                self._cpu_base = reply.cpu_time
            elif isinstance(reply, Refused):
                raise reply.fault
            elif isinstance(reply, Judged) and ready is not None:
                self._cpu_base = reply.cpu_time
                self._collect_output()
                if reply.cpu_used > ready.cpu_seconds:
                    # It ended before the next look would have killed it; the verdict is the same.
                    limit = f"{ready.cpu_seconds:g} s of CPU time"
                    raise self._over(f"used more than its {limit}", ready)
                return reply
            else:
                raise self._death("sent something that is no verdict", ready is None)

    @property
    def output(self) -> str:
        """The end of what the last judgement printed."""
        return self._output.decode(errors="replace")

    def kill(self) -> None:
        """End the process and what it started; harmless when it has ended."""
        with self._lock:
            if self._process.returncode is None:
                with suppress(ProcessLookupError, PermissionError):
                    os.killpg(self._process.pid, signal.SIGKILL)

    def reap(self) -> int:
        """Kill, wait for the end and close the pipes; the exit status as `subprocess` has it."""
        self.kill()
        # The wait is short: the process is killed. The lock keeps `kill` off a reused id.
        with self._lock:
            status = self._process.wait()
        for stream in (self._process.stdin, self._process.stdout, self._process.stderr):
            if stream is not None and not stream.closed:
                with suppress(OSError):
                    stream.close()
        return status

    def _send(self, message: Any) -> None:
        self._unsent = memoryview(bytes(self._unsent) + frame(message))

    def _receive(self, ready: Ready | None, wall_seconds: float) -> Any:
        """Send what is unsent and give the next reply, looking after the budgets meanwhile."""
        began = looked = monotonic()
        waited = 0.0
        pause = SHORTEST_WATCH
        while (reply := self._reply(ready is None)) is None:
            self._exchange(max(0.0, looked + pause - monotonic()), ready is None)
            now = monotonic()
            if now - looked < pause:
                continue
            waited += self._look(ready, now - looked)
            looked, pause = now, min(LONGEST_WATCH, max(SHORTEST_WATCH, (now - began) / 4))
            if waited > wall_seconds:
                raise self._over(f"waited for {waited:.3g} s without computing", ready)
        return reply

    def _look(self, ready: Ready | None, passed: float) -> float:
        """Check the child's CPU time; the part of `passed` seconds that it spent waiting."""
        budget = ready.cpu_seconds if ready else LOAD_CPU_SECONDS
        try:
            with self._lock:
                ended = self._process.poll() is not None
            if ended:
                raise self._death("", ready is None)
            total = sum(self._watched.cpu_times()[:4])
            runnable = self._watched.status() == psutil.STATUS_RUNNING
        except psutil.Error:
            raise self._death("", ready is None) from None
        if total - self._cpu_base > budget:
            raise self._over(f"used more than its {budget:g} s of CPU time", ready)
        since, self._cpu_seen = total - self._cpu_seen, total
        # A worker that is runnable but waits for its turn on a loaded machine is not idle.
        return 0.0 if runnable or since > BUSY_SHARE * passed else passed

    def _over(self, reason: str, ready: Ready | None) -> OverBudget:
        self.reap()
        return OverBudget(reason, ready.on_budget if ready else None)

    def _exchange(self, timeout: float, loading: bool) -> None:
        """Move bytes in all directions, waiting at most `timeout` seconds for any to move."""
        poll = select.poll()  # not select(): its descriptors end at 1024
        poll.register(self._replies, select.POLLIN)
        if not self._silent:
            poll.register(self._printed, select.POLLIN)
        if self._unsent:
            poll.register(self._requests, select.POLLOUT)
        for descriptor, _ in poll.poll(timeout * 1000):
            if descriptor == self._replies:
                chunk = os.read(self._replies, 2**20)
                if not chunk:
                    raise self._death("", loading)
                self._input += chunk
            elif descriptor == self._printed:
                self._collect_output()
            else:
                try:
                    self._unsent = self._unsent[os.write(self._requests, self._unsent) :]
                except BrokenPipeError:
                    self._unsent = memoryview(b"")  # its end shows in the replies

    def _collect_output(self) -> None:
        with suppress(BlockingIOError):
            chunk = os.read(self._printed, 2**16)
            self._silent = not chunk
            self._output = (self._output + chunk)[-OUTPUT_KEPT:]

    def _reply(self, loading: bool) -> Any:
        """The next whole reply among the bytes that have come, or None."""
        if len(self._input) < HEADER.size:
            return None
        (size,) = HEADER.unpack_from(self._input)
        if size > LARGEST_REPLY:
            raise self._death(f"sent a reply of {size} bytes", loading)
        end = HEADER.size + size
        if len(self._input) < end:
            return None
        body = bytes(self._input[HEADER.size : end])
        del self._input[:end]
        try:
            return pickle.loads(body)
        except Exception as fault:  # noqa: BLE001 - the user's code reached into the pipe
            raise self._death(f"sent what cannot be read ({fault})", loading) from None

    def _death(self, how: str, loading: bool) -> WorkerDied:
        self.kill()
        self._collect_output()
        status = self.reap()
        return WorkerDied(how or _ending(status), self.output, loading)


def _ending(status: int) -> str:
    if status >= 0:
        return f"exited with status {status}"
    try:
        name = signal.Signals(-status).name
    except ValueError:
        name = f"signal {-status}"
    return f"was killed by {name}" + (" (out of memory?)" if name == "SIGKILL" else "")


def _environment() -> dict[str, str]:
    """The parent's environment, with its import path, and without what makes verdicts vary."""
    path = [entry or os.getcwd() for entry in sys.path]
    return {
        "OMP_NUM_THREADS": "1",  # workers are the parallelism; numpy must not multiply it
        "PYTHONHASHSEED": "0",  # sympy's order of terms follows the hashes of their names
        **os.environ,
        "PYTHONPATH": os.pathsep.join(path),
    }
