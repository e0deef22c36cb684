"""A TOML file and overrides become one frozen configuration, or one message with every fault."""

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import Field, ValidationError, model_validator

from truing.core.config import Config, apply_overrides, read_toml, resolve, to_toml
from truing.core.errors import ConfigError


class Trainer(Config):
    """A section."""

    steps: int = 1
    """Steps to train."""
    temperature: float = 1.0
    group_size: int = 8

    @model_validator(mode="after")
    def _at_least_two(self) -> "Trainer":
        if self.group_size < 2:
            raise ValueError("group_size is 1; group-relative advantages need at least 2")
        return self


class Server(Config):
    url: str


class Run(Config):
    trainer: Trainer = Trainer()
    stages: tuple[Trainer, ...] = ()
    backend: Server | Trainer | None = None
    tables: dict[str, Trainer] = Field(default_factory=dict)
    name: str = "run"
    folder: Path = Path("runs")
    rate: float = 1e-4
    fast: bool = False


def faults(*overrides: str) -> str:
    with pytest.raises(ConfigError) as caught:
        resolve(Run, apply_overrides({}, overrides), where="run.toml")
    return str(caught.value)


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("trainer.step=3", "trainer.step: unknown key; did you mean trainer.steps?"),
        ("stages=[{},{stpes=2}]", "stages.1.stpes: unknown key; did you mean stages.1.steps?"),
        ("backend.urll=x", "backend.urll: unknown key; did you mean backend.url?"),
        ("tables.a.tmperature=2", "did you mean tables.a.temperature?"),
        ("group_size=4", "group_size: unknown key; did you mean trainer.group_size"),
        ("zzz=1", "zzz: unknown key; known here: backend, fast, folder, name"),
        ("trainer.zzz=1", "known here: group_size, steps, temperature"),
        ("trainer.steps=soon", "trainer.steps: Input should be a valid integer"),
        ("trainer.steps=soon", "(given: 'soon')"),
        ("name=12345", "name='\"12345\"'"),
        ("trainer.group_size=1", "trainer: group_size is 1; group-relative"),
    ],
)
def test_a_fault_names_the_key_and_what_to_write(override: str, said: str) -> None:
    assert said in faults(override)


def test_a_missing_key_says_how_to_set_it() -> None:
    with pytest.raises(ConfigError, match=r"url: missing; set it .*url=\.\.\."):
        resolve(Server, {})


def test_all_faults_stand_in_one_message() -> None:
    message = faults("trainer.step=3", "stages=[{steps='x'}]", "zzz=1", "rate=fast")
    assert message.startswith("run.toml: 4 faults\n")
    assert len(message.splitlines()) == 5


def test_all_bad_overrides_stand_in_one_message() -> None:
    with pytest.raises(ConfigError) as caught:
        apply_overrides({"name": "x"}, ["bad", "=3", "a..b=1", "name.first=2", "rate=1"])
    assert all(f"{bad!r}" in str(caught.value) for bad in ("bad", "=3", "a..b=1", "name.first=2"))
    assert "rate" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3),
        ("1e-5", 1e-5),
        ("true", True),
        ("[1, 2]", [1, 2]),
        ('"3"', "3"),
        ("./model", "./model"),
        ("a=b", "a=b"),
        ("2024-01-01", "2024-01-01"),
        ("12:30:00", "12:30:00"),
        ("1\nother = 2", "1\nother = 2"),
        ("", ""),
    ],
)
def test_an_overrides_value_is_toml_or_else_text(text: str, value: Any) -> None:
    assert apply_overrides({}, [f"key={text}"]) == {"key": value}


def test_overrides_leave_the_tables_they_came_to_alone() -> None:
    tables = {"trainer": {"steps": 5}, "stages": [{"steps": 1}]}
    changed = apply_overrides(tables, ["trainer.steps=9", "trainer.temperature=0"])
    assert changed["trainer"] == {"steps": 9, "temperature": 0}
    assert tables == {"trainer": {"steps": 5}, "stages": [{"steps": 1}]}


def test_the_last_override_wins_and_python_spellings_are_read() -> None:
    run = resolve(Run, apply_overrides({}, ["fast=True", "rate=.5", "rate=.25"]))
    assert (run.fast, run.rate) == (True, 0.25)
    with pytest.raises(ConfigError, match="rate: Input should be a finite number"):
        resolve(Run, apply_overrides({}, ["rate=inf"]))


def test_a_configuration_is_frozen() -> None:
    with pytest.raises(ValidationError):
        Run().name = "other"  # type: ignore[misc]


trainers = st.builds(
    Trainer,
    steps=st.integers(-(2**60), 2**60),
    temperature=st.floats(allow_nan=False, allow_infinity=False),
    group_size=st.integers(2, 99),
)


@settings(deadline=None)
@given(
    st.builds(
        Run,
        trainer=trainers,
        stages=st.lists(trainers, max_size=3).map(tuple),
        backend=st.none() | st.builds(Server, url=st.text()) | trainers,
        tables=st.dictionaries(st.text(), trainers, max_size=2),
        name=st.text(),
        rate=st.floats(allow_nan=False, allow_infinity=False),
        fast=st.booleans(),
    )
)
def test_toml_gives_the_same_configuration_back(tmp_path_factory, run: Run) -> None:
    path = tmp_path_factory.mktemp("toml") / "run.toml"
    path.write_text(to_toml(run), encoding="utf-8", newline="")
    assert resolve(Run, read_toml(path)) == run


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"a = ", "is not valid TOML"),
        (b"a = 1\na = 2\n", "line 2"),
        (b"\xff\xfe", "is not valid TOML"),
    ],
)
def test_bad_toml_says_where(tmp_path: Path, content: bytes, said: str) -> None:
    path = tmp_path / "run.toml"
    path.write_bytes(content)
    with pytest.raises(ConfigError, match=r"run\.toml") as caught:
        read_toml(path)
    assert said in str(caught.value)


def test_a_missing_file_and_a_folder_are_named(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"no configuration at .*gone\.toml"):
        read_toml(tmp_path / "gone.toml")
    with pytest.raises(ConfigError, match="cannot read"):
        read_toml(tmp_path)


def test_a_date_in_a_file_stays_a_date() -> None:
    assert apply_overrides({"day": date(2024, 1, 1)}, []) == {"day": date(2024, 1, 1)}
