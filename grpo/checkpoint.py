"""Checkpoints: whole or absent, and enough to go on as if nothing had happened.

A checkpoint is a folder with the trainable weights, the optimizer's moments, the random states and
`state.json`. It is written aside, synced and renamed, so that a crash at any moment leaves the
folder complete or absent. Nothing in it is pickled: loading one runs no code.
"""

import errno
import json
import os
import random
import shutil
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from pydantic import Field
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file
from torch import Tensor

from ..core.config import Config
from ..core.errors import CheckpointError
from ..core.records import Json
from ..core.storage import storage_faults, sync_folder, write_atomic
from .optimizer import Optimizer
from .policy import Policy

FORMAT = 1
WEIGHTS, MOMENTS, STATE = "weights.safetensors", "optimizer.safetensors", "state.json"


class CheckpointConfig(Config):
    """When checkpoints are written and how many are kept."""

    every: int = Field(50, ge=0)
    """Steps between checkpoints; 0 writes them at the ends of stages and on interruption only."""
    keep: int = Field(2, ge=1)
    """The newest checkpoints kept; the best one, by held-out accuracy, is kept besides."""


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What was read back from a checkpoint folder."""

    folder: Path
    weights: Mapping[str, Tensor]
    moments: Mapping[str, Tensor]
    state: Mapping[str, Json]


class CheckpointStore:
    """The checkpoints of one run."""

    def __init__(self, folder: Path, config: CheckpointConfig) -> None:
        self.folder = folder
        self.config = config

    def names(self) -> list[str]:
        """Complete checkpoints, oldest first."""
        if not self.folder.is_dir():
            return []
        return sorted(
            p.name for p in self.folder.iterdir() if (p / STATE).is_file() and p.name[0] != "."
        )

    def save(
        self,
        name: str,
        policy: Policy,
        optimizer: Optimizer | None,
        state: Mapping[str, Json],
        *,
        best: str | None = None,
    ) -> Path:
        """Write checkpoint `name`, then drop those no longer kept.

        Args:
            name: sorts after every earlier one.
            policy: its trainable weights are saved.
            optimizer: None at the end of a stage, whose optimizer is done with.
            state: whatever else the loop needs, as JSON.
            best: a checkpoint to keep however old.

        Raises:
            StorageError: the disk is full or refuses; earlier checkpoints still stand.
        """
        final = self.folder / name
        aside = self.folder / f".{name}.writing"
        with storage_faults(final):
            self._clear_aside()
            aside.mkdir(parents=True)
            try:
                _write_tensors(aside / WEIGHTS, dict(policy.trainable()))
                _write_tensors(aside / MOMENTS, _moments(policy, optimizer) | _torch_random())
                whole = {
                    "format": FORMAT,
                    "updates": optimizer.updates if optimizer else 0,
                    "version": policy.version,
                    "random": _python_random(),
                    **state,
                }
                write_atomic(aside / STATE, json.dumps(whole))
                sync_folder(aside)
                if final.exists():  # written again after a rewind: the same step, the same content
                    shutil.rmtree(final)
                aside.rename(final)
            except BaseException:
                shutil.rmtree(aside, ignore_errors=True)
                raise
            sync_folder(self.folder)
            self._prune(best)
        return final

    def latest(self) -> Checkpoint | None:
        """The newest complete checkpoint, or None.

        Raises:
            CheckpointError: it cannot be read.
        """
        names = self.names()
        return self.load(names[-1]) if names else None

    def load(self, name: str) -> Checkpoint:
        """Read checkpoint `name`.

        Raises:
            CheckpointError: it is missing, damaged, or of another version of truing.
        """
        folder = self.folder / name
        try:
            state = json.loads((folder / STATE).read_text(encoding="utf-8"))
            weights = load_file(folder / WEIGHTS)
            moments = load_file(folder / MOMENTS)
        except (OSError, ValueError, SafetensorError) as fault:
            raise CheckpointError(
                f"checkpoint {folder} cannot be read ({fault}); remove that folder to go on from "
                "the one before it"
            ) from fault
        if state.get("format") != FORMAT:
            raise CheckpointError(
                f"checkpoint {folder} has format {state.get('format')}; this version reads {FORMAT}"
            )
        return Checkpoint(folder, weights, moments, state)

    def _prune(self, best: str | None) -> None:
        for name in self.names()[: -self.config.keep]:
            if name != best:
                shutil.rmtree(self.folder / name)

    def _clear_aside(self) -> None:
        for leftover in self.folder.glob(".*.writing"):
            shutil.rmtree(leftover)


def restore(checkpoint: Checkpoint, policy: Policy, optimizer: Optimizer | None) -> None:
    """Set weights, moments, counters and every random state to the checkpoint's."""
    policy.load_trainable(checkpoint.weights)
    policy.version = int(checkpoint.state["version"])
    if optimizer is not None:
        optimizer.updates = int(checkpoint.state["updates"])
        _set_moments(policy, optimizer, checkpoint.moments)
    saved = checkpoint.state["random"]
    version, words, gauss = saved["python"]
    random.setstate((version, tuple(words), gauss))
    kind, keys, position, has_gauss, cached = saved["numpy"]
    np.random.set_state((kind, np.array(keys, dtype=np.uint32), position, has_gauss, cached))
    torch.set_rng_state(checkpoint.moments["random.cpu"])
    cuda = [name for name in checkpoint.moments if name.startswith("random.cuda")]
    for name in cuda if torch.cuda.is_available() else ():
        torch.cuda.set_rng_state(checkpoint.moments[name], int(name.rpartition(".")[2]))


def save_reference(path: Path, policy: Policy) -> None:
    """Keep the reference policy's weights for the rest of the stage, across restarts."""
    with storage_faults(path):
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_name(f".{path.name}.writing")
        _write_tensors(aside, dict(policy.reference_weights or {}))
        aside.rename(path)
        sync_folder(path.parent)


def save_model(folder: Path, policy: Policy) -> None:
    """Write the model as `transformers` reads it; the folder is whole or absent.

    Raises:
        StorageError: the disk is full or refuses.
    """
    aside = folder.with_name(f".{folder.name}.writing")
    with storage_faults(folder):
        shutil.rmtree(aside, ignore_errors=True)
        try:
            with _tensor_faults():
                policy.save(aside)
        except BaseException:
            shutil.rmtree(aside, ignore_errors=True)
            raise
        for path in aside.iterdir():
            _sync(path)
        aside.rename(folder)
        sync_folder(folder.parent)


def _write_tensors(path: Path, tensors: Mapping[str, Tensor]) -> None:
    plain = {name: tensor.detach().cpu().contiguous() for name, tensor in tensors.items()}
    with _tensor_faults():
        save_file(plain, path)
    _sync(path)


@contextmanager
def _tensor_faults() -> Iterator[None]:
    """The safetensors library tells of a full disk in words only; this makes it an `OSError`."""
    try:
        yield
    except SafetensorError as fault:
        full = "No space left" in str(fault) or "os error 28" in str(fault)
        raise OSError(errno.ENOSPC if full else errno.EIO, str(fault)) from fault


def _sync(path: Path) -> None:
    with path.open("rb") as file:
        os.fsync(file.fileno())


def _moments(policy: Policy, optimizer: Optimizer | None) -> dict[str, Tensor]:
    if optimizer is None:
        return {}
    return {
        f"moments.{name}.{key}": value
        for name, parameter in policy.trainable().items()
        for key, value in optimizer.adamw.state.get(parameter, {}).items()
    }


def _set_moments(policy: Policy, optimizer: Optimizer, saved: Mapping[str, Tensor]) -> None:
    state = optimizer.adamw.state
    state.clear()
    for name, parameter in policy.trainable().items():
        for key in ("step", "exp_avg", "exp_avg_sq"):
            tensor = saved.get(f"moments.{name}.{key}")
            if tensor is not None:
                place = tensor if key == "step" else tensor.to(parameter.device)
                state[parameter][key] = place.clone()


def _torch_random() -> dict[str, Tensor]:
    states = {"random.cpu": torch.get_rng_state()}
    if torch.cuda.is_available():
        for device, state in enumerate(torch.cuda.get_rng_state_all()):
            states[f"random.cuda.{device}"] = state
    return states


def _python_random() -> dict[str, Json]:
    version, words, gauss = random.getstate()
    kind, keys, position, has_gauss, cached = np.random.get_state(legacy=True)
    return {
        "python": [version, list(words), gauss],
        "numpy": [kind, np.asarray(keys).tolist(), position, has_gauss, cached],
    }
