"""A verifier by its name: a file, a module, an entry point; and what is said when it is missing."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from truing.core.errors import ConfigError, UnknownName
from truing.core.records import Outcome, Problem
from truing.verifiers import VERIFIERS, load_verifier
from truing.verifiers.loading import portable_spec

PROBLEM = Problem(id="1", prompt="2 + 2?", reference="4")
MINE = '''
"""The user's file."""
from dataclasses import dataclass
from helper_of_mine import normal
from truing.verifiers import Outcome, Problem, Verdict, verifier

@verifier(cpu_seconds=2.5)
def exact(text: str, problem: Problem) -> bool:
    "Exactly the reference."
    return normal(text) == problem.reference

def plain(text, problem, *, accept=""):
    return text in (problem.reference, accept)

class Counting:
    cpu_seconds = 1.0
    on_budget = Outcome.UNDECIDED
    def __init__(self, least: int = 1) -> None:
        self.least = least
    def __call__(self, text, problem):
        return Verdict.correct() if len(text) >= self.least else Verdict.wrong()

class Generous(Counting):
    on_budget = Outcome.CORRECT

ready = Counting(least=3)
number = 5
'''


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(sys, "path", list(sys.path))
    monkeypatch.delitem(sys.modules, "helper_of_mine", raising=False)
    (tmp_path / "helper_of_mine.py").write_text("def normal(text): return text.strip()\n")
    path = tmp_path / "mine.py"
    path.write_text(MINE)
    return path


def test_a_decorated_function_keeps_its_settings_and_imports_its_siblings(mine: Path) -> None:
    made = load_verifier(f"{mine}:exact")
    assert made.cpu_seconds == 2.5
    assert made(" 4 ", PROBLEM).outcome is Outcome.CORRECT
    assert "exact" not in VERIFIERS  # its file names it; another file may have an `exact` too


def test_a_plain_function_is_enough_and_takes_options(mine: Path) -> None:
    assert load_verifier(f"{mine}:plain")("four", PROBLEM).score == 0
    assert load_verifier(f"{mine}:plain", {"accept": "four"})("four", PROBLEM).score == 1
    with pytest.raises(ConfigError, match="acept"):
        load_verifier(f"{mine}:plain", {"acept": "four"})


def test_a_class_takes_options_and_an_instance_is_used_as_it_is(mine: Path) -> None:
    assert load_verifier(f"{mine}:Counting", {"least": 2})("1", PROBLEM).score == 0
    assert load_verifier(f"{mine}:ready")("123", PROBLEM).score == 1
    with pytest.raises(ConfigError, match="does not take these options"):
        load_verifier(f"{mine}:ready", {"least": 2})


def test_a_relative_path_and_a_home_path_are_found(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine.parent)
    monkeypatch.setenv("HOME", str(mine.parent))
    for spec in ("mine.py:exact", "./mine.py:exact", "~/mine.py:exact"):
        assert load_verifier(spec)("4", PROBLEM).score == 1


def test_a_module_that_can_be_imported_is_named_with_dots(mine: Path) -> None:
    sys.path.insert(0, str(mine.parent))
    package = mine.parent / "package_of_mine"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "rules.py").write_text("def always(text, problem): return True\n")
    assert load_verifier("package_of_mine.rules:always")("", PROBLEM).score == 1


def test_an_edited_file_is_read_again(mine: Path) -> None:
    assert load_verifier(f"{mine}:plain")("four", PROBLEM).score == 0
    mine.write_text("def plain(text, problem): return 1\n")
    assert load_verifier(f"{mine}:plain")("four", PROBLEM).score == 1


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ("{folder}/mine.py:exakt", r"has no 'exakt'; did you mean 'exact'\?"),
        ("{folder}/mine.py:zzz", "it has exact, plain, Counting, Generous"),
        ("{folder}/mime.py:exact", r"there is no file .*mime\.py; did you mean .*mine\.py\?"),
        ("{folder}/gone/mine.py:exact", r"there is no file .*gone/mine\.py; check the path"),
        ("{folder}/mine.py", "names no function; write .*mine.py:NAME, with exact, plain"),
        ("{folder}/mine.py:number", "is a int; a verifier is a function"),
        ("{folder}/mine.py:dataclass", "cannot be called as|gives a|does not take"),
        ("{folder}/mine.py:Generous", "on_budget"),
        ("no_such_module_of_mine:x", "no module 'no_such_module_of_mine' can be imported"),
        (":x", "is not of the form"),
        ("{folder}/mine.py:", "is not of the form"),
    ],
)
def test_what_is_missing_is_said_with_what_there_is(mine: Path, spec: str, said: str) -> None:
    with pytest.raises(ConfigError, match=said):
        load_verifier(spec.format(folder=mine.parent))


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ("def f(:\n", "SyntaxError"),
        ("import no_such_library_of_anyone\n", "no_such_library_of_anyone"),
        ("x = 1\n1 / 0\n", "line 2"),
        ("raise SystemExit(2)\n", "SystemExit"),
    ],
)
def test_a_file_that_cannot_be_imported_shows_its_own_error(
    tmp_path: Path, source: str, said: str
) -> None:
    path = tmp_path / "broken_of_mine.py"
    path.write_text(source)
    for _ in range(2):  # the second time too: nothing half made is kept
        with pytest.raises(ConfigError, match=r"broken_of_mine\.py failed") as caught:
            load_verifier(f"{path}:f")
        assert said in str(caught.value)
        assert "importlib" not in str(caught.value)


def test_an_unknown_name_suggests_a_near_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(VERIFIERS, "_entries", dict(VERIFIERS._entries))
    VERIFIERS.add("sudoku", lambda: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(UnknownName, match="Did you mean 'sudoku'"):
        load_verifier("soduku")


def test_all_faults_of_a_registered_verifiers_options_stand_in_one_line() -> None:
    with pytest.raises(ConfigError, match=r"options of verifier 'math': .*extraction.*;") as caught:
        load_verifier("math", {"extraction": "x", "wat": 1})
    assert "\n" not in str(caught.value)


def test_an_installed_plugin_is_a_verifier_by_its_name(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(VERIFIERS, "_entries", dict(VERIFIERS._entries))
    monkeypatch.setattr(VERIFIERS, "_plugins", None)
    info = tmp_path / "plugged_verifier-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: plugged_verifier\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text("[truing]\nverifier.plugged = plugged_verifier:plugged")
    (tmp_path / "plugged_verifier.py").write_text(
        "from truing.verifiers import verifier\n\n"
        "@verifier\ndef plugged(text, problem):\n    'From a package.'\n    return True\n"
    )
    assert load_verifier("plugged")("", PROBLEM).score == 1
    assert VERIFIERS.entry("plugged").description == "From a package."


def test_a_relative_file_is_named_absolutely_for_other_processes(
    mine: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(mine.parent)
    assert portable_spec("mine.py:exact") == f"{mine}:exact"
    assert portable_spec("package.rules:x") == "package.rules:x"


def test_a_function_that_stands_in_no_file_is_refused_with_advice(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(VERIFIERS, "_entries", dict(VERIFIERS._entries))
    namespace: dict[str, object] = {"__name__": "a_notebook_of_mine"}
    exec(
        "from truing.verifiers import verifier\n"
        "@verifier(name='cell')\ndef cell(text, problem): return True\n",
        namespace,
    )
    with pytest.raises(ConfigError, match=r"stands in no file"):
        portable_spec("cell")


def test_importing_the_verifiers_is_light() -> None:
    script = "import json, sys, truing.verifiers; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], check=True, capture_output=True)
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    heavy = {"torch", "transformers", "datasets", "numpy", "sympy", "typer", "rich", "pandas"}
    assert loaded.isdisjoint(heavy)
