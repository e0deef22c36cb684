"""Execute the examples of a Markdown page: `run_page.py PAGE [--slow] [--folder FOLDER]`.

In the page's order, in one fresh folder that holds a link to `examples/`:

    ```python     runs; a page's blocks share one namespace. With a first line `# file: NAME.py`
                  the block is written to that file instead; so are `toml` blocks with that line,
                  while those without it are prose.
    ```text       directly after a python block: what the block prints
    ```console    each `$ command` runs; lines below it, if any, are what it prints. Commands that
                  begin with `make` run in the checkout.

In expected output, `...` stands for anything, and runs of blanks and line ends are not compared.
The line before a fence may hold `<!-- not executed: REASON -->`, `<!-- slow -->` for what runs
only with `--slow`, or `<!-- exits with 2 -->`. Blocks in other languages are prose. Exits 1 at the
first example that fails.
"""

import argparse
import contextlib
import io
import os
import re
import subprocess
import sys
import tempfile
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
FILE_LINE = re.compile(r"#\s*file:\s*(\S+)\s*\n")
WRITTEN = ("python", "toml")


@dataclass(frozen=True)
class Block:
    """A fenced block: its language, text, first line's number, the comment above it."""

    language: str
    text: str
    line: int
    comment: str


class ExampleFailed(Exception):
    """An example did not do what the page says; the message shows the difference."""


def blocks(page: str) -> Iterator[Block]:
    """The page's fenced blocks, in order."""
    lines = page.splitlines()
    start, fence, above = None, "", ""
    for number, line in enumerate(lines):
        if start is None:
            if opening := re.match(r"\s*(```+)(\w*)", line):
                start, fence = number, opening[1]
                continue
            above = line.strip() or above
            if line.strip() and not line.strip().startswith("<!--"):
                above = ""
        elif line.strip() == fence:
            language = lines[start].strip().strip("`").strip()
            text = "\n".join(lines[start + 1 : number]) + "\n"
            yield Block(language, text, start + 2, above)
            start, above = None, ""
    if start is not None:
        raise ExampleFailed(f"line {start + 1}: a fence is never closed")


def commands(block: Block) -> Iterator[tuple[str, str]]:
    """(command, expected output or "") of a console block; a trailing backslash continues one."""
    for part in re.split(r"^\$ ", block.text, flags=re.MULTILINE)[1:]:
        lines = part.splitlines()
        last = next(n for n, line in enumerate(lines) if not line.endswith("\\"))
        yield "\n".join(lines[: last + 1]), "\n".join(lines[last + 1 :]).strip()


def matches(expected: str, printed: str) -> bool:
    """Whether `printed` is `expected`, up to blanks, `...` standing for anything."""
    pieces = [re.escape(" ".join(piece.split())) for piece in expected.split("...")]
    return re.fullmatch(r"\s*.*?\s*".join(pieces), " ".join(printed.split())) is not None


def check(where: str, expected: str, printed: str) -> None:
    if not matches(expected, printed):
        raise ExampleFailed(f"{where}\n--- the page says\n{expected}\n--- printed\n{printed}")


def run_console(block: Block, page: Path, folder: Path) -> None:
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}{os.pathsep}{os.environ.get('PATH', '')}",
        "NO_COLOR": "1",
        "TERM": "dumb",
        "COLUMNS": "100",
        "DEMO": f"output={folder / 'runs' / 'demo'}",  # not the checkout's runs/, and never resumed
    }
    for command, expected in commands(block):
        done = subprocess.run(
            ["bash", "-c", command],
            cwd=ROOT if command.startswith("make") else folder,
            env=environment,
            check=False,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        where = f"{page}:{block.line}: $ {command}"
        allowed = re.search(r"exits with (\d+)", block.comment)
        if done.returncode != int(allowed[1] if allowed else 0):
            raise ExampleFailed(f"{where}\nexit {done.returncode}; printed\n{done.stdout}")
        if expected:
            check(where, expected, done.stdout)


def run_python(block: Block, page: Path, namespace: dict[str, Any]) -> str:
    """Run the block; what it printed. Line numbers in tracebacks are the page's."""
    printed = io.StringIO()
    try:
        with contextlib.redirect_stdout(printed):
            exec(compile("\n" * (block.line - 1) + block.text, str(page), "exec"), namespace)
    except Exception:  # noqa: BLE001 (an example may raise anything)
        raise ExampleFailed(f"{page}:{block.line}\n{traceback.format_exc()}") from None
    return printed.getvalue()


def run_page(page: Path, folder: Path, *, slow: bool) -> int:
    """Run a page's examples in `folder`; how many ran."""
    if not (folder / "examples").exists():
        (folder / "examples").symlink_to(ROOT / "examples")
    os.chdir(folder)
    sys.path.insert(0, str(folder))
    namespace: dict[str, Any] = {"__name__": "page"}
    count, printed = 0, None
    for block in blocks(page.read_text(encoding="utf-8")):
        before, printed = printed, None
        if "not executed" in block.comment:
            if not re.search(r"not executed:\s*\w", block.comment):
                raise ExampleFailed(f"{page}:{block.line}: a block is not executed, with no reason")
            continue
        if block.comment == "<!-- slow -->" and not slow:
            continue
        file = FILE_LINE.match(block.text) if block.language in WRITTEN else None
        if file:
            (folder / file[1]).parent.mkdir(parents=True, exist_ok=True)
            (folder / file[1]).write_text(block.text, encoding="utf-8")
        elif block.language == "python":
            printed = run_python(block, page, namespace)
        elif block.language == "console":
            run_console(block, page, folder)
        elif block.language == "text" and before is not None:
            check(f"{page}:{block.line}: the python block above", block.text, before)
            continue
        else:
            continue
        count += 1
    return count


def main() -> None:
    parser = argparse.ArgumentParser(description="Execute the examples of a Markdown page.")
    parser.add_argument("page", type=Path)
    parser.add_argument("--slow", action="store_true", help="also what is marked <!-- slow -->")
    parser.add_argument("--folder", type=Path, help="run there (default: a temporary folder)")
    options = parser.parse_args()
    page = options.page.resolve()
    with tempfile.TemporaryDirectory() as temporary:
        folder = options.folder.resolve() if options.folder else Path(temporary)
        try:
            count = run_page(page, folder, slow=options.slow)
        except ExampleFailed as failure:
            print(failure, file=sys.stderr)
            raise SystemExit(1) from None
    print(f"{page}: {count} examples ran")


if __name__ == "__main__":
    main()
