"""Make a virtual environment and install this checkout into it: `install.py FOLDER EXTRA`.

Runs on the system's Python, so it uses the standard library only. pip's whole output goes to
`FOLDER/install.log`; the screen gets one line a package, and every error.
"""

import os
import re
import shutil
import subprocess
import sys
import venv
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
STAMPS = {"train": ("train",), "dev": ("dev", "train")}  # dev holds everything that train does
NEEDED_BYTES = 3 * 2**30  # a CPU build of torch and its company take 1.7 GiB, pip's downloads some

# Local package indexes draw one such line for each package that they lack: true, and of no use.
NOISE = re.compile(r"WARNING: Location '.*' is ignored|\[notice\]")
PROGRESS = re.compile(r"^(?:Collecting |Processing \S*/)([A-Za-z][\w.]*(?:-[A-Za-z]\w*)*)")
OFFLINE = re.compile(r"NewConnectionError|NameResolution|ConnectTimeout|ReadTimeout|ProxyError")
LACKS_VERSION = re.compile(r"No matching distribution found for (\S+)")


def main() -> None:
    folder, extra = Path(sys.argv[1]).absolute(), sys.argv[2]
    try:
        set_up(folder, extra)
    except OSError as fault:
        fail(f"cannot make {folder}: {fault}. Mend that and run the same command again.")


def set_up(folder: Path, extra: str) -> None:
    """Make the environment if there is none, install, and leave the stamps that make looks at."""
    folder.parent.mkdir(parents=True, exist_ok=True)
    free = shutil.disk_usage(folder.parent).free
    if free < NEEDED_BYTES and not list(folder.glob(".installed-*")):
        fail(
            f"{folder.parent} has {free / 2**30:.1f} GiB free; the environment needs 3. Free some."
        )
    if not (folder / "bin" / "python").exists():
        say(f"making {folder} with Python {sys.version.split()[0]}")
        try:
            venv.create(folder, with_pip=True, clear=folder.exists())
        except subprocess.CalledProcessError as fault:
            fail(f"cannot make {folder}: {fault}")
    say(f"installing truing[{extra}] into {folder} (some minutes the first time)")
    install(folder, extra)
    for stamp in STAMPS[extra]:
        (folder / f".installed-{stamp}").touch()
    say(f"done: {folder / 'bin' / 'truing'}")


def install(folder: Path, extra: str) -> None:
    """Run pip; leave on failure with what went wrong and what to do."""
    log = folder / "install.log"
    command = [
        *(str(folder / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "install"),
        *("--progress-bar", "off", "-c", "constraints.txt", "-e", f".[{extra}]"),
    ]
    lines: list[str] = []
    with (
        log.open("w", encoding="utf-8") as file,
        subprocess.Popen(
            command,
            cwd=ROOT,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process,
    ):
        assert process.stdout is not None
        for line in process.stdout:
            file.write(line)
            if NOISE.search(line):
                continue
            lines.append(line.rstrip())
            if package := PROGRESS.match(line):
                print(f"  {package[1]}", flush=True)
            elif line.startswith("Installing collected packages"):
                say("unpacking them")
    if process.returncode == 0:
        return
    print("\n".join(lines[-15:]), file=sys.stderr)
    fail(f"pip could not install truing[{extra}]: {advice(' '.join(lines))} All it said: {log}")


def advice(output: str) -> str:
    """What the user can do about pip's failure."""
    if "No space left on device" in output:
        return "the disk is full; free some space and run the same command again."
    if OFFLINE.search(output):
        return (
            "the package index cannot be reached; check the network or pip's settings (PIP_* "
            "variables, `pip config list`) and run the same command again."
        )
    if lacking := LACKS_VERSION.search(output):
        version = ".".join(map(str, sys.version_info[:2]))
        return (
            f"the package index has no {lacking[1]} for Python {version} here; name another "
            "Python with PYTHON=..., or change the pin in constraints.txt."
        )
    return "see the lines above."


def say(text: str) -> None:
    print(f"truing: {text}", flush=True)


def fail(text: str) -> None:
    print(f"truing: {text}", file=sys.stderr)
    raise SystemExit(2)


if __name__ == "__main__":
    main()
