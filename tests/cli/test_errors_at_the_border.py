"""Messages and exit codes at the command line's border; tracebacks with --debug alone."""

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
import typer

from truing import cli
from truing.cli import run
from truing.core.errors import ConfigError, ShapeError


@pytest.fixture
def raising(monkeypatch: pytest.MonkeyPatch):
    """Makes the application one command, `fail`, that raises what it is given."""

    def install(fault: BaseException) -> None:
        app = typer.Typer(pretty_exceptions_enable=False)
        app.callback()(cli._global_options)

        @app.command()
        def fail() -> None:
            raise fault

        monkeypatch.setattr(cli, "build_app", lambda: app)

    return install


@pytest.mark.parametrize(
    ("fault", "code", "said"),
    [
        (ConfigError("grpo.steps is 0"), 2, "truing: error: grpo.steps is 0\n"),
        (ShapeError("rank 1"), 1, "truing: error: rank 1\n"),
        (KeyboardInterrupt(), 130, "truing: interrupted\n"),
        (typer.Exit(3), 3, ""),
        (typer.BadParameter("not that"), 2, "not that"),
        (ZeroDivisionError("x"), 1, "truing: error: ZeroDivisionError: x\nThis is a bug in truing"),
    ],
)
def test_each_kind_has_its_message_and_exit_code(raising, capsys, fault, code, said) -> None:
    raising(fault)
    assert run(["fail"]) == code
    captured = capsys.readouterr()
    assert captured.out == ""
    assert said in captured.err
    assert "Traceback" not in captured.err


@pytest.mark.parametrize("words", [["--debug", "fail"], ["fail", "--debug"]])
@pytest.mark.parametrize("fault", [ConfigError("bad"), ZeroDivisionError("x")])
def test_debug_shows_the_traceback_before_or_after_the_command(
    raising, capsys, words, fault
) -> None:
    raising(fault)
    run(words)
    said = capsys.readouterr().err
    assert "Traceback" in said
    assert "in fail" in said


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["fly"], "No such command 'fly'"),
        (["list", "verifers"], "is not one of"),
        (["verify"], "Missing argument"),
        (["verify", "x", "--verifer", "math"], "No such option"),
        (["verify", "x", "-v", "math", "--workers", "0"], "'--workers'"),
    ],
)
def test_a_wrong_command_line_is_exit_code_2(capsys, words: list[str], said: str) -> None:
    assert run(words) == 2
    captured = capsys.readouterr()
    assert said in captured.err
    assert "Traceback" not in captured.err


def test_help_names_every_command_and_loads_nothing_heavy(capsys) -> None:
    assert run(["--help"]) == 0
    out = capsys.readouterr().out
    assert all(name in out for name in ("verify", "train", "eval", "report", "list", "--debug"))
    script = (
        "import json, sys; from truing.cli import run; run(['--help']); "
        "print(json.dumps(sorted(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout.splitlines()[-1])}
    assert loaded.isdisjoint({"torch", "transformers", "datasets", "numpy", "sympy", "pandas"})


@pytest.mark.parametrize(("kind", "name"), [("algorithms", "grpo"), ("generators", "arithmetic")])
def test_what_is_registered_is_listed_with_a_line_and_its_source(capsys, kind, name) -> None:
    assert run(["list", kind, "--json"]) == 0
    rows = {row["name"]: row for row in json.loads(capsys.readouterr().out)}
    assert rows[name]["description"]
    assert rows[name]["source"].startswith("truing.")
    assert run(["list", kind]) == 0
    assert name in capsys.readouterr().out


def test_what_no_encoding_has_bytes_for_is_shown_escaped(tmp_path: Path) -> None:
    path = tmp_path / "mine.py"
    path.write_text(
        "from truing.verifiers import Verdict\n"
        "def odd(text, problem): return Verdict.wrong('\\ud800é', 'half a pair')\n"
    )
    command = [sys.executable, "-m", "truing", "verify", "-v", f"{path}:odd", "-r", "4", "4"]
    environment = {**os.environ, "PYTHONIOENCODING": "ascii"}
    done = subprocess.run(command, check=True, capture_output=True, env=environment)
    assert done.stdout == b"wrong  score 0  answer \\ud800\\xe9  half a pair\n"


def test_a_missing_extra_says_what_to_install() -> None:
    # In a process of its own: to load truing.grpo a second time here would leave two of it.
    script = (
        "import sys; sys.modules['torch'] = None; "
        "from truing.cli import run; sys.exit(run(['list', 'algorithms']))"
    )
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True)
    assert done.returncode == 2
    assert b"pip install 'truing[train]'" in done.stderr
