"""TOML file + `key=value` overrides -> frozen pydantic models; every fault reported together."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from difflib import get_close_matches
from pathlib import Path
from types import UnionType
from typing import Any, TypeVar, Union, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import ConfigError


class Config(BaseModel):
    """Base of every configuration: frozen, and unknown keys are refused."""

    model_config = ConfigDict(
        frozen=True, extra="forbid", use_attribute_docstrings=True, protected_namespaces=()
    )


C = TypeVar("C", bound=BaseModel)


def read_toml(path: Path) -> dict[str, Any]:
    """The file's tables.

    Raises:
        ConfigError: the file is missing or is not TOML; the message holds the parser's position.
    """
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ConfigError(f"no configuration at {path}; check the path") from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as fault:
        raise ConfigError(f"{path} is not valid TOML: {fault}") from None
    except OSError as fault:
        raise ConfigError(f"cannot read {path}: {fault.strerror}") from None


def apply_overrides(tables: Mapping[str, Any], overrides: Sequence[str]) -> dict[str, Any]:
    """`tables` with each `dotted.key=value` set; the value is TOML, or else a plain string.

    >>> apply_overrides({"grpo": {"steps": 5}}, ["grpo.steps=9", "model.path=./m"])
    {'grpo': {'steps': 9}, 'model': {'path': './m'}}
    """
    result = _copy(tables)
    for override in overrides:
        key, equals, text = override.partition("=")
        if not equals or not key.strip():
            raise ConfigError(f"override {override!r} is not of the form key=value")
        *parents, last = key.strip().split(".")
        table = result
        for depth, parent in enumerate(parents):
            table = table.setdefault(parent, {})
            if not isinstance(table, dict):
                where = ".".join(parents[: depth + 1])
                raise ConfigError(f"override {override!r}: {where} is a value, not a section")
        table[last] = _toml_value(text.strip())
    return result


def resolve(schema: type[C], tables: Mapping[str, Any], *, where: str = "configuration") -> C:
    """`tables` checked against `schema`.

    Raises:
        ConfigError: lists every fault, one a line, with the near key where a key is unknown.
    """
    try:
        return schema.model_validate(dict(tables))
    except ValidationError as fault:
        lines = [f"  {_fault_line(schema, error)}" for error in fault.errors()]
        count = f"{len(lines)} fault{'s' if len(lines) > 1 else ''}"
        raise ConfigError(f"{where}: {count}\n" + "\n".join(lines)) from None


def to_toml(config: BaseModel) -> str:
    """The resolved configuration as TOML that `read_toml` and `resolve` give back unchanged."""
    import tomli_w

    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def _toml_value(text: str) -> Any:
    try:
        return tomllib.loads(f"value = {text}")["value"]
    except tomllib.TOMLDecodeError:
        return text


def _copy(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copy(v) if isinstance(v, Mapping) else v for k, v in tables.items()}


def _fault_line(schema: type[BaseModel], error: Any) -> str:
    path = [str(part) for part in error["loc"]]
    key = ".".join(path) or "(top level)"
    if error["type"] == "extra_forbidden":
        known = list(_fields_at(schema, path[:-1]))
        near = get_close_matches(path[-1], known, n=1, cutoff=0.5)
        hint = f"did you mean {'.'.join([*path[:-1], near[0]])}?" if near else ""
        return f"{key}: unknown key; {hint or 'known here: ' + ', '.join(sorted(known))}"
    if error["type"] == "missing":
        return f"{key}: missing; set it in the file or on the command line ({key}=...)"
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{key}: {message}{shown}"


def _fields_at(schema: type[BaseModel], path: Sequence[str]) -> Iterator[str]:
    if not path:
        yield from schema.model_fields
        return
    field = schema.model_fields.get(path[0])
    for inner in _models_in(field.annotation if field else None):
        yield from _fields_at(inner, path[1:])


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    elif get_origin(annotation) in (Union, UnionType):
        for part in get_args(annotation):
            yield from _models_in(part)
