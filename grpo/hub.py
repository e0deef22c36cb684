"""Data sets through the `datasets` library as rows: from the hub, or a folder that it knows."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from importlib import import_module
from pathlib import Path
from typing import Any

from ..core.errors import DataError, MissingExtra
from .tables import Row, empty


def read_hub(hub: str, *, name: str, split: str, revision: str) -> list[Row]:
    """The rows of a data set on the Hugging Face hub, through `datasets` and its own cache.

    Raises:
        DataError: the hub cannot be reached, or has no such data set, configuration or split.
    """
    datasets = _datasets("data.hub")
    with _quiet_bars(datasets), _hub_faults(datasets, hub):
        dataset = datasets.load_dataset(hub, name or None, split=split, revision=revision or None)
    return rows_of(dataset, hub)


def read_folder(path: Path, *, name: str, split: str) -> list[Row]:
    """The rows of a folder: one written by `save_to_disk`, or a copy of a hub repository.

    Raises:
        DataError: the folder holds no such data set or split.
    """
    datasets = _datasets(f"the folder {path}")
    from tempfile import TemporaryDirectory

    saved = (path / "state.json").is_file() or (path / "dataset_dict.json").is_file()
    with _quiet_bars(datasets), TemporaryDirectory(prefix="truing-data-") as cache:
        with _hub_faults(datasets, str(path)):
            if not saved:  # its Arrow copy is of no use later: kept out of the user's cache
                dataset = datasets.load_dataset(
                    str(path), name or None, split=split, cache_dir=cache
                )
            else:
                dataset = _from_disk(datasets, path)
        if isinstance(dataset, datasets.DatasetDict):
            if split not in dataset:
                raise DataError(f"{path} has no split {split!r}; it has: {', '.join(dataset)}")
            dataset = dataset[split]
        return rows_of(dataset, str(path))


def _from_disk(datasets: Any, path: Path) -> Any:
    try:
        return datasets.load_from_disk(str(path))
    except IndexError:  # how datasets 5 fails on an empty set that it wrote itself
        raise empty(str(path)) from None


def rows_of(dataset: Any, source: str) -> list[Row]:
    """The rows of a `datasets.Dataset`, in its order.

    Raises:
        DataError: it is empty.
    """
    rows = [Row(f"row {number}", dict(row)) for number, row in enumerate(dataset, start=1)]
    if not rows:
        raise empty(source)
    return rows


def _datasets(what: str) -> Any:
    try:
        import datasets
    except ImportError:
        raise MissingExtra(f"{what} needs truing[train]: pip install 'truing[train]'") from None
    return datasets


@contextmanager
def _quiet_bars(datasets: Any) -> Iterator[None]:
    """No progress bars where nobody watches them; the user's own setting comes back after."""
    hub: Any = import_module("huggingface_hub.utils")

    if sys.stderr.isatty():
        yield
        return
    before = datasets.are_progress_bars_disabled(), hub.are_progress_bars_disabled()
    datasets.disable_progress_bars()
    hub.disable_progress_bars()
    try:
        yield
    finally:
        if not before[0]:
            datasets.enable_progress_bars()
        if not before[1]:
            hub.enable_progress_bars()


@contextmanager
def _hub_faults(datasets: Any, source: str) -> Iterator[None]:
    # ConnectionError and the hub's HTTP errors are OSErrors; a wrong name or split is a ValueError;
    # a repository that is a script is a RuntimeError.
    refusals = (OSError, ValueError, RuntimeError, datasets.exceptions.DatasetsError)
    try:
        yield
    except DataError:
        raise
    except refusals as fault:
        first = (str(fault).strip() or type(fault).__name__).splitlines()[0]
        raise DataError(
            f"cannot load the data set {source!r}: {first}. Where the hub is out of reach, give a "
            "local copy: data.path=FILE"
        ) from fault
