import json
import re
from html import unescape
from xml.etree import ElementTree

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truing.core.chart import HEIGHT, WIDTH, bar_chart, line_chart
from truing.core.series import MOST_POINTS, Series, running_mean, thin

EVIL = "<i>\"'&</svg>"


def parts(figure: str) -> ElementTree.Element:
    """The figure as XML: which proves that every element is closed and every text escaped."""
    return ElementTree.fromstring(figure)


def data_of(figure: str) -> dict:
    (text,) = re.findall(r'data-chart="([^"]*)"', figure)
    return json.loads(unescape(text))


values = st.none() | st.floats(-1e30, 1e30) | st.sampled_from([0.0, 1.0, 1.0 + 1e-15, 1e-300])
steps = st.lists(values, max_size=40)


@given(st.lists(steps, max_size=3))
def test_any_numbers_make_a_chart_within_its_frame(columns):
    series = [
        Series(f"s{index}", tuple(enumerate(column, start=1)))
        for index, column in enumerate(columns)
    ]
    figure = parts(line_chart("any", series))
    for path in figure.iterfind(".//g/path"):
        pairs = re.findall(r"(-?[\d.]+) (-?[\d.]+)", path.get("d", ""))
        assert all(0 <= float(x) <= WIDTH and 0 <= float(y) <= HEIGHT for x, y in pairs)
    heights = [
        Series(s.name, tuple((x, abs(y) if y is not None else None) for x, y in s.points))
        for s in series
    ]
    parts(bar_chart("any", heights))


@pytest.mark.parametrize("chart", [line_chart, bar_chart])
def test_names_are_escaped_and_told_to_screen_readers(chart):
    figure = chart(EVIL, [Series(EVIL, ((1, 0.5), (2, 0.75)), colour=EVIL)], x_name=EVIL)
    root = parts(figure)
    assert root.findtext("figcaption") == EVIL
    assert root.find("svg").get("aria-label") == f"{EVIL} by {EVIL}. Last: {EVIL} 0.75"
    assert data_of(figure)["names"] == [EVIL]


def test_a_missing_number_breaks_the_line():
    figure = parts(line_chart("t", [Series("a", ((1, 1.0), (2, 2.0), (3, None), (4, 1.0)))]))
    assert figure.find(".//g/path").get("d").count("M") == 2


def test_bars_are_stacked():
    series = [Series("low", ((1, 2.0), (2, 1.0))), Series("high", ((1, 2.0), (2, 3.0)))]
    low, high = (path.get("d") for path in parts(bar_chart("t", series)).iterfind(".//g/path"))
    tops = [[float(y) for y in re.findall(r"V([\d.]+)H", d)] for d in (low, high)]
    bottoms = [float(y) for y in re.findall(r"M[\d.]+ ([\d.]+)V", high)]
    assert bottoms == tops[0]
    assert tops[1][0] == tops[1][1]  # 2 + 2 and 1 + 3


def test_long_series_are_thinned_to_means():
    series = Series(
        "a", tuple((x, float(x)) for x in range(1000)), tuple((x, x) for x in range(1000))
    )
    ((thinned,), each) = thin([series])
    assert each == 4
    assert len(thinned.points) == 250 <= MOST_POINTS
    assert thinned.points[0] == (2, 1.5)
    assert thinned.band[0] == (1.5, 1.5)
    assert "means of 4 steps each" in line_chart("t", [series])


def test_the_running_mean_keeps_gaps_and_a_constant():
    points = [(x, None if x == 5 else 2.0) for x in range(60)]
    assert running_mean(points) == points
