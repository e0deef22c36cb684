"""The registry: duplicates refused, near names suggested, plugins found in installed packages."""

import sys
from pathlib import Path

import pytest

from truing.core.errors import DuplicateName, PluginError, UnknownName
from truing.core.registry import Registry


@pytest.fixture
def install(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Lays out an installed package `name` with entry points and a module."""
    monkeypatch.syspath_prepend(str(tmp_path))

    def make(name: str, entry_points: str, module: str = "thing = object()\n") -> None:
        info = tmp_path / f"{name}-1.0.dist-info"
        info.mkdir()
        (info / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")
        (info / "entry_points.txt").write_text(f"[truing]\n{entry_points}\n")
        (tmp_path / f"{name}.py").write_text(module)
        monkeypatch.delitem(sys.modules, name, raising=False)

    return make


def test_a_plugin_is_found_by_its_entry_point_and_loaded_when_asked_for(install) -> None:
    install("shape_plugin", "shape.round = shape_plugin:thing\ncolour.red = shape_plugin:other")
    shapes: Registry[object] = Registry("shape")
    assert list(shapes) == ["round"]
    assert "round" in shapes
    assert "shape_plugin" not in sys.modules
    assert shapes["round"] is sys.modules["shape_plugin"].thing
    assert shapes.entry("round").source == "entry point shape_plugin:thing"


def test_a_plugin_may_register_itself_when_it_is_imported(install) -> None:
    shapes: Registry[object] = Registry("shape")
    sys.modules["shapes_of_test"] = shapes  # type: ignore[assignment]
    module = "import sys\nsys.modules['shapes_of_test'].add('self', 'registered')\nthing = 1\n"
    install("self_plugin", "shape.self = self_plugin:thing", module)
    assert shapes["self"] == "registered"
    del sys.modules["shapes_of_test"]


def test_a_plugin_that_does_not_load_is_named_and_the_others_are_still_listed(install) -> None:
    install("bad_plugin", "shape.bad = bad_plugin:thing", "raise RuntimeError('no licence')\n")
    install("good_plugin", "shape.good = good_plugin:thing")
    shapes: Registry[object] = Registry("shape")
    with pytest.raises(PluginError, match=r"shape\.bad.*RuntimeError: no licence"):
        shapes["bad"]
    assert [row[0] for row in shapes.rows()] == ["bad", "good"]
    assert "no licence" in shapes.rows()[0][1]


def test_two_plugins_of_one_name_are_refused_every_time(install) -> None:
    install("first_plugin", "shape.round = first_plugin:thing")
    install("second_plugin", "shape.round = second_plugin:thing")
    shapes: Registry[object] = Registry("shape")
    for _ in range(2):
        with pytest.raises(DuplicateName, match="'round' is registered twice"):
            list(shapes)


def test_a_name_is_registered_once() -> None:
    shapes: Registry[object] = Registry("shape")
    one, other = object(), object()
    shapes.add("round", one)
    assert shapes.add("round", one) is one
    with pytest.raises(DuplicateName, match="shape 'round'"):
        shapes.add("round", other)
    assert shapes["round"] is one


def test_the_same_source_may_register_again() -> None:
    shapes: Registry[object] = Registry("shape")
    shapes.add("round", 1, source="cell.py:round")
    shapes.add("round", 2, source="cell.py:round")
    assert shapes["round"] == 2


def test_an_unknown_name_suggests_a_near_one() -> None:
    shapes: Registry[object] = Registry("shape")
    shapes.add("square", 1)
    with pytest.raises(UnknownName, match=r"no shape is named 'sqare'\. Did you mean 'square'"):
        shapes["sqare"]
    with pytest.raises(LookupError, match="Known: square"):
        shapes["zzz"]


def test_a_description_is_the_first_line_of_the_docstring() -> None:
    shapes: Registry[object] = Registry("shape")

    @shapes.register("round")
    class Round:
        """Without corners.

        Or edges.
        """

    assert shapes.rows() == [("round", "Without corners.", Round.__module__)]
