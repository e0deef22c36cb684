"""`truing report`: a run folder becomes one HTML page that needs nothing but a browser."""

import json
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path

from ..core.errors import DataError
from ..core.page import Section, code, facts, page, paragraph, sample_browser, table
from ..core.records import Json
from ..core.storage import write_atomic
from .curves import curves
from .logs import METRICS_FILE, read_lines
from .samples import EACH, collect, outcome_rows

_SHARES = ("accuracy", "low", "high", "truncated_share")
_MAIN = {
    "label": "",
    "accuracy": "accuracy",
    "low": "95% from",
    "high": "to",
    "n": "answers",
    "truncated_share": "truncated",
    "tokens_per_second": "sampled tokens/s",
    "training_seconds": "training seconds",
}


def write_report(run_folder: Path, output: Path | None = None, *, each: int = EACH) -> Path:
    """Write the report of a finished, interrupted or still running run.

    Args:
        run_folder: holds `metrics.jsonl`; every other file of a run may be missing.
        output: the page; by default `report.html` in the run folder.
        each: samples shown of every outcome and stage.

    Returns:
        Where the page stands.

    Raises:
        DataError: that is not a run folder, or a file in it cannot be read.
        StorageError: the page cannot be written.
    """
    if not (run_folder / METRICS_FILE).is_file():
        what = "there is no such folder" if not run_folder.exists() else f"no {METRICS_FILE} in it"
        raise DataError(f"{run_folder} is not a run folder: {what}; give the run's `output` folder")
    output = output or run_folder / "report.html"
    write_atomic(output, report_html(run_folder, each=each))
    return output


def report_html(run_folder: Path, *, each: int = EACH) -> str:
    """The page itself."""
    lines = list(read_lines(run_folder / METRICS_FILE))
    if not all(line.keys() >= {"stage", "step", "time"} for line in lines):
        raise DataError(f"{run_folder / METRICS_FILE} holds a line without stage, step or time")
    summary, run = _json_file(run_folder / "summary.json"), _json_file(run_folder / "run.json")
    cards, note = collect(run_folder, each=each)
    sections = [Section("results", "Results", _results(summary))]
    sections.append(Section("curves", "Learning curves", curves(lines)))
    if rows := outcome_rows(lines):
        columns = ("stage", "outcome", "completions", "share")
        sections.append(Section("outcomes", "Outcomes", table(columns, rows)))
    sections.append(
        Section("samples", "Samples", sample_browser(note) if cards else paragraph(note))
    )
    config = run_folder / "config.toml"
    if config.is_file():
        text = config.read_text(encoding="utf-8")
        sections.append(Section("config", "Configuration", code(text), folded=True))
    if run:
        sections.append(Section("run", "Versions, seeds and data", facts(run), folded=True))
    name = run_folder.resolve().name
    return page(f"Run {name}", sections, subtitle=_subtitle(lines, run), cards=cards)


def _results(summary: Mapping[str, Json]) -> str:
    """The main columns of the result table; all of it, turned, below; then what else there is."""
    rows = summary.get("rows") or []
    parts = []
    if rows:
        names = [name for name in rows[0] if name in _MAIN or name.startswith("pass@")]
        columns = [_MAIN.get(name, name) for name in names]
        parts.append(
            table(columns, [[_result(name, row.get(name)) for name in names] for row in rows])
        )
        every = [[name, *(row.get(name) for row in rows)] for name in rows[0] if name != "label"]
        whole = table(["", *(str(row.get("label", "")) for row in rows)], every)
        parts.append(f"<details><summary>All values</summary>{whole}</details>")
    rest = {name: value for name, value in summary.items() if name != "rows" and value}
    if rest:
        parts.append(facts(rest))
    return "".join(parts) or paragraph("The run has not finished: it has no summary yet.")


def _result(name: str, value: Json) -> Json:
    share = name in _SHARES or name.startswith("pass@")
    return f"{value:.1%}" if share and isinstance(value, int | float) else value


def _subtitle(lines: list[dict[str, Json]], run: Mapping[str, Json]) -> str:
    parts = []
    if version := run.get("truing"):
        parts.append(f"truing {version}")
    if started := run.get("started"):
        parts.append(f"started {started}")
    if lines:
        last = lines[-1]
        when = datetime.fromtimestamp(last["time"], UTC).isoformat(sep=" ", timespec="seconds")
        parts.append(f"last written {when}, after step {last['step']} of {last['stage']}")
    return " · ".join(parts)


def _json_file(path: Path) -> Mapping[str, Json]:
    if not path.is_file():
        return {}
    try:
        value = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as fault:
        raise DataError(f"{path} is not JSON: {fault}") from None
    return value if isinstance(value, Mapping) else {"value": value}
