"""Wheel, sdist and `pip install .` hold the whole package and work in a clean environment."""

import os
import shutil
import subprocess
import sys
import tarfile
import venv
import zipfile
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PACKAGE = ("core", "sandbox", "verifiers", "grpo", "benchmarks", "cli")
AT_ROOT = ("__init__.py", "__main__.py", "py.typed")

pytestmark = [pytest.mark.slow, pytest.mark.timeout(900)]


def run(command: list[str], cwd: Path) -> str:
    """What the command printed; pip without an index to reach skips the test."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("PYTHON", "VIRTUAL"))}
    done = subprocess.run(
        command,
        cwd=cwd,
        env=environment,
        check=False,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    if "NewConnectionError" in done.stdout or "NameResolutionError" in done.stdout:
        pytest.skip("no package index can be reached from here")
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


def tracked() -> list[str]:
    """What git tracks and the working tree still has."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, check=True, capture_output=True, text=True
    )
    return [name for name in listed.stdout.split("\0") if name and (ROOT / name).is_file()]


def package_files() -> set[str]:
    """The tracked files that an installation must hold, relative to the package."""
    return {n for n in tracked() if n in AT_ROOT or n.partition("/")[0] in PACKAGE}


@dataclass(frozen=True)
class Built:
    source: Path
    wheel: Path
    sdist: Path


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Wheel and sdist, made from a copy of what git tracks, installed editable as a checkout is."""
    folder = tmp_path_factory.mktemp("packaging")
    source, out = folder / "source", folder / "dist"
    for name in tracked():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(ROOT / name, source / name)
    # The links of an editable install once led the builder away from the real folders.
    links = source / ".editable" / "truing"
    links.mkdir(parents=True)
    for name in (*AT_ROOT, *PACKAGE):
        (links / name).symlink_to(source / name)
    for kind in ("--wheel", "--sdist"):
        build = [sys.executable, "-m", "build", "--no-isolation", kind]
        run([*build, "--outdir", str(out), str(source)], folder)
    (wheel,), (sdist,) = out.glob("*.whl"), out.glob("*.tar.gz")
    return Built(source, wheel, sdist)


def test_the_wheel_holds_every_module_and_nothing_else(built: Built) -> None:
    with zipfile.ZipFile(built.wheel) as wheel:
        names = set(wheel.namelist())
    inside = {n.removeprefix("truing/") for n in names if n.startswith("truing/")}
    assert inside == package_files()
    assert any(n.endswith(".dist-info/licenses/LICENSE") for n in names)
    assert {n.partition("/")[0].partition("-")[0] for n in names} == {"truing"}


def test_the_sdist_holds_every_module_and_what_it_builds_with(built: Built) -> None:
    with tarfile.open(built.sdist) as sdist:
        names = {n.partition("/")[2] for n in sdist.getnames()}
    wanted = {*package_files(), "LICENSE", "README.md", "pyproject.toml", "tools/editable.py"}
    assert wanted - names == set()
    assert not [n for n in names if n.startswith((".editable", ".venv", "runs/"))]


@pytest.mark.parametrize("kind", ["wheel", "sdist", "source"])
def test_it_works_in_a_clean_environment(kind: str, built: Built, tmp_path: Path) -> None:
    """`source` is what `pip install .` does. Dependencies are installed for real, torch is none."""
    venv.create(tmp_path / "env", with_pip=True)
    binaries = tmp_path / "env" / "bin"
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    pip = [str(binaries / "python"), "-m", "pip", "--disable-pip-version-check", "install"]
    run([*pip, "-q", "-c", str(ROOT / "constraints.txt"), str(getattr(built, kind))], elsewhere)

    script = (
        "import truing.verifiers, truing.cli, sys; print(truing.__file__, 'torch' in sys.modules)"
    )
    printed = run([str(binaries / "python"), "-c", script], elsewhere)
    assert str(tmp_path / "env") in printed
    for command in (["truing"], ["python", "-m", "truing"]):
        program = [str(binaries / command[0]), *command[1:]]
        assert "verify" in run([*program, "--help"], elsewhere)
    verify = [str(binaries / "truing"), "verify", "--verifier", "math", "--reference", "1/2"]
    assert "correct" in run([*verify, r"So \boxed{0.5}"], elsewhere)

    # Type checkers of those who use truing read its annotations.
    (elsewhere / "uses.py").write_text(
        "from truing.verifiers import verify\nreveal_type(verify('math', '4', '4').score)\n"
    )
    mypy = [sys.executable, "-m", "mypy", "--strict", "--cache-dir", os.devnull]
    python = ["--python-executable", str(binaries / "python")]
    assert '"float"' in run([*mypy, *python, "uses.py"], elsewhere)
