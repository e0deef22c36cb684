"""Numbers -> a chart as inline SVG: lines with bands, or stacked bars. Pure; no library, no script.

The SVG's colours are the page's CSS variables, so that it follows light and dark; `page.js` adds
the reading under the pointer from the `data-chart` attribute.
"""

import json
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from itertools import pairwise
from math import ceil, floor, log10

from .series import Series, readable, running_mean, runs, thin

WIDTH, HEIGHT = 420, 210
LEFT, RIGHT, TOP, BOTTOM = 50, 10, 10, 26
SMOOTHED_FROM = 30  # points from which a running mean helps the eye
MARKED_TO = 15  # points up to which each gets a dot


def line_chart(title: str, series: Sequence[Series], *, x_name: str = "step") -> str:
    """An HTML figure of lines over a common axis; a single long line also gets its running mean."""
    thinned, each = thin(series)
    values = [y for s in thinned for _, y in s.points if y is not None]
    values += [y for s in thinned for pair in s.band for y in pair if y is not None]
    frame = _Frame.around([x for s in thinned for x, _ in s.points], values)
    smooth = len(thinned) == 1 and len(thinned[0].points) >= SMOOTHED_FROM
    marks = []
    for index, s in enumerate(thinned):
        colour = escape(_colour(s, index))
        marks += [f'<path class="band" fill="{colour}" d="{d}"/>' for d in _bands(frame, s)]
        faint = ' class="faint"' if smooth else ""
        marks.append(f'<path{faint} fill="none" stroke="{colour}" d="{_line(frame, s.points)}"/>')
        if smooth:
            d = _line(frame, running_mean(s.points))
            marks.append(f'<path fill="none" stroke="{colour}" d="{d}"/>')
        if len(s.points) <= MARKED_TO:
            marks += [
                f'<circle r="3" fill="{colour}" cx="{frame.x(x):.1f}" cy="{frame.y(y):.1f}"/>'
                for run in runs(s.points)
                for x, y in run
            ]
    return _figure(title, thinned, frame, "".join(marks), x_name, each)


def bar_chart(title: str, series: Sequence[Series], *, x_name: str = "step") -> str:
    """An HTML figure of bars, the series stacked in the order given."""
    thinned, each = thin(series)
    totals: dict[float, float] = {}
    for s in thinned:
        for x, y in s.points:
            totals[x] = totals.get(x, 0.0) + (y or 0.0)
    xs = sorted(totals)
    half = min((b - a for a, b in pairwise(xs)), default=1.0) / 2
    frame = _Frame.around([xs[0] - half, xs[-1] + half] if xs else [], [0.0, *totals.values()])
    marks, base = [], dict.fromkeys(xs, 0.0)
    for index, s in enumerate(thinned):
        path = []
        for x, y in s.points:
            if y:
                low, base[x] = base[x], base[x] + y
                left, right = frame.x(x - half * 0.94), frame.x(x + half * 0.94)
                top, bottom = frame.y(base[x]), frame.y(low)
                path.append(f"M{left:.1f} {bottom:.1f}V{top:.1f}H{right:.1f}V{bottom:.1f}z")
        marks.append(f'<path fill="{escape(_colour(s, index))}" d="{"".join(path)}"/>')
    return _figure(title, thinned, frame, "".join(marks), x_name, each)


@dataclass(frozen=True, slots=True)
class _Frame:
    """Data coordinates -> SVG coordinates, and the ticks."""

    x_low: float
    x_high: float
    y_low: float
    y_high: float

    @classmethod
    def around(cls, xs: Sequence[float], ys: Sequence[float]) -> "_Frame":
        x_low, x_high = min(xs, default=0.0), max(xs, default=1.0)
        if x_low == x_high:
            x_low, x_high = x_low - 0.5, x_high + 0.5
        y_low, y_high = min(ys, default=0.0), max(ys, default=1.0)
        if y_high - y_low <= 1e-9 * max(abs(y_low), abs(y_high)):  # alike, but for rounding
            pad = abs(y_low) / 2 or 0.5
            y_low, y_high = y_low - pad, y_high + pad
        step = _nice_step(y_high - y_low)
        return cls(x_low, x_high, floor(y_low / step) * step, ceil(y_high / step) * step)

    def x(self, x: float) -> float:
        return LEFT + (x - self.x_low) / (self.x_high - self.x_low) * (WIDTH - LEFT - RIGHT)

    def y(self, y: float) -> float:
        inner = HEIGHT - TOP - BOTTOM
        return TOP + (self.y_high - y) / (self.y_high - self.y_low) * inner

    def axes(self, x_name: str) -> str:
        parts = []
        ticks = _ticks(self.y_low, self.y_high)
        # As many digits as tell neighbouring ticks apart.
        digits = max(4, 2 + floor(log10(max(map(abs, ticks)) / (ticks[1] - ticks[0]))))
        for tick in ticks:
            y = self.y(tick)
            parts.append(f'<path class="grid" d="M{LEFT} {y:.1f}H{WIDTH - RIGHT}"/>')
            parts.append(
                f'<text x="{LEFT - 6}" y="{y + 4:.1f}" class="y">{_tick(tick, digits)}</text>'
            )
        for tick in _ticks(self.x_low, self.x_high, whole=True):
            x = self.x(tick)
            if x <= WIDTH - RIGHT - 40:  # the axis' name stands at the right end
                parts.append(
                    f'<text x="{x:.1f}" y="{HEIGHT - 8}" class="x">{_tick(tick, 6)}</text>'
                )
        parts.append(
            f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 8}" class="name">{escape(x_name)}</text>'
        )
        return "".join(parts)


def _figure(
    title: str,
    series: Sequence[Series],
    frame: _Frame,
    marks: str,
    x_name: str,
    each: int,
) -> str:
    xs = sorted({x for s in series for x, _ in s.points})
    by_x = [dict(s.points) for s in series]
    data = {
        "title": title,
        "x": xs,
        "px": [round(frame.x(x), 1) for x in xs],
        "x_name": x_name,
        "names": [s.name for s in series],
        "y": [[_short(points.get(x)) for x in xs] for points in by_x],
    }
    lasts = [next((y for _, y in reversed(s.points) if y is not None), None) for s in series]
    label = f"{title} by {x_name}. Last: " + ", ".join(
        f"{s.name} {readable(last)}" for s, last in zip(series, lasts, strict=True)
    )
    legend = "".join(
        f'<li><i style="background:{escape(_colour(s, index))}"></i>{escape(s.name)} '
        f"<b>{readable(last)}</b></li>"
        for index, (s, last) in enumerate(zip(series, lasts, strict=True))
    )
    note = f"<small>means of {each} {escape(x_name)}s each</small>" if each > 1 else ""
    return (
        f'<figure class="chart" data-chart="{escape(json.dumps(data))}">'
        f"<figcaption>{escape(title)}</figcaption>"
        f'<svg viewBox="0 0 {WIDTH} {HEIGHT}" role="img" aria-label="{escape(label)}">'
        f'{frame.axes(x_name)}<g class="marks">{marks}</g>'
        f'<path class="cursor" d="M0 {TOP}V{HEIGHT - BOTTOM}" visibility="hidden"/></svg>'
        f'<ul class="legend">{legend}</ul>{note}</figure>\n'
    )


def _line(frame: _Frame, points: Sequence[tuple[float, float | None]]) -> str:
    parts = []
    for run in runs(points):
        # A lone point becomes a line of no length, drawn as a dot by its round cap.
        ends = run * 2 if len(run) == 1 else run
        parts.append("M" + "L".join(f"{frame.x(x):.1f} {frame.y(y):.1f}" for x, y in ends))
    return "".join(parts)


def _bands(frame: _Frame, series: Series) -> Iterator[str]:
    known = [
        (x, low, high)
        for (x, _), (low, high) in zip(series.points, series.band, strict=False)
        if low is not None and high is not None
    ]
    if len(known) > 1:
        there = [f"{frame.x(x):.1f} {frame.y(high):.1f}" for x, _, high in known]
        back = [f"{frame.x(x):.1f} {frame.y(low):.1f}" for x, low, _ in reversed(known)]
        yield "M" + "L".join(there + back) + "z"


def _nice_step(span: float, ticks: int = 4) -> float:
    """1, 2 or 5 times a power of ten, so that `span` has about `ticks` of them."""
    rough = span / ticks
    power = 10.0 ** floor(log10(rough))
    return next(nice * power for nice in (1, 2, 5, 10) if nice * power >= rough * 0.999)


def _ticks(low: float, high: float, *, whole: bool = False) -> list[float]:
    step = _nice_step(high - low)
    if whole:
        step = max(1.0, step)
    first, last = ceil(low / step - 1e-9), floor(high / step + 1e-9)
    return [index * step for index in range(first, last + 1)]


def _tick(value: float, digits: int) -> str:
    for size, unit, letter in ((1e9, 1e9, "G"), (1e6, 1e6, "M"), (1e4, 1e3, "k")):
        if abs(value) >= size:
            return f"{value / unit:.{digits}g}{letter}"
    return f"{value:.{digits}g}"


def _short(value: float | None) -> float | None:
    return None if value is None else float(f"{value:.5g}")


def _colour(series: Series, index: int) -> str:
    return series.colour or f"var(--s{index % 8 + 1})"
