import io
import os
import pty
from contextlib import suppress

from rich.console import Console

from truing.grpo.display import LiveDisplay, PlainDisplay, open_display

STEP = {"reward/mean": 0.25, "loss": float("nan"), "outcome/correct": 3, "outcome/wrong": 0}


def test_a_stream_that_is_no_terminal_gets_one_plain_line_a_step():
    stream = io.StringIO()
    display = open_display(stream)
    assert isinstance(display, PlainDisplay)
    display.start("grpo", 10)
    display.step("grpo", 1, STEP)
    display.note("saved [checkpoint]")
    display.close()
    first, step, note = stream.getvalue().splitlines()
    assert first == "grpo: 10 steps"
    assert step.startswith("grpo 1/10  reward 0.250  loss nan  ")
    assert step.endswith("left")
    assert note == "saved [checkpoint]"
    assert "\x1b" not in stream.getvalue()


def test_a_gone_reader_does_not_stop_the_run():
    class Gone(io.StringIO):
        def write(self, text: str) -> int:
            raise BrokenPipeError

    closed = io.StringIO()
    for stream in (Gone(), closed):
        display = open_display(stream)
        display.start("grpo", 10)
        closed.close()
        display.step("grpo", 1, STEP)
        display.close()


def test_letters_that_the_encoding_lacks_are_replaced():
    stream = io.TextIOWrapper(io.BytesIO(), encoding="ascii")
    open_display(stream).note("naïve ≥ 3")
    assert stream.buffer.getvalue() == b"na?ve ? 3\n"


def test_a_terminal_that_closes_does_not_stop_the_run():
    """A real terminal: once its other side is closed, every write to it fails."""
    ours, theirs = pty.openpty()
    stream = os.fdopen(theirs, "w", encoding="utf-8")
    display = open_display(stream)
    assert isinstance(display, LiveDisplay)
    display.start("grpo", 10)
    display.step("grpo", 1, STEP)
    os.close(ours)
    display.step("grpo", 2, STEP)
    display.note("nobody reads this")
    display.start("sft", 3)
    display.close()
    with suppress(OSError):  # what is still buffered cannot be written either
        stream.close()


def terminal() -> tuple[LiveDisplay, io.StringIO]:
    stream = io.StringIO()
    return LiveDisplay(Console(file=stream, force_terminal=True, width=90)), stream


def test_a_terminal_gets_a_table_and_the_cursor_back():
    display, stream = terminal()
    display.start("sft", 2)
    display.step("sft", 2, {"loss": 2.5})
    display.start("grpo", 10)
    for step in (1, 2, 3):
        display.step("grpo", step, {**STEP, "reward/mean": step / 4})
    display.note("saved [checkpoint]")
    display.close()
    display.close()
    shown = stream.getvalue()
    for text in ("sft", "2.500", "3/10", "0.750", "▁▄█", "correct 3", "saved [checkpoint]"):
        assert text in shown
    assert "wrong" not in shown
    assert shown.rindex("\x1b[?25h") > shown.rindex("\x1b[?25l")  # cursor shown after hidden


def test_a_step_without_a_start_and_a_note_after_the_end_are_no_error():
    display, stream = terminal()
    display.step("grpo", 7, {})
    display.close()
    display.note("done")
    assert "7/7" in stream.getvalue()
    assert "done" in stream.getvalue()
