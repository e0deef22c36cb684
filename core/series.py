"""What a chart shows: named points, thinned to what the eye can tell apart. Pure."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import ceil, isfinite

MOST_POINTS = 300  # more than a chart of some 400 pixels can show


@dataclass(frozen=True, slots=True)
class Series:
    """One line or one colour of the bars.

    Attributes:
        name: shown in the legend.
        points: (x, y) by rising x; y is None where there is no number, and the line is broken.
        band: (low, high) for each point, or empty.
        colour: a CSS colour; empty for the next of the page's palette.
    """

    name: str
    points: tuple[tuple[float, float | None], ...]
    band: tuple[tuple[float | None, float | None], ...] = ()
    colour: str = ""


def thin(series: Sequence[Series]) -> tuple[list[Series], int]:
    """Means of neighbours, so that no series has more than `MOST_POINTS`; and how many of each."""
    xs = sorted({x for s in series for x, _ in s.points})
    each = ceil(len(xs) / MOST_POINTS) if xs else 1
    if each == 1:
        return list(series), 1
    bin_of = {x: index // each for index, x in enumerate(xs)}
    middle = {index: xs[min(len(xs) - 1, index * each + each // 2)] for index in bin_of.values()}
    thinned = []
    for s in series:
        bins = groupby(enumerate(s.points), key=lambda item: bin_of[item[1][0]])
        points, band = [], []
        for index, group in bins:
            rows = list(group)
            points.append((middle[index], _mean([y for _, (_, y) in rows])))
            if s.band:
                low = _mean([s.band[i][0] for i, _ in rows])
                band.append((low, _mean([s.band[i][1] for i, _ in rows])))
        thinned.append(Series(s.name, tuple(points), tuple(band), s.colour))
    return thinned, each


def _mean(values: Sequence[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return sum(known) / len(known) if known else None


def running_mean(
    points: Sequence[tuple[float, float | None]],
) -> list[tuple[float, float | None]]:
    """Each y replaced by the mean of its neighbourhood, about a fifteenth of the whole."""
    reach = max(2, len(points) // 30)
    smoothed: list[tuple[float, float | None]] = []
    for index, (x, y) in enumerate(points):
        near = [v for _, v in points[max(0, index - reach) : index + reach + 1] if v is not None]
        smoothed.append((x, sum(near) / len(near) if y is not None else None))
    return smoothed


def runs(points: Sequence[tuple[float, float | None]]) -> Iterator[list[tuple[float, float]]]:
    """The stretches of points that have a number."""
    for known, run in groupby(points, key=lambda point: point[1] is not None):
        if known:
            yield [(x, y) for x, y in run if y is not None]


def readable(value: float | None) -> str:
    """A number for people; a dash where there is none.

    >>> [readable(value) for value in (None, 0.123456, 12.3456, 22104.2, 3e-7)]
    ['–', '0.1235', '12.35', '22,104', '3e-07']
    """
    if value is None or not isfinite(value):
        return "–"
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.4g}"
