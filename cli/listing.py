"""`truing list`: what is registered under which name, and where it comes from."""

import json
from enum import StrEnum
from importlib import import_module
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ..core.errors import MissingExtra

if TYPE_CHECKING:
    from ..core.registry import Registry


class Kind(StrEnum):
    """What can be listed."""

    VERIFIERS = "verifiers"
    ALGORITHMS = "algorithms"
    GENERATORS = "generators"


# Where each registry stands; those of training import torch, so they are loaded when asked for.
REGISTRIES = {
    Kind.VERIFIERS: ("..verifiers", "VERIFIERS"),
    Kind.ALGORITHMS: ("..grpo.algorithms", "ALGORITHMS"),
    Kind.GENERATORS: ("..grpo.generators", "GENERATORS"),
}


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("list")(list_names)


def list_names(
    kind: Annotated[Kind, typer.Argument(help="What to list.")],
    as_json: Annotated[bool, typer.Option("--json", help="Print a JSON list.")] = False,
) -> None:
    """Print the names that configurations may use, with a line about each and its source."""
    rows = _registry(kind).rows()
    if as_json:
        keys = ("name", "description", "source")
        typer.echo(json.dumps([dict(zip(keys, row, strict=True)) for row in rows]))
        return
    from rich.console import Console
    from rich.table import Table

    table = Table("name", "description", "source")
    for row in rows:
        table.add_row(*row)
    Console().print(table)


def _registry(kind: Kind) -> "Registry[Any]":
    module, name = REGISTRIES[kind]
    try:
        registry: Registry[Any] = getattr(import_module(module, __package__), name)
    except ModuleNotFoundError as fault:
        if (fault.name or "").startswith("truing"):
            raise
        raise MissingExtra(
            f"listing {kind.value} needs {fault.name}, of truing[train]: "
            "pip install 'truing[train]'"
        ) from None
    return registry
