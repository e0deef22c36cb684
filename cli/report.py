"""`truing report`: look at a run in a browser."""

from pathlib import Path
from typing import Annotated

import typer


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("report")(report)


def report(
    run: Annotated[Path, typer.Argument(help="Folder of the run, its `output`.")],
    output: Annotated[
        Path | None, typer.Option("--output", "-o", help="The page; default RUN/report.html.")
    ] = None,
    open_page: Annotated[bool, typer.Option("--open", help="Show it in the browser.")] = False,
    samples: Annotated[
        int, typer.Option(min=1, help="Samples kept of every outcome and stage.")
    ] = 120,
) -> None:
    """Write one self-contained HTML page about a run: results, curves, samples, configuration."""
    from ..grpo.report import write_report

    page = write_report(run, output, each=samples)
    typer.echo(page)
    if open_page:
        typer.launch(page.resolve().as_uri())
