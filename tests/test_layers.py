"""The import order core < sandbox < verifiers < grpo < benchmarks < cli holds, and stays light."""

import ast
import json
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
LAYERS = ("core", "sandbox", "verifiers", "grpo", "benchmarks", "cli")
HEAVY = ("torch", "transformers", "vllm", "datasets", "docker", "pandas", "matplotlib", "sympy")


def modules() -> list[Path]:
    """Every module of the package, relative to the root."""
    found = [path.relative_to(ROOT) for layer in LAYERS for path in (ROOT / layer).rglob("*.py")]
    return sorted([Path("__init__.py"), Path("__main__.py"), *found])


def imports(path: Path, source: str) -> Iterator[tuple[int, str, str]]:
    """(line, layer imported from, what is wrong with how) for each import of our own."""
    here = list(path.parent.parts)
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.name.split(".")[0] in ("truing", *LAYERS):
                    yield node.lineno, "", f"`import {alias.name}` is not relative"
        elif isinstance(node, ast.ImportFrom) and node.level == 0:
            if (node.module or "").split(".")[0] in ("truing", *LAYERS):
                yield node.lineno, "", f"`from {node.module} import …` is not relative"
        elif isinstance(node, ast.ImportFrom):
            if node.level > len(here) + 1:
                yield node.lineno, "", "it reaches above the package"
                continue
            base = here[: len(here) + 1 - node.level]
            target = [*base, *(node.module or "").split(".")] if node.module else base
            for alias in node.names:
                layer = [*target, alias.name][0]
                if layer in LAYERS:
                    yield node.lineno, layer, ""


def faults(path: Path, source: str) -> list[str]:
    own = path.parts[0]
    rank = LAYERS.index(own) if own in LAYERS else len(LAYERS)
    found = []
    for line, layer, wrong in imports(path, source):
        if wrong:
            found.append(f"{path}:{line}: {wrong}")
        elif LAYERS.index(layer) > rank:
            found.append(f"{path}:{line}: {own} imports {layer}, which stands above it")
    return found


@pytest.mark.parametrize("path", modules(), ids=str)
def test_imports_point_down_and_are_relative(path: Path) -> None:
    assert faults(path, (ROOT / path).read_text(encoding="utf-8")) == []


@pytest.mark.parametrize(
    ("path", "line", "fault"),
    [
        ("core/records.py", "from ..grpo.losses import grpo", "core imports grpo"),
        ("core/records.py", "from .. import cli", "core imports cli"),
        ("grpo/algorithms/sft.py", "from ...benchmarks import x", "grpo imports benchmarks"),
        ("grpo/loop.py", "from truing.core import records", "not relative"),
        ("grpo/loop.py", "import verifiers", "not relative"),
        ("core/page.py", "def f():\n    from ..sandbox import x", "core imports sandbox"),
        ("core/page.py", "from ...outside import x", "above the package"),
    ],
)
def test_the_check_sees_a_wrong_import(path: str, line: str, fault: str) -> None:
    assert [fault in found for found in faults(Path(path), line)] == [True]


def test_the_check_lets_right_imports_pass() -> None:
    source = "import os\nfrom ..core import errors\nfrom ..verifiers.base import x\nfrom . import y"
    assert faults(Path("grpo/loop.py"), source) == []


@pytest.mark.parametrize("package", ["core", "sandbox", "verifiers", "cli"])
def test_a_reward_worker_starts_without_the_heavy_libraries(package: str) -> None:
    script = f"import json, sys, truing.{package}; print(json.dumps(sorted(sys.modules)))"
    done = subprocess.run(
        [sys.executable, "-c", script], check=False, capture_output=True, text=True
    )
    assert done.returncode == 0, done.stderr
    loaded = {name.split(".")[0] for name in json.loads(done.stdout)}
    assert loaded.isdisjoint(HEAVY), loaded & set(HEAVY)


def test_no_module_has_the_name_of_one_in_the_standard_library() -> None:
    # A file math.py or types.py breaks whatever is run from inside its folder.
    names = {part.removesuffix(".py") for path in modules() for part in path.parts}
    assert names.isdisjoint(sys.stdlib_module_names), names & sys.stdlib_module_names


def test_every_folder_of_the_package_is_in_the_wheels_list() -> None:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))
    wheel = settings["tool"]["hatch"]["build"]["targets"]["wheel"]
    assert set(wheel["only-include"]) == {*LAYERS, "__init__.py", "__main__.py", "py.typed"}
    folders = {path.parent.name for path in ROOT.glob("*/__init__.py")}
    assert folders <= {*LAYERS}, "a package at the root that no layer names"
