"""A run's metrics lines -> charts, one group of charts a stage."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

from ..core.chart import bar_chart, line_chart
from ..core.records import Json, Outcome
from ..core.series import Series

Lines = Sequence[Mapping[str, Json]]


@dataclass(frozen=True, slots=True)
class Plot:
    """One chart: metric names and what they are called in its legend, in order."""

    title: str
    metrics: Mapping[str, str]
    bars: bool = False
    unit: float = 1.0
    band: tuple[str, str] | None = None


_PARTS = {"generation": "generation", "verification": "verification", "training": "training"}

# Order is reading order. What a run has beyond these gets a chart of its own behind them.
PLOTS = (
    Plot("Reward", {"reward/mean": "mean"}),
    Plot("Held-out accuracy", {"eval/accuracy": "accuracy"}, band=("eval/low", "eval/high")),
    Plot("Outcomes per step", {f"outcome/{o.value}": o.value for o in Outcome}, bars=True),
    Plot("Loss", {"loss": "loss"}),
    Plot(
        "Completion length (tokens)",
        {"length/p10": "10%", "length/p50": "median", "length/p90": "90%", "length/max": "longest"},
    ),
    Plot("Entropy (nats per token)", {"entropy": "entropy"}),
    Plot("KL from the reference", {"kl": "KL"}),
    Plot("Spread of rewards", {"reward/std": "deviation"}),
    Plot("Groups that teach nothing", {"groups/zero_std_share": "share with equal rewards"}),
    Plot("Clipped tokens", {"clip_share": "share"}),
    Plot("Truncated completions", {"truncated_share": "share"}),
    Plot("Verifier faults", {"verifier_fault_share": "share"}),
    Plot("Seconds per step", {f"seconds/{k}": v for k, v in _PARTS.items()}, bars=True),
    # Verification counts in millions; with it in the chart, the others would lie on the axis.
    Plot(
        "Tokens per second",
        {
            "tokens_per_second/generation": "generation",
            "tokens_per_second/training": "training",
        },
    ),
    Plot("Gradient norm", {"grad_norm": "norm"}),
    Plot("Learning rate", {"learning_rate": "rate"}),
    Plot("Peak memory (GiB)", {"memory/peak_bytes": "peak"}, unit=2.0**-30),
    Plot(
        "Sampler against trainer (log-prob difference)",
        {"mismatch/mean": "mean", "mismatch/max": "largest"},
    ),
)
# Shown in a table, or part of a chart already.
_NOT_PLOTTED = ("stage", "step", "time", "seconds/step", "length/mean", "eval/n", "eval/low")
_NOT_PLOTTED_BELOW = ("eval/", "outcome/")


def stage_charts(lines: Lines) -> str:
    """HTML of all charts of one stage; `lines` are its metrics lines in any order of steps."""
    lines = sorted(lines, key=lambda line: line["step"])
    known = {name for plot in PLOTS for name in plot.metrics}
    others = sorted({name for line in lines for name in line} - known - {*_NOT_PLOTTED})
    plots = [
        *PLOTS,
        *(
            Plot(name, {name: name.rpartition("/")[2]})
            for name in others
            if not name.startswith(_NOT_PLOTTED_BELOW)
        ),
    ]
    charts, zero = [], []
    for plot in plots:
        if chart := _chart(plot, lines):
            charts.append(chart)
        elif any(metric in line for metric in plot.metrics for line in lines):
            zero.append(plot.title)
    note = f"<p><small>0 at every step: {escape(', '.join(zero))}.</small></p>" if zero else ""
    return f'<div class="charts">{"".join(charts)}</div>{note}'


def curves(lines: Iterable[Mapping[str, Json]]) -> str:
    """HTML of all charts of a run, stage by stage in the order in which they began."""
    stages: dict[str, list[Mapping[str, Json]]] = {}
    for line in lines:
        stages.setdefault(line["stage"], []).append(line)
    parts = []
    for stage, own in stages.items():
        if len(stages) > 1:
            steps = max(line["step"] for line in own)
            parts.append(f"<h3>{escape(stage)} · {steps} step{'s' if steps != 1 else ''}</h3>")
        parts.append(stage_charts(own))
    if not parts:
        return "<p>No metrics were written yet.</p>"
    return (
        "<p>Where a line is pale, it is each step as it was, and the strong one its running mean. "
        "A gap is a value that was not a number.</p>" + "".join(parts)
    )


def _chart(plot: Plot, lines: Lines) -> str:
    """Empty where the lines have none of the plot's metrics, or they are 0 throughout."""
    series = []
    for metric, label in plot.metrics.items():
        rows = [line for line in lines if metric in line]
        points = tuple((line["step"], _scaled(line[metric], plot.unit)) for line in rows)
        if not points or (plot.bars and all(y == 0 for _, y in points)):
            continue
        low, high = plot.band or ("", "")
        band = tuple((line.get(low), line.get(high)) for line in rows) if plot.band else ()
        colour = f"var(--{label})" if metric.startswith("outcome/") else ""
        series.append(Series(label.replace("_", " "), points, band, colour))
    if all(y == 0 for each in series for _, y in each.points):
        return ""
    return (bar_chart if plot.bars else line_chart)(plot.title, series)


def _scaled(value: float | None, unit: float) -> float | None:
    return None if value is None else value * unit
