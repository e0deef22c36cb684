"""The command `truing`: what each subcommand needs stands in its own module and is loaded late."""

import sys
import traceback
from collections.abc import Sequence
from importlib import import_module
from io import TextIOWrapper

import typer

from ..core.errors import INTERRUPTED, OUR_FAULT, USER_FAULT, TruingError

COMMANDS = ("verify", "train", "eval", "report", "listing")
# What typer raises for a wrong option. Older typers take it from click, newer ones hold a copy of
# click, and neither exports its base; `BadParameter` is public and inherits it in both.
CommandLineFault: type[Exception] = next(
    kind for kind in typer.BadParameter.__mro__ if kind.__name__ == "ClickException"
)


def build_app() -> typer.Typer:
    """The application with every command registered."""
    app = typer.Typer(
        name="truing",
        help="Reinforcement learning with verifiable rewards, from problem to score.",
        no_args_is_help=True,
        add_completion=False,
        pretty_exceptions_enable=False,
    )
    app.callback()(_global_options)
    for name in COMMANDS:
        try:
            module = import_module(f".{name}", __name__)
        except ModuleNotFoundError as fault:
            if fault.name != f"{__name__}.{name}":
                raise
        else:
            module.register(app)
    return app


def _global_options(
    debug: bool = typer.Option(False, "--debug", help="Show the traceback of an error."),
) -> None:
    """Options that go before or after the command."""


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line and exit: 0 done, 2 the user can mend it, 1 our fault, 130 Ctrl-C."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, TextIOWrapper):
            # A model may write what the terminal's encoding, or any encoding, has no bytes for.
            stream.reconfigure(errors="backslashreplace")
    words = list(sys.argv[1:] if arguments is None else arguments)
    sys.exit(run(words))


def run(words: list[str]) -> int:
    """Run one command line and give its exit code; errors go to stderr."""
    words, debug = _take_debug(words)
    try:
        code = build_app()(words, prog_name="truing", standalone_mode=False)
        if code == INTERRUPTED:  # typer has made an exit code of Ctrl-C
            raise KeyboardInterrupt
        return code if isinstance(code, int) else 0
    except CommandLineFault as fault:
        fault.show()  # type: ignore[attr-defined]
        return USER_FAULT
    except (KeyboardInterrupt, typer.Abort):
        return _say("interrupted", INTERRUPTED, debug)
    except TruingError as fault:
        return _say(f"error: {fault}", fault.exit_code, debug)
    except BrokenPipeError:
        sys.stderr.close()  # the reader of our output left, as `head` does
        return OUR_FAULT
    except Exception as fault:  # noqa: BLE001 - the last border: nothing above it
        text = (
            f"error: {type(fault).__name__}: {fault}\n"
            "This is a bug in truing, not in what you did. Run the same command again with "
            "--debug and report what it prints."
        )
        return _say(text, OUR_FAULT, debug)


def _take_debug(words: list[str]) -> tuple[list[str], bool]:
    """The words without `--debug`, wherever it stands before a bare `--`."""
    end = words.index("--") if "--" in words else len(words)
    kept = [word for word in words[:end] if word != "--debug"]
    return kept + words[end:], len(kept) < end


def _say(text: str, code: int, debug: bool) -> int:
    if debug:
        traceback.print_exc()
    print(f"truing: {text}", file=sys.stderr)
    return code
