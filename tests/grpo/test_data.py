"""Rows to problems: the same records from every source and format, and selections that hold."""

import bz2
import csv
import gzip
import hashlib
import io
import json
import lzma
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import datasets
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pyarrow import parquet

from truing.core.config import resolve, to_toml
from truing.core.records import Message
from truing.grpo.data import DataConfig, ProblemSet, load_problems

GSM8K = {
    "hub": "openai/gsm8k",
    "name": "main",
    "reference_pattern": "#### (.*)$",
    "template": "{question}\nPut the final answer in \\boxed{}.",
    "chat": True,
}
ROWS = [
    {"question": 'Is "1, 2" a list?\nSay.', "answer": "yes", "n": 1},
    {"question": "1+1? \u2028", "answer": "2", "n": 2},
    {"question": "naïve {x}\t?", "answer": "3.5", "n": 3},
]


def load(source: Path | str, **tables: Any) -> ProblemSet:
    return load_problems(resolve(DataConfig, {"path": str(source), **tables}))


def jsonl(rows: list[dict[str, Any]]) -> bytes:
    return "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows).encode()


def separated(rows: list[dict[str, Any]], delimiter: str) -> bytes:
    text = io.StringIO(newline="")
    writer = csv.DictWriter(text, fieldnames=list(rows[0]), delimiter=delimiter)
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue().encode()


def as_parquet(rows: list[dict[str, Any]]) -> bytes:
    buffer = io.BytesIO()
    parquet.write_table(pa.Table.from_pylist(rows), buffer)
    return buffer.getvalue()


def zstd(data: bytes) -> bytes:
    buffer = pa.BufferOutputStream()
    with pa.CompressedOutputStream(buffer, "zstd") as stream:
        stream.write(data)
    return bytes(buffer.getvalue())


FORMATS: dict[str, Callable[[list[dict[str, Any]]], bytes]] = {
    ".jsonl": jsonl,
    ".json": lambda rows: json.dumps(rows).encode(),
    ".csv": lambda rows: separated(rows, ","),
    ".tsv": lambda rows: separated(rows, "\t"),
    ".parquet": as_parquet,
}
COMPRESSIONS: dict[str, Callable[[bytes], bytes]] = {
    "": bytes,
    ".gz": gzip.compress,
    ".bz2": bz2.compress,
    ".xz": lzma.compress,
    ".zst": zstd,
}


@pytest.mark.parametrize("compression", COMPRESSIONS)
@pytest.mark.parametrize("kind", FORMATS)
def test_every_format_gives_the_same_records(kind: str, compression: str, tmp_path: Path) -> None:
    path = tmp_path / f"set.v1{kind}{compression}"
    path.write_bytes(COMPRESSIONS[compression](FORMATS[kind](ROWS)))
    expected = tmp_path / "expected.jsonl"
    expected.write_bytes(jsonl(ROWS))
    loaded = load(path)
    assert {p.prompt: p.reference for p in loaded.train} == {
        row["question"]: row["answer"] for row in ROWS
    }
    assert (loaded.train, loaded.sha256) == (load(expected).train, load(expected).sha256)


def test_a_json_file_may_hold_one_object_a_line(tmp_path: Path) -> None:
    (tmp_path / "a.json").write_bytes(jsonl(ROWS))
    (tmp_path / "b.jsonl").write_bytes(b"\xef\xbb\xbf" + jsonl(ROWS) + b"\n\n")
    (tmp_path / "one.json").write_bytes(jsonl(ROWS[:1]))
    assert load(tmp_path / "a.json").sha256 == load(tmp_path / "b.jsonl").sha256
    assert len(load(tmp_path / "one.json").train) == 1


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(), order=st.randoms(), holdout=st.integers(0, 5), limit=st.integers(1, 9))
def test_the_order_of_the_rows_does_not_matter(
    tmp_path_factory: pytest.TempPathFactory, seed: int, order: Any, holdout: int, limit: int
) -> None:
    folder = tmp_path_factory.mktemp("order")
    rows = [{"question": f"{n}+1?", "answer": n + 1} for n in range(20)]
    (folder / "a.jsonl").write_bytes(jsonl(rows))
    order.shuffle(rows)
    (folder / "b.jsonl").write_bytes(jsonl(rows))
    selection = {"seed": seed, "holdout": holdout, "limit": limit}
    a, b = load(folder / "a.jsonl", **selection), load(folder / "b.jsonl", **selection)
    assert (a.train, a.heldout, a.sha256) == (b.train, b.heldout, b.sha256)
    assert (len(a.train), len(a.heldout)) == (limit, holdout)
    assert not {p.prompt for p in a.train} & {p.prompt for p in a.heldout}
    assert {p.split for p in a.heldout} <= {"heldout"}


def test_gsm8k_is_the_same_from_the_file_a_saved_folder_a_repository_copy_and_the_hub(
    truing_data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = truing_data / "gsm8k_train.jsonl.gz"
    selection = {**GSM8K, "holdout": 100}
    local = load(file, **selection)
    assert (len(local.train), len(local.heldout)) == (7373, 100)
    assert local.notes == ("data.path is set: openai/gsm8k is not read",)

    with gzip.open(file, "rt", encoding="utf-8") as lines:
        rows = [json.loads(line) for line in lines]
    columns = {name: [row[name] for row in rows] for name in ("question", "answer")}
    dataset = datasets.Dataset.from_dict(columns)
    saved = tmp_path / "saved"
    datasets.DatasetDict({"train": dataset}).save_to_disk(saved)
    copy = tmp_path / "copy" / "main"
    copy.mkdir(parents=True)
    dataset.to_parquet(copy / "train-00000-of-00001.parquet")

    asked: list[tuple[Any, ...]] = []

    def hub(path: str, name: str, *, split: str, revision: str | None) -> datasets.Dataset:
        asked.append((path, name, split, revision))
        return dataset

    others = [load(saved, **selection), load(copy, **{**selection, "name": ""})]
    monkeypatch.setattr(datasets, "load_dataset", hub)
    others.append(load_problems(resolve(DataConfig, selection)))
    assert asked == [("openai/gsm8k", "main", "train", None)]
    for other in others:
        assert (other.train, other.heldout) == (local.train, local.heldout)
        assert other.sha256 == local.sha256
    assert others[-1].source == "openai/gsm8k (main, train)"


def test_a_folder_leaves_nothing_in_the_cache(tmp_path: Path) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "train.jsonl").write_bytes(jsonl(ROWS))
    code = (
        "import sys; from truing.grpo.data import *\n"
        "print(len(load_problems(DataConfig(path=sys.argv[1])).train))"
    )
    cache = tmp_path / "home"
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", code, str(folder)],
        env={"HF_HOME": str(cache), "HF_HUB_OFFLINE": "1", "PATH": "", "TMPDIR": str(tmp_path)},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "3\n"
    assert done.stderr == ""  # no progress bar where nobody watches
    left = [p for p in cache.rglob("*") if p.is_file() and p.suffix not in {".lock", ".tmp"}]
    assert not left
    assert not list(tmp_path.glob("truing-data-*"))


def test_local_files_need_neither_datasets_nor_torch(tmp_path: Path) -> None:
    (tmp_path / "a.jsonl").write_bytes(jsonl(ROWS))
    code = (
        "import sys; from truing.grpo.data import *\n"
        "load_problems(DataConfig(path=sys.argv[1]))\n"
        "assert not {'torch', 'transformers', 'datasets', 'numpy'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.jsonl")], check=True)


def test_ids_come_from_the_declared_column_or_the_content(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([{"key": 7, "question": "a?", "answer": 1}]))
    declared = load(path, columns={"id": "key"}).train[0]
    plain = load(path).train[0]
    styled = load(path, chat=True, system="Be brief.", template="Q: {question}").train[0]
    assert declared.id == "7"
    content = json.dumps(["a?", "1", [], {}])  # question, reference, tests, metadata
    assert plain.id == styled.id == hashlib.sha256(content.encode()).hexdigest()[:16]
    assert styled.prompt == (Message("system", "Be brief."), Message("user", "Q: a?"))


def test_a_template_fills_in_the_question_alone(tmp_path: Path) -> None:
    path = tmp_path / "a.jsonl"
    path.write_bytes(jsonl([{"question": "What is {answer}?", "answer": "42"}]))
    prompt = load(path, template="{question} Use \\boxed{answer} {}").train[0].prompt
    assert prompt == "What is {answer}? Use \\boxed{answer} {}"


def test_tests_responses_metadata_and_messages_are_mapped(tmp_path: Path) -> None:
    turns = [{"role": "user", "content": "hi"}, {"role": "assistant", "content": "yes?"}]
    rows = [
        {"p": "f", "t": ["assert 1", "assert 2"], "r": "  return 1\n", "level": 3, "other": 1},
        {"p": "g", "t": {"input": "1"}, "r": "x", "level": 4, "other": 1},
    ]
    columns = {"prompt": "p", "reference": "", "tests": "t", "response": "r", "metadata": ["level"]}
    (tmp_path / "a.jsonl").write_bytes(jsonl(rows))
    first, second = load(tmp_path / "a.jsonl", columns=columns, shuffle=False).train
    assert first.tests == ("assert 1", "assert 2")
    assert second.tests == ({"input": "1"},)
    assert first.metadata == {"level": 3, "response": "  return 1\n"}  # code keeps its indent
    assert first.reference == ""

    (tmp_path / "b.jsonl").write_bytes(jsonl([{"question": turns, "answer": [3]}]))
    chat = load(tmp_path / "b.jsonl", chat=True, system="Be kind.").train[0]
    assert chat.prompt == (
        Message("system", "Be kind."),
        Message("user", "hi"),
        Message("assistant", "yes?"),
    )
    assert chat.reference == "3"


def test_rows_that_share_a_held_out_prompt_are_not_trained_on(tmp_path: Path) -> None:
    rows = [{"question": f"{n % 4}?", "answer": n, "why": str(n)} for n in range(12)]
    (tmp_path / "a.jsonl").write_bytes(jsonl(rows))
    loaded = load(tmp_path / "a.jsonl", holdout=1, columns={"response": "why"})
    assert len(loaded.heldout) == 1
    assert len(loaded.train) == 9


def test_unusable_rows_duplicates_and_long_prompts_can_be_left_out(tmp_path: Path) -> None:
    rows = [
        {"question": "a?", "answer": "#### 1"},
        {"question": "a?", "answer": "#### 1"},
        {"question": "b?", "answer": "none"},
        {"question": "c is a long one?", "answer": "#### 2"},
        {"question": "d?", "answer": None},
    ]
    (tmp_path / "a.jsonl").write_bytes(jsonl(rows))
    config = DataConfig(
        path=str(tmp_path / "a.jsonl"),
        reference_pattern="#### (.+)",
        bad_rows="drop",
        duplicates="drop",
        max_prompt_tokens=5,
    )
    loaded = load_problems(config, prompt_tokens=lambda prompt: len(str(prompt)))
    assert [p.reference for p in loaded.train] == ["1"]
    assert len(loaded.notes) == 3
    assert loaded.notes[0].startswith("2 rows left out that cannot be used, such as line 3")
    assert loaded.notes[1] == "1 duplicate rows left out"
    assert loaded.notes[2].startswith("1 of 2 problems left out: their prompts have more than 5")


def test_generated_problems_take_the_same_template() -> None:
    config = DataConfig(generator="arithmetic", limit=20, holdout=5, template="Q: {question}")
    loaded = load_problems(config)
    assert (len(loaded.train), len(loaded.heldout)) == (20, 5)
    assert all(p.prompt_text.startswith("Q: ") for p in (*loaded.train, *loaded.heldout))
    assert loaded.source == "generator arithmetic"
    assert load_problems(config).sha256 == loaded.sha256
    assert load_problems(config.model_copy(update={"seed": 1})).sha256 != loaded.sha256


def test_the_configuration_survives_toml() -> None:
    import tomllib

    config = resolve(DataConfig, {**GSM8K, "options": {"a": [1]}, "columns": {"id": "uid"}})
    assert resolve(DataConfig, tomllib.loads(to_toml(config))) == config
