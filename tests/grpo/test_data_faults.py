"""Data that cannot be used: every message names the place, what is wrong, and what to do."""

import gzip
import json
from pathlib import Path
from typing import Any

import datasets
import pytest

from truing.core.config import resolve
from truing.core.errors import USER_FAULT, ConfigError, DataError
from truing.grpo.data import DataConfig, load_problems
from truing.verifiers import VERIFIERS

GOOD = '{"question": "1+1?", "answer": "2"}\n'


def fault(path: Path, content: bytes | str | None = None, **tables: Any) -> str:
    """The message of the error that loading raises."""
    if content is not None:
        path.write_bytes(content.encode() if isinstance(content, str) else content)
    with pytest.raises(DataError) as raised:
        load_problems(resolve(DataConfig, {"path": str(path), **tables}))
    assert raised.value.exit_code == USER_FAULT
    return str(raised.value)


def test_a_missing_file_and_its_neighbour(tmp_path: Path) -> None:
    (tmp_path / "train.jsonl.gz").write_bytes(b"")
    message = fault(tmp_path / "trains.jsonl.gz")
    assert "no data at" in message
    assert f"though there is {tmp_path / 'train.jsonl.gz'}" in message
    assert "nor is there a folder" in fault(tmp_path / "none" / "a.jsonl")


def test_an_unknown_format(tmp_path: Path) -> None:
    assert ".parquet, plain or with .gz" in fault(tmp_path / "a.txt", GOOD)
    assert "no known format" in fault(tmp_path / "noname", GOOD)


@pytest.mark.parametrize("name", ["a.jsonl", "a.json", "a.csv"])
def test_an_empty_data_set(name: str, tmp_path: Path) -> None:
    content = {"a.jsonl": "\n\n", "a.json": "[]", "a.csv": "question,answer\n"}[name]
    assert "holds no rows; an empty data set" in fault(tmp_path / name, content)


def test_an_empty_saved_folder(tmp_path: Path) -> None:
    datasets.Dataset.from_dict({"question": [], "answer": []}).save_to_disk(tmp_path / "set")
    assert "holds no rows" in fault(tmp_path / "set")


def test_a_missing_column_names_the_near_one_and_all_there_are(tmp_path: Path) -> None:
    message = fault(tmp_path / "a.jsonl", '{"questions": "1?", "answer": "1"}\n')
    assert "has no column 'question' (data.columns.prompt)" in message
    assert "Did you mean 'questions'?" in message
    assert "Columns there: questions, answer" in message
    message = fault(tmp_path / "a.jsonl", GOOD, columns={"metadata": ["answer", "level"]})
    assert "'level' (data.columns.metadata.1)" in message


@pytest.mark.parametrize(
    ("name", "content", "expected"),
    [
        ("a.jsonl", GOOD + '{"question": \n', "line 2: not JSON: Expecting value at column 14"),
        ("a.jsonl", GOOD + "[1]\n", "line 2: expected an object with columns, found list"),
        ("a.jsonl", GOOD.encode() + b"\xff\n", "line 2: not UTF-8"),
        ("a.json", '[{"question": 1,\n}]', "line 2: not JSON"),
        ("a.json", '{"rows": [1]}', "expected a list of objects"),
        ("a.csv", "question,answer\n1?,1\n2?,1,2\n", "line 3: 3 fields, but the header names 2"),
        ("a.csv", "question,answer\n1?\n", "line 2: 1 fields, but the header names 2"),
        ("a.csv", 'question,answer\n"1?,1\n', "not CSV: unexpected end of data"),
        ("a.parquet", "PAR1 no", "is it a Parquet file?"),
        ("a.jsonl.gz", "not gzip", "Not a gzipped file"),
        ("a.jsonl.gz", gzip.compress(GOOD.encode() * 99)[:-20], "is the file complete?"),
        ("a.jsonl.bz2", "BZh9 no", "is the file complete?"),
        ("a.jsonl.xz", b"\xfd7zXZ\x00 no", "is the file complete?"),
        ("a.jsonl.zst", "no", "is the file complete?"),
    ],
)
def test_an_unreadable_line_or_file(
    name: str, content: str | bytes, expected: str, tmp_path: Path
) -> None:
    message = fault(tmp_path / name, content)
    assert expected in message
    assert str(tmp_path / name) in message


@pytest.mark.parametrize(
    ("row", "expected"),
    [
        ({"question": "b?", "answer": None}, "column 'answer' holds no value (None)"),
        ({"question": "b?"}, "column 'answer' holds no value (None)"),
        ({"question": "  ", "answer": "1"}, "column 'question' holds no value ('  ')"),
        ({"question": "b?", "answer": float("nan")}, "holds no value (nan)"),
        ({"question": "b?", "answer": True}, "should hold text or a number, found bool: True"),
        ({"question": "b?", "answer": [1, 2]}, "should hold text or a number, found list: [1, 2]"),
        ({"question": [{"text": "b"}], "answer": 1}, "a list of messages with role and content"),
        ({"question": [{"role": "user", "content": "b"}], "answer": 1}, "needs data.chat = true"),
    ],
)
def test_a_row_that_cannot_be_used(row: dict[str, Any], expected: str, tmp_path: Path) -> None:
    message = fault(tmp_path / "a.jsonl", GOOD + json.dumps(row) + "\n")
    assert f"{tmp_path / 'a.jsonl'}, line 2: " in message
    assert expected in message
    assert "1 of 2 rows cannot be used" in message
    assert 'data.bad_rows="drop"' in message


def test_a_reference_that_the_pattern_does_not_match(tmp_path: Path) -> None:
    rows = GOOD.replace('"2"', '"so #### 2"') + GOOD.replace("1+1", "2+2")
    message = fault(tmp_path / "a.jsonl", rows, reference_pattern="#### (.*)$")
    assert "line 2: data.reference_pattern '#### (.*)$' finds no answer" in message
    assert "the reference '2'" in message


def test_a_reference_that_the_verifier_cannot_use(tmp_path: Path) -> None:
    class Whole:
        @staticmethod
        def check_reference(reference: str) -> str | None:
            return None if reference.isdigit() else "not a whole number"

    VERIFIERS.add("whole-number-for-this-test", Whole)  # type: ignore[arg-type]
    path = tmp_path / "a.jsonl"
    path.write_text(GOOD + GOOD.replace('"2"', '"two"'))
    with pytest.raises(DataError) as raised:
        load_problems(DataConfig(path=str(path)), verifier="whole-number-for-this-test")
    assert "line 2: verifier 'whole-number-for-this-test' cannot use the ref" in str(raised.value)
    assert "'two': not a whole number" in str(raised.value)
    config = DataConfig(path=str(path), bad_rows="drop")
    loaded = load_problems(config, verifier="whole-number-for-this-test")
    assert [problem.reference for problem in loaded.train] == ["2"]


def test_equal_ids_and_equal_rows(tmp_path: Path) -> None:
    rows = [{"question": f"{n}?", "answer": n, "key": n % 2} for n in range(3)]
    content = "".join(json.dumps(row) + "\n" for row in rows)
    message = fault(tmp_path / "a.jsonl", content, columns={"id": "key"})
    assert "line 3 repeats the id '0' of line 1 (1 such rows in all)" in message
    assert 'data.duplicates="drop"' in message
    assert "line 2 repeats the content of line 1" in fault(tmp_path / "b.jsonl", GOOD + GOOD)


def test_nothing_left_to_train_on(tmp_path: Path) -> None:
    message = fault(tmp_path / "a.jsonl", GOOD, holdout=3)
    assert "no problem is left to train on (1 are held out); lower data.holdout" in message


def test_a_split_that_a_folder_lacks(tmp_path: Path) -> None:
    part = datasets.Dataset.from_dict({"question": ["1?"], "answer": ["1"]})
    datasets.DatasetDict({"train": part, "test": part}).save_to_disk(tmp_path / "set")
    message = fault(tmp_path / "set", split="valid")
    assert "has no split 'valid'; it has: train, test" in message


def test_a_hub_out_of_reach_says_what_to_do_instead() -> None:
    with pytest.raises(DataError) as raised:  # tests forbid the network: HF_HUB_OFFLINE
        load_problems(resolve(DataConfig, {"hub": "openai/gsm8k", "name": "main"}))
    assert "cannot load the data set 'openai/gsm8k'" in str(raised.value)
    assert "data.path=FILE" in str(raised.value)


def test_all_faults_of_the_configuration_are_listed_together() -> None:
    with pytest.raises(ConfigError) as raised:
        resolve(DataConfig, {"template": "{q}", "system": "Hi", "reference_pattern": "("})
    message = str(raised.value)
    assert "set one of path, hub, generator" in message
    assert "template must hold {question}" in message
    assert "system needs chat = true" in message
    assert "reference_pattern is not a regular expression" in message
    with pytest.raises(ConfigError, match=r"did you mean columns\.prompt"):
        resolve(DataConfig, {"path": "a", "columns": {"promt": "q"}})
    with pytest.raises(ConfigError, match="a generator needs limit"):
        resolve(DataConfig, {"generator": "arithmetic"})
