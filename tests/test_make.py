"""The Makefile and its scripts: what they choose, and what they say when something is missing."""

import os
import re
import runpy
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
NEEDS = sorted(path.name for path in (ROOT / "tools" / "needs").iterdir())
INSTALL = runpy.run_path(str(ROOT / "tools" / "install.py"), run_name="install")


def run(
    *command: str | Path, cwd: Path = ROOT, **environment: str
) -> subprocess.CompletedProcess[str]:
    kept = {k: v for k, v in os.environ.items() if k not in ("MAKEFLAGS", "MAKELEVEL", "MFLAGS")}
    return subprocess.run(
        [str(part) for part in command],
        cwd=cwd,
        env={**kept, **environment},
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


def program(path: Path, body: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(f"#!/bin/bash\n{body}\n")
    path.chmod(0o755)
    return path


def stand_in(folder: Path, **says: str) -> Path:
    """A Python that answers find-python's three questions as told: version, recent, venv."""
    recent, venv = says.get("recent", "true"), says.get("venv", "true")
    answers = f"*print*) echo {says['version']} ;; *sys.exit*) {recent} ;; *) {venv} ;;"
    return program(folder / "python3", f'case "$2" in {answers} esac')


def find_python(folder: Path) -> subprocess.CompletedProcess[str]:
    return run("/bin/sh", ROOT / "tools" / "find-python", PATH=str(folder), PYTHON="")


def test_make_alone_lists_every_command() -> None:
    listed = run("make").stdout
    for target in ("install", "demo", "test", "test-all", "check", "clean"):
        assert f"make {target} " in listed


def test_a_python_that_will_do_is_found(tmp_path: Path) -> None:
    stand_in(tmp_path, version="3.12.1")
    assert find_python(tmp_path).stdout == "python3\n"


def test_an_old_python_is_named_with_what_to_do(tmp_path: Path) -> None:
    stand_in(tmp_path, version="3.9.2", recent="false")
    found = find_python(tmp_path)
    assert found.returncode == 2
    assert "needs Python 3.11 or later; python3 is Python 3.9.2" in found.stderr
    assert "PYTHON=" in found.stderr


def test_a_python_without_venv_is_named_with_the_package(tmp_path: Path) -> None:
    stand_in(tmp_path, version="3.11.2", venv="false")
    found = find_python(tmp_path)
    assert found.returncode == 2
    assert "python3 (Python 3.11.2) has no venv or ensurepip" in found.stderr
    assert "apt-get install python3-venv" in found.stderr


def test_no_python_at_all(tmp_path: Path) -> None:
    found = find_python(tmp_path)
    assert found.returncode == 2
    assert "no python3 can be run here" in found.stderr


def test_make_stops_where_there_is_no_python_and_makes_nothing(tmp_path: Path) -> None:
    made = run("make", "install", f"VENV={tmp_path}/env", "PYTHON=no-such-python")
    assert made.returncode != 0
    assert "no no-such-python can be run here" in made.stderr
    assert not (tmp_path / "env").exists()


def test_an_installed_environment_is_not_installed_again(tmp_path: Path) -> None:
    (tmp_path / ".installed-train").touch()
    again = run("make", "install", f"VENV={tmp_path}", "PYTHON=no-such-python")
    assert again.returncode == 0, again.stderr
    os.utime(tmp_path / ".installed-train", (0, 0))  # as old as a pin changed since makes it
    assert run("make", "install", f"VENV={tmp_path}", "PYTHON=no-such-python").returncode != 0


@pytest.mark.parametrize(
    ("output", "advice"),
    [
        ("OSError: [Errno 28] No space left on device", "the disk is full"),
        ("NewConnectionError(...)\nNo matching distribution found for x", "cannot be reached"),
        ("ERROR: No matching distribution found for torch==9.9", "has no torch==9.9 for Python"),
        ("anything else", "see the lines above"),
    ],
)
def test_pips_failures_come_with_advice(output: str, advice: str) -> None:
    assert advice in INSTALL["advice"](output)


def failing_checkout(folder: Path, pip_says: str) -> Path:
    """A checkout whose environment's pip prints `pip_says` and fails."""
    (folder / "tools").mkdir()
    shutil.copy(ROOT / "tools" / "install.py", folder / "tools")
    program(folder / "env" / "bin" / "python", f"echo '{pip_says}'; exit 1")
    return folder


def test_pips_error_is_shown_without_its_noise_and_no_stamp_is_left(tmp_path: Path) -> None:
    noise = "WARNING: Location 'file:///x/torch/' is ignored: it is neither a file nor a directory."
    checkout = failing_checkout(tmp_path, noise.replace("'", "'\\''") + "\nERROR: unlucky")
    done = run(sys.executable, checkout / "tools" / "install.py", checkout / "env", "dev")
    assert done.returncode == 2
    assert "ERROR: unlucky" in done.stderr
    assert "is ignored" not in done.stderr
    assert "is ignored" in (checkout / "env" / "install.log").read_text()
    assert not list((checkout / "env").glob(".installed*"))


def test_each_marker_has_a_script_and_bare_pytest_leaves_it_out() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["pytest"]["ini_options"]
    markers = {line.partition(":")[0] for line in settings["markers"]}
    assert markers - {"slow"} == set(NEEDS)
    left_out = settings["addopts"][settings["addopts"].index("-m") + 1]
    assert set(re.findall(r"not (\w+)", left_out)) == markers
    planned = run("make", "-n", "test").stdout
    assert f"-m '{' and '.join(f'not {name}' for name in NEEDS)}'" in planned


@pytest.mark.parametrize("name", NEEDS)
def test_each_script_is_executable_bash(name: str) -> None:
    script = ROOT / "tools" / "needs" / name
    assert os.access(script, os.X_OK)
    assert run("bash", "-n", script).returncode == 0


def marked_tests(folder: Path, needs: str, pytest_exit: int) -> subprocess.CompletedProcess[str]:
    (folder / "tools" / "needs").mkdir(parents=True)
    shutil.copy(ROOT / "tools" / "marked-tests", folder / "tools")
    program(folder / "tools" / "needs" / "thing", needs)
    python = program(folder / "python", f"exit {pytest_exit}")
    return run(folder / "tools" / "marked-tests", python, "thing")


@pytest.mark.parametrize(
    ("needs", "pytest_exit", "exit_code", "summary"),
    [
        ('exec "$@"', 0, 0, "thing: passed"),
        ('exec "$@"', 1, 1, "thing: failed (exit 1)"),
        ("echo installing; exit 3", 0, 1, "thing: failed (exit 3)"),
        ("echo no engine >&2; exit 75", 0, 0, "thing: cannot run here because no engine"),
    ],
)
def test_a_marker_that_cannot_run_here_is_told_from_one_that_failed(
    needs: str, pytest_exit: int, exit_code: int, summary: str, tmp_path: Path
) -> None:
    done = marked_tests(tmp_path, needs, pytest_exit)
    assert done.returncode == exit_code
    assert done.stdout.splitlines()[-1] == summary


def test_the_browser_script_runs_its_command_where_chromium_is(tmp_path: Path) -> None:
    program(tmp_path / "chromium", "exit 0")
    path = f"{tmp_path}:/usr/bin:/bin"
    assert run(ROOT / "tools/needs/browser", "bash", "-c", "exit 7", PATH=path).returncode == 7


def test_the_browser_script_says_why_it_cannot(tmp_path: Path) -> None:
    program(tmp_path / "apt-get", "exit 100")
    program(tmp_path / "id", "echo 0")
    for tool in ("bash", "env"):
        (tmp_path / tool).symlink_to(shutil.which(tool) or tool)
    done = run(ROOT / "tools" / "needs" / "browser", "true", PATH=str(tmp_path))
    assert done.returncode == 75
    assert "apt-get cannot fetch it" in done.stderr.splitlines()[-1]


def required(folder: Path, body: str, *options: str) -> subprocess.CompletedProcess[str]:
    shutil.copy(ROOT / "tests" / "conftest.py", folder / "conftest.py")
    (folder / "pytest.ini").write_text("[pytest]\nmarkers =\n    slow: takes long\n")
    (folder / "test_it.py").write_text(f"import pytest\n{body}\ndef test_other(): pass\n")
    return run(sys.executable, "-m", "pytest", "--require", "slow", *options, cwd=folder)


@pytest.mark.parametrize(
    ("body", "options", "exit_code"),
    [
        ("@pytest.mark.slow\ndef test_it(): pass", (), 0),
        ("@pytest.mark.slow\ndef test_it(): assert False", (), 1),
        ("@pytest.mark.slow\ndef test_it(): pytest.skip('not today')", (), 1),
        ("@pytest.mark.slow\n@pytest.mark.skip\ndef test_it(): pass", (), 1),
        ("@pytest.mark.slow\ndef test_it(): pass", ("-m", "not slow"), 1),
        ("", ("-m", "slow"), 1),
    ],
)
def test_a_required_marker_all_of_whose_tests_were_skipped_fails_the_run(
    body: str, options: tuple[str, ...], exit_code: int, tmp_path: Path
) -> None:
    done = required(tmp_path, body, *options)
    assert done.returncode == exit_code, done.stdout
    if exit_code and "assert False" not in body:
        assert "required: no test marked slow ran" in done.stdout
