"""What a person sees while a run goes on: a live table on a terminal, plain lines elsewhere."""

import sys
import time
from collections import deque
from collections.abc import Mapping
from contextlib import suppress
from itertools import pairwise
from math import isfinite
from typing import Protocol, TextIO, cast

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.padding import Padding
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

# What is shown, in this order, of the metrics that a step has; the rest is in metrics.jsonl.
SHOWN = {
    "reward/mean": "reward",
    "loss": "loss",
    "eval/accuracy": "accuracy",
    "kl": "KL",
    "entropy": "entropy",
    "groups/zero_std_share": "groups without spread",
    "length/p50": "median length",
    "truncated_share": "truncated",
    "verifier_fault_share": "verifier faults",
    "tokens_per_second/generation": "generated tokens/s",
    "tokens_per_second/training": "trained tokens/s",
}
_BARS = "▁▂▃▄▅▆▇█"
_OUTCOME = "outcome/"


class Display(Protocol):
    """Shows a run's progress; never raises because nobody looks."""

    def start(self, stage: str, total_steps: int) -> None:
        """A stage begins, or is resumed; it ends at `total_steps`."""

    def step(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """A step is done and these are its metrics."""

    def note(self, text: str) -> None:
        """Say something that stays readable."""

    def close(self) -> None:
        """Leave the terminal in order; may be called twice."""


def open_display(stream: TextIO | None = None) -> Display:
    """The display that fits `stream`, standard output by default."""
    kept = cast(TextIO, Unbreakable(stream or sys.stdout))
    console = Console(file=kept)
    if console.is_terminal and not console.is_dumb_terminal and console.encoding == "utf-8":
        return LiveDisplay(console)
    return PlainDisplay(kept)


class Unbreakable:
    """A text stream that takes what its reader still wants and drops the rest.

    A run goes on when its terminal closes, when `| head` has seen enough, and where the encoding
    lacks a letter.
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self.encoding = stream.encoding

    def write(self, text: str) -> int:
        """Write, with `?` for letters that the encoding lacks."""
        try:
            return self._stream.write(text)
        except UnicodeEncodeError:
            return self.write(text.encode("ascii", "replace").decode())
        except (OSError, ValueError):  # ValueError: the stream is closed
            return 0

    def flush(self) -> None:
        """Flush, if anybody reads."""
        with suppress(OSError, ValueError):
            self._stream.flush()

    def isatty(self) -> bool:
        """Whether a terminal is on the other side."""
        return self._stream.isatty()

    def fileno(self) -> int:
        """The stream's descriptor, for the terminal's size."""
        return self._stream.fileno()


class Pace:
    """How fast steps go: the mean over the last 20, so that a slow start is forgotten."""

    def __init__(self) -> None:
        self._ends: deque[tuple[float, int]] = deque([(time.monotonic(), -1)], maxlen=21)

    def step(self, step: int) -> None:
        """A step has ended now."""
        if self._ends[-1][1] < 0:  # the stage's start; it may have been resumed at any step
            self._ends[-1] = (self._ends[-1][0], step - 1)
        self._ends.append((time.monotonic(), step))

    @property
    def seconds_per_step(self) -> float | None:
        """Wall time; None before the first step."""
        (begin, first), (end, last) = self._ends[0], self._ends[-1]
        return (end - begin) / (last - first) if last > first else None

    def eta(self, total_steps: int) -> str:
        """Time left, as `h:mm:ss`, or an empty string where it cannot be told."""
        each = self.seconds_per_step
        left = total_steps - self._ends[-1][1]
        return clock(each * left) if each is not None and left > 0 else ""


class PlainDisplay:
    """One line a step."""

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._total = 0
        self._pace = Pace()

    def start(self, stage: str, total_steps: int) -> None:
        """A stage begins."""
        self._total = total_steps
        self._pace = Pace()
        self._print(f"{stage}: {total_steps} steps")

    def step(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """A step is done."""
        self._pace.step(step)
        parts = [f"{stage} {step}/{self._total}"]
        parts += [f"{label} {number(value)}" for label, value in _shown(values)]
        if self._pace.seconds_per_step is not None:
            parts.append(f"{number(self._pace.seconds_per_step)} s/step")
        if eta := self._pace.eta(self._total):
            parts.append(f"{eta} left")
        self._print("  ".join(parts))

    def note(self, text: str) -> None:
        """Say something."""
        self._print(text)

    def close(self) -> None:
        """Nothing to put in order."""

    def _print(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()


class LiveDisplay:
    """A table redrawn in place; notes scroll by above it."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._live: Live | None = None
        self._stage, self._step, self._total = "", 0, 0
        self._values: dict[str, float] = {}
        self._curve: list[float] = []
        self._pace = Pace()

    def start(self, stage: str, total_steps: int) -> None:
        """A stage begins; the table of the one before stays above."""
        self.close()
        self._stage, self._step, self._total = stage, 0, total_steps
        self._values, self._curve, self._pace = {}, [], Pace()
        self._live = Live(get_renderable=self._table, console=self._console, refresh_per_second=4)
        self._live.start()

    def step(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """A step is done; the table follows within a quarter of a second."""
        if self._live is None:
            self.start(stage, step)
        self._pace.step(step)
        self._stage, self._step, self._total = stage, step, max(self._total, step)
        self._values = {**self._values, **values}  # an evaluation stays shown until the next
        curve = values.get("reward/mean", values.get("loss"))
        if curve is not None and isfinite(curve):
            self._curve.append(curve)

    def note(self, text: str) -> None:
        """Say something above the table."""
        self._console.print(Text(text))

    def close(self) -> None:
        """Draw once more and give the cursor back."""
        live, self._live = self._live, None
        if live is not None:
            live.stop()

    def _table(self) -> RenderableType:
        head = Table.grid(padding=(0, 2))
        each = self._pace.seconds_per_step
        head.add_row(
            Text(self._stage, style="bold"),
            ProgressBar(total=max(1, self._total), completed=self._step, width=28),
            f"{self._step}/{self._total}",
            f"{number(each)} s/step" if each is not None else "",
            f"{eta} left" if (eta := self._pace.eta(self._total)) else "",
        )
        body = Table.grid(padding=(0, 3))
        shown = [(Text(label, style="dim"), number(value)) for label, value in _shown(self._values)]
        for left, right in zip(shown[::2], [*shown[1::2], (Text(""), "")], strict=False):
            body.add_row(*left, *right)
        lines: list[RenderableType] = [head, Padding(body, (0, 0, 0, 2))]
        if len(self._curve) > 1:
            what = "reward" if "reward/mean" in self._values else "loss"
            curve = Text(f"  {what}  ", style="dim")
            curve.append(sparkline(self._curve, 48), style="green")
            lines.append(curve)
        if outcomes := _outcomes(self._values):
            lines.append(Text("  " + outcomes))
        return Group(*lines)


def sparkline(values: list[float], width: int) -> str:
    """`values` as at most `width` bars from the lowest to the highest, each the mean of its part.

    >>> sparkline([0.0, 0.5, 1.0], 8)
    '▁▄█'
    """
    bins = min(width, len(values))
    edges = [len(values) * i // bins for i in range(bins + 1)]
    means = [sum(values[a:b]) / (b - a) for a, b in pairwise(edges)]
    low, high = min(means), max(means)
    scale = (len(_BARS) - 1) / (high - low) if high > low else 0.0
    return "".join(_BARS[int((mean - low) * scale)] for mean in means)


def number(value: float) -> str:
    """Short and of steady width for people.

    >>> [number(v) for v in (0, 12345.6, 0.25, 1.2e-7, float("nan"))]
    ['0', '12346', '0.250', '1.2e-07', 'nan']
    """
    if value == 0 or not isfinite(value):
        return f"{value:g}"
    size = abs(value)
    if size >= 1000:
        return f"{value:.0f}"
    if size >= 10:
        return f"{value:.1f}"
    return f"{value:.3f}" if size >= 0.001 else f"{value:.1e}"


def clock(seconds: float) -> str:
    """`h:mm:ss`, hours left out below one.

    >>> clock(75), clock(3725)
    ('1:15', '1:02:05')
    """
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"


def _shown(values: Mapping[str, float]) -> list[tuple[str, float]]:
    return [(label, values[name]) for name, label in SHOWN.items() if name in values]


def _outcomes(values: Mapping[str, float]) -> str:
    counts = [
        (name.removeprefix(_OUTCOME), v) for name, v in values.items() if name.startswith(_OUTCOME)
    ]
    return "  ".join(f"{name} {count:.0f}" for name, count in counts if count)
