"""A verifier by its name: registered, of an installed plugin, or in the user's own file."""

import importlib
import importlib.util
import inspect
import sys
import traceback
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from hashlib import sha256
from pathlib import Path
from types import ModuleType
from typing import Any

from pydantic import ValidationError

from ..core.errors import ConfigError, DataError, TruingError
from ..core.records import EARNING, Json, Problem
from .base import MARK, VERIFIERS, WRAPPED, Verifier, factory_of, without_registering

_files: dict[tuple[Path, str], ModuleType] = {}


def load_verifier(spec: str, options: Mapping[str, Json] | None = None) -> Verifier:
    """The verifier that `spec` names, made with `options`.

    Args:
        spec: a registered name such as `math`, an installed plugin's name, `path/to/file.py:name`
            or `package.module:name`. A file's folder goes first on `sys.path`, as when Python
            runs the file, so that it can import its siblings.
        options: keywords for the verifier.

    Raises:
        UnknownName: nothing is registered under that name.
        ConfigError: the file or the name in it is missing, the file cannot be imported, or the
            options do not fit; the message says which, and what there is.
    """
    where, colon, name = spec.rpartition(":")
    if colon and not (where and name):
        raise ConfigError(f"verifier {spec!r} is not of the form path/to/file.py:name")
    if colon:
        factory = _factory(_target(where, name, spec), spec)
    elif spec.endswith(".py"):
        there = _shown(_module(spec, spec))
        raise ConfigError(f"verifier {spec!r} names no function; write {spec}:NAME, with {there}")
    else:
        factory = VERIFIERS[spec]
        if hasattr(factory, MARK):  # a plugin's entry point names the function itself
            factory = factory_of(factory)
    return _made(factory, spec, dict(options or {}))


def portable_spec(spec: str) -> str:
    """`spec` so that another process, in any folder, finds the same verifier by it.

    A name that this process registered with `@verifier` becomes the place where the function
    stands, because a worker has not run the module that registered it.

    Raises:
        UnknownName: nothing is registered under that name.
        ConfigError: the function stands in no file, as in a notebook, or inside another function.
    """
    where, colon, name = spec.rpartition(":")
    if colon:
        return f"{Path(where).absolute()}:{name}" if _is_file(where) else spec
    if spec.endswith(".py"):
        return spec
    function = getattr(VERIFIERS[spec], WRAPPED, None)
    if function is None or not callable(function):
        return spec
    module = sys.modules.get(function.__module__)
    name = function.__qualname__
    if "." in name:
        raise ConfigError(f"verifier {spec!r} is defined inside {name!r}; move it to a file's top")
    if module is not None and module.__spec__ is not None:  # its name is not that of `-m`'s main
        return f"{module.__spec__.name}:{name}"
    file = getattr(module, "__file__", None)
    if file is None:
        raise ConfigError(
            f"verifier {spec!r} stands in no file, so worker processes cannot load it; write it "
            f"to a file and name it path/to/file.py:{name}"
        )
    return f"{Path(file).absolute()}:{name}"


def check_problem(spec: str, problem: Problem) -> None:
    """Refuse a problem whose reference the verifier could never use, where it can tell.

    A registered verifier may have a static method `check_reference(reference) -> str | None` that
    says what is wrong. A problem judged by tests needs no reference.

    Raises:
        DataError: says what is wrong with the reference.
        UnknownName: no verifier has that name.
    """
    if ":" in spec or problem.tests:
        return
    check = getattr(VERIFIERS[spec], "check_reference", None)
    wrong = check(problem.reference) if check else None
    if wrong:
        shown = f"{problem.reference!r:.80}"
        raise DataError(f"verifier {spec!r} cannot use the reference {shown}: {wrong}")


def file_of(spec: str) -> Path | None:
    """The user's file in `path/to/file.py:name`; None for other specs and for missing files."""
    where, colon, _ = spec.rpartition(":")
    path = Path(where).expanduser()
    return path if colon and _is_file(where) and path.is_file() else None


def _made(factory: Callable[..., Verifier], spec: str, options: dict[str, Json]) -> Verifier:
    try:
        inspect.signature(factory, follow_wrapped=False).bind(**options)
    except TypeError as fault:
        raise ConfigError(f"verifier {spec!r} does not take these options: {fault}") from None
    try:
        made = factory(**options)
    except ValidationError as fault:
        faults = "; ".join(
            f"{'.'.join(map(str, error['loc']))}: {error['msg']}" for error in fault.errors()
        )
        raise ConfigError(f"options of verifier {spec!r}: {faults}") from None
    if not isinstance(made, Verifier):
        raise ConfigError(
            f"{spec!r} gives a {type(made).__name__}, which is no verifier: that is a callable "
            "(text, problem) -> Verdict with the attributes cpu_seconds and on_budget"
        )
    if made.on_budget in EARNING or not made.cpu_seconds > 0:
        raise ConfigError(
            f"verifier {spec!r} has cpu_seconds={made.cpu_seconds} and on_budget="
            f"{made.on_budget!r}; a budget is above 0, and exceeding it earns nothing"
        )
    return made


def _factory(target: Any, spec: str) -> Callable[..., Verifier]:
    """What makes the verifier: a class makes itself, a function is wrapped, an instance is it."""
    if isinstance(target, type):
        return target
    if isinstance(target, Verifier):
        return lambda: target
    if not callable(target):
        raise ConfigError(
            f"{spec!r} is a {type(target).__name__}; a verifier is a function "
            "(completion_text, problem) -> bool | float | Verdict"
        )
    return factory_of(target)


def _target(where: str, name: str, spec: str) -> Any:
    module = _module(where, spec)
    try:
        return getattr(module, name)
    except AttributeError:
        near = get_close_matches(name, _public(module), n=1)
        hint = f"did you mean {near[0]!r}? " if near else ""
        raise ConfigError(f"{where} has no {name!r}; {hint}it has {_shown(module)}") from None


def _is_file(where: str) -> bool:
    return where.endswith(".py") or "/" in where


def _module(where: str, spec: str) -> ModuleType:
    try:
        return _from_file(Path(where), spec) if _is_file(where) else importlib.import_module(where)
    except TruingError:
        raise
    except (Exception, SystemExit) as fault:
        if isinstance(fault, ModuleNotFoundError) and fault.name == where.partition(".")[0]:
            raise ConfigError(
                f"verifier {spec!r}: no module {where!r} can be imported here; a file is named "
                "path/to/file.py:name"
            ) from None
        lines = "".join(traceback.format_exception(fault)).splitlines()
        # Frames of the import system say nothing about the user's file.
        first = next((i for i, line in enumerate(lines) if where in line), 0)
        shown = "\n".join(f"  {line}" for line in lines[first:][-12:])
        raise ConfigError(f"verifier {spec!r}: importing {where} failed:\n{shown}") from fault


def _from_file(path: Path, spec: str) -> ModuleType:
    path = path.expanduser().absolute()
    if not path.is_file():
        beside = sorted(p.name for p in path.parent.glob("*.py")) if path.parent.is_dir() else []
        near = get_close_matches(path.name, beside, n=1)
        hint = f"; did you mean {path.parent / near[0]}?" if near else "; check the path"
        raise ConfigError(f"verifier {spec!r}: there is no file {path}{hint}")
    source = path.read_bytes()
    digest = sha256(source).hexdigest()[:12]
    if (path, digest) in _files:
        return _files[path, digest]
    name = f"truing_user_{digest}_{path.stem}"
    module_spec = importlib.util.spec_from_file_location(name, path)
    if module_spec is None:
        raise ConfigError(f"verifier {spec!r}: {path} is not a Python file; its name ends in .py")
    module = importlib.util.module_from_spec(module_spec)
    if str(path.parent) not in sys.path:
        sys.path.insert(0, str(path.parent))
    sys.modules[name] = module  # as dataclasses and pickle in the user's file expect
    try:
        with without_registering():  # two files may each have a function `check`
            # Not by the loader: it would take a cached file for the edited one, and leave caches
            # in the user's folder.
            exec(compile(source, path, "exec"), vars(module))
    except BaseException:
        del sys.modules[name]
        raise
    _files[path, digest] = module
    return module


def _public(module: ModuleType) -> list[str]:
    """Names of the functions and classes that the module itself defines."""
    return [
        name
        for name, value in vars(module).items()
        if callable(value)
        and not name.startswith("_")
        and getattr(value, "__module__", None) == module.__name__
    ]


def _shown(module: ModuleType) -> str:
    return ", ".join(_public(module)) or "no functions"
