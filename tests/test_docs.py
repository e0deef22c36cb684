"""The README, the guides and the docstrings do what they say: each of their examples is run."""

import doctest
import importlib
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
SLOW_PAGES = [page for page in PAGES if "<!-- slow -->" in page.read_text(encoding="utf-8")]
LAYERS = ("core", "sandbox", "verifiers", "grpo", "benchmarks", "cli")
MODULES = [
    ".".join(["truing", *path.relative_to(ROOT).with_suffix("").parts]).removesuffix(".__init__")
    for layer in LAYERS
    for path in sorted((ROOT / layer).rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


def name(page: Path) -> str:
    return str(page.relative_to(ROOT))


def run_page(page: Path, folder: Path, *options: str) -> subprocess.CompletedProcess[str]:
    """In a process of its own, as a reader's script is: `make` is asked not to set up again."""
    command = [sys.executable, str(ROOT / "tools" / "run_page.py"), str(page)]
    return subprocess.run(
        [*command, "--folder", str(folder), *options],
        check=False,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_examples_of_the_page_run(page: Path, tmp_path: Path) -> None:
    done = run_page(page, tmp_path)
    assert done.returncode == 0, done.stderr


@pytest.mark.slow
@pytest.mark.timeout(1200)
@pytest.mark.parametrize("page", SLOW_PAGES, ids=name)
def test_slow_examples_of_the_page_run(page: Path, tmp_path: Path) -> None:
    done = run_page(page, tmp_path, "--slow")
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("module", MODULES)
def test_examples_of_the_docstrings_run(module: str) -> None:
    results = doctest.testmod(
        importlib.import_module(module),
        optionflags=doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE,
    )
    assert results.attempted > 0
    assert results.failed == 0


@pytest.mark.parametrize("page", PAGES, ids=name)
def test_links_to_files_lead_somewhere(page: Path) -> None:
    links = re.findall(r"\]\(([^)#\s]+)(?:#[^)]*)?\)", page.read_text(encoding="utf-8"))
    local = [link for link in links if not re.match(r"[a-z]+:", link)]
    assert [link for link in local if not (page.parent / link).exists()] == []


def test_the_index_leads_to_every_page() -> None:
    linked = re.findall(r"\]\(([^)#\s]+)", (ROOT / "docs" / "index.md").read_text(encoding="utf-8"))
    pages = {str(page.relative_to(ROOT / "docs")) for page in (ROOT / "docs").rglob("*.md")}
    assert pages - {*linked, "index.md"} == set()


GOOD_PAGE = """
# A page
```python
# file: own/answer.py
ANSWER = 42
```
```python
from own.answer import ANSWER
print("the answer is", ANSWER)
```
```text
the ... 42
```
```console
$ python -c 'print(6 * 7)'
42
$ echo one \\
    two
one two
```
<!-- not executed: it would remove everything -->
```console
$ false
```
<!-- exits with 2 -->
```console
$ echo no; exit 2
no
```
<!-- slow -->
```console
$ touch slow-ran
```
"""


def test_a_right_page_runs(tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(GOOD_PAGE)
    done = run_page(page, tmp_path)
    assert (done.returncode, done.stderr) == (0, "")
    assert "4 examples ran" in done.stdout
    assert not (tmp_path / "slow-ran").exists()
    assert run_page(page, tmp_path, "--slow").returncode == 0
    assert (tmp_path / "slow-ran").exists()


@pytest.mark.parametrize(
    ("page", "complaint"),
    [
        ("```python\nprint(1)\n```\n```text\n2\n```", "the page says"),
        ("```python\n\nraise ValueError('no')\n```", 'page.md", line 3'),
        ("```console\n$ echo one\ntwo\n```", "the page says"),
        ("```console\n$ exit 3\n```", "exit 3"),
        ("<!-- exits with 2 -->\n```console\n$ true\n```", "exit 0"),
        ("<!-- not executed: -->\n```console\n$ true\n```", "no reason"),
        ("```console\n$ true\n", "never closed"),
    ],
)
def test_a_wrong_page_is_caught(page: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "page.md").write_text(page)
    done = run_page(tmp_path / "page.md", tmp_path)
    assert done.returncode == 1
    assert complaint in done.stderr
