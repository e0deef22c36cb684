"""TOML file + `key=value` overrides -> frozen pydantic models; every fault reported together."""

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, time
from difflib import get_close_matches
from pathlib import Path
from typing import Any, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ValidationError

from .errors import ConfigError


class Config(BaseModel):
    """Base of every configuration: frozen; unknown keys, inf and nan are refused."""

    model_config = ConfigDict(
        frozen=True,
        extra="forbid",
        allow_inf_nan=False,
        use_attribute_docstrings=True,
        protected_namespaces=(),
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

    Raises:
        ConfigError: lists every override that is not of that form or leads through a value.

    >>> apply_overrides({"grpo": {"steps": 5}}, ["grpo.steps=9", "model.path=./m"])
    {'grpo': {'steps': 9}, 'model': {'path': './m'}}
    """
    result = _copy(tables)
    faults = [fault for override in overrides if (fault := _apply(result, override))]
    if faults:
        raise ConfigError("; ".join(faults))
    return result


def resolve(schema: type[C], tables: Mapping[str, Any], *, where: str = "configuration") -> C:
    """`tables` checked against `schema`.

    Raises:
        ConfigError: lists every fault, one a line, with the near key where a key is unknown.
    """
    try:
        return schema.model_validate(dict(tables))
    except ValidationError as fault:
        # A union reports a fault once for each member; one line is enough.
        lines = list(dict.fromkeys(f"  {_fault_line(schema, error)}" for error in fault.errors()))
        count = f"{len(lines)} fault{'s' if len(lines) > 1 else ''}"
        raise ConfigError(f"{where}: {count}\n" + "\n".join(lines)) from None


def to_toml(config: BaseModel) -> str:
    """The resolved configuration as TOML that `read_toml` and `resolve` give back unchanged."""
    import tomli_w

    return tomli_w.dumps(config.model_dump(mode="json", exclude_none=True))


def _apply(result: dict[str, Any], override: str) -> str:
    """Set one override in `result`; what is wrong with it, or nothing."""
    key, equals, text = override.partition("=")
    *parents, last = parts = [part.strip() for part in key.split(".")]
    if not equals or not all(parts):
        return f"override {override!r} is not of the form key=value"
    table = result
    for depth, parent in enumerate(parents):
        table = table.setdefault(parent, {})
        if not isinstance(table, dict):
            return (
                f"override {override!r}: {'.'.join(parents[: depth + 1])} is a value, not a section"
            )
    table[last] = _toml_value(text.strip())
    return ""


def _toml_value(text: str) -> Any:
    try:
        value = tomllib.loads(f"value = {text}")
    except tomllib.TOMLDecodeError:
        return text
    # More than one key came from a line break in the text; dates are names here, not times.
    if len(value) > 1 or isinstance(value["value"], date | time):
        return text
    return value["value"]


def _copy(tables: Mapping[str, Any]) -> dict[str, Any]:
    return {k: _copy(v) if isinstance(v, Mapping) else v for k, v in tables.items()}


def _fault_line(schema: type[BaseModel], error: Any) -> str:
    parts, models = _path(schema, error["loc"])
    key = ".".join(parts) or "(top level)"
    if error["type"] == "extra_forbidden":
        return f"{key}: unknown key; {_near(schema, parts, models)}"
    if error["type"] == "missing":
        return f"{key}: missing; set it in the file or on the command line ({key}=...)"
    message = error["msg"].removeprefix("Value error, ")
    given = error.get("input")
    if error["type"] == "string_type" and isinstance(given, int | float):
        message += f"; put it in quotes: {key}='\"{given}\"'"
    shown = f" (given: {given!r})" if isinstance(given, str | int | float | bool) else ""
    return f"{key}: {message}{shown}"


def _path(schema: type[BaseModel], loc: Sequence[Any]) -> tuple[list[str], list[type[BaseModel]]]:
    """The key that a user wrote, and the models that might hold its last part.

    Pydantic puts the name of a union's member between the keys; nobody wrote that one.
    """
    parts: list[str] = []
    models = [schema]
    annotations: list[Any] = []
    for depth, step in enumerate(loc):
        members = [model for model in models if model.__name__ == step]
        if members and not any(step in model.model_fields for model in models):
            models = members
            continue
        parts.append(str(step))
        if depth + 1 == len(loc):
            break
        fields = [m.model_fields[step].annotation for m in models if step in m.model_fields]
        annotations = fields or annotations
        models = [model for found in annotations for model in _models_in(found)]
    return parts, models


def _near(schema: type[BaseModel], parts: list[str], models: Sequence[type[BaseModel]]) -> str:
    known = sorted({name for model in models for name in model.model_fields})
    *section, last = parts
    if near := get_close_matches(last, known, n=1, cutoff=0.5):
        return f"did you mean {'.'.join([*section, near[0]])}?"
    if elsewhere := [key for key in _all_keys(schema) if key.split(".")[-1] == last]:
        return f"did you mean {' or '.join(elsewhere)}?"
    return f"known here: {', '.join(known)}"


def _all_keys(schema: type[BaseModel], prefix: str = "", depth: int = 4) -> Iterator[str]:
    """Dotted keys of `schema`; sections within lists are left out."""
    for name, field in schema.model_fields.items():
        yield f"{prefix}{name}"
        if depth and get_origin(field.annotation) is not list:
            for model in _models_in(field.annotation):
                yield from _all_keys(model, f"{prefix}{name}.", depth - 1)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in get_args(annotation):
        yield from _models_in(part)
