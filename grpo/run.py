"""A run: its configuration, its folder, and the facts that make it repeatable."""

import fcntl
import json
import platform
import subprocess
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import IO, Any

from pydantic import Field, create_model, field_validator, model_validator

from .. import __version__
from ..core.config import Config, read_toml, resolve, to_toml
from ..core.errors import ConfigError, StorageError, UnknownName
from ..core.records import Json
from ..core.registry import Registry
from ..core.storage import storage_faults, write_atomic
from ..verifiers import VERIFIERS
from .algorithms import ALGORITHMS
from .checkpoint import CheckpointConfig
from .data import DataConfig
from .policy import PolicyConfig
from .sampling import SAMPLERS, SamplerConfig
from .scoring import VerificationConfig
from .trackers import TRACKERS

PACKAGES = (
    "torch",
    "transformers",
    "tokenizers",
    "safetensors",
    "datasets",
    "peft",
    "sympy",
    "numpy",
)
FREE_TO_CHANGE = (
    "output",
    "trackers",
    "checkpoint",
    "verification.workers",
    "verification.retries",
    "verification.wall_seconds",
    "verification.max_fault_share",
)
"""Keys and sections that may differ when a run goes on: they do not change what is learnt."""


class EvaluationConfig(Config):
    """Accuracy on the held-out problems, before, between and after the stages."""

    samples: int = Field(1, ge=1)
    """Completions of each problem."""
    temperature: float = Field(1.0, ge=0)
    """Sampling temperature; 0 is greedy."""
    max_new_tokens: int = Field(256, ge=1)
    """Longest completion, in tokens."""
    every: int = Field(0, ge=0)
    """Also evaluate every so many steps; 0 only before, between and after the stages."""
    limit: int | None = Field(None, ge=1)
    """Use only the first so many held-out problems."""
    enabled: bool = True
    """Switch evaluation off altogether."""


class RunConfig(Config):
    """One training run: stages that train one policy, one after the other."""

    output: str
    """Folder of the run; training goes on there if it was interrupted."""
    stages: tuple[str, ...] = Field(min_length=1)
    """Algorithms in their order, such as ["sft", "grpo"]; each has a section of its own."""
    seed: int = Field(0, ge=0)
    """Fixes new weights, data order and sampling."""
    threads: int | None = Field(None, ge=1)
    """CPU threads for torch; by default as many as torch takes. Resuming keeps the number."""
    verifier: str = "math"
    """Registered name, or path/to/file.py:name; a problem's own verifier goes first."""
    verifier_options: dict[str, Any] = Field(default_factory=dict)
    """Keyword options of the verifier."""
    model: PolicyConfig
    """The model to train."""
    data: DataConfig
    """The problems."""
    sampler: SamplerConfig = SamplerConfig()
    """How completions are generated."""
    verification: VerificationConfig = VerificationConfig()
    """How completions are judged."""
    evaluation: EvaluationConfig = EvaluationConfig()
    """How progress is measured."""
    checkpoint: CheckpointConfig = CheckpointConfig()
    """When to save."""
    trackers: tuple[str, ...] = ("tensorboard",)
    """Besides metrics.jsonl: tensorboard, wandb, trackio."""

    @model_validator(mode="after")
    def _known_names(self) -> "RunConfig":
        faults = []
        registries: list[tuple[Registry[Any], str]] = [(SAMPLERS, self.sampler.kind)]
        registries += [(TRACKERS, tracker) for tracker in self.trackers]
        registries += [(VERIFIERS, self.verifier)] if ":" not in self.verifier else []
        for registry, name in registries:
            try:
                registry.entry(name)
            except UnknownName as fault:
                faults.append(str(fault))
        if faults:
            raise ValueError("; ".join(faults))
        return self

    @field_validator("stages")
    @classmethod
    def _known_stages(cls, stages: tuple[str, ...]) -> tuple[str, ...]:
        for stage in stages:
            try:
                ALGORITHMS.entry(stage)
            except UnknownName as fault:
                raise ValueError(str(fault)) from None
        if len(set(stages)) < len(stages):
            raise ValueError("a stage is named twice; each algorithm has one section")
        return stages

    @model_validator(mode="after")
    def _sections_fit_stages(self) -> "RunConfig":
        for name in ALGORITHMS:
            given = getattr(self, name, None) is not None
            if given and name not in self.stages:
                raise ValueError(
                    f"there is a section [{name}], but stages is {list(self.stages)}; add "
                    f'"{name}" to stages, or remove the section'
                )
            if name in self.stages and not given:
                raise ValueError(f'stages has "{name}", but there is no section [{name}]')
        return self


def run_config_type() -> type[RunConfig]:
    """`RunConfig` with a section for every registered algorithm."""
    sections: dict[str, Any] = {
        entry.name: (entry.value.config_type | None, None) for entry in ALGORITHMS.entries()
    }
    return create_model("RunConfig", __base__=RunConfig, **sections)


def resolve_run(tables: Mapping[str, Any], *, where: str) -> RunConfig:
    """The checked configuration.

    Raises:
        ConfigError: lists every fault.
    """
    return resolve(run_config_type(), tables, where=where)


class RunFolder:
    """The folder of a run, locked against a second process while it is open."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._open()

    def _open(self) -> None:
        path = self.path
        with storage_faults(path):
            path.mkdir(parents=True, exist_ok=True)
            self._lock: IO[str] = (path / ".lock").open("w")
        try:
            fcntl.flock(self._lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            self._lock.close()
            raise StorageError(
                f"another process is training in {path}; wait for it, or choose another output"
            ) from None

    def close(self) -> None:
        """Release the folder."""
        self._lock.close()

    @property
    def begun(self) -> bool:
        """Whether a run has been set up here."""
        return (self.path / "config.toml").is_file()

    def begin(self, config: RunConfig, facts: Mapping[str, Json]) -> None:
        """Write the resolved configuration and the run's facts.

        Raises:
            StorageError: the folder holds something that is no run of ours.
        """
        ours = {"run.json", ".lock"}  # a run killed between the two files below leaves the first
        foreign = sorted(p.name for p in self.path.iterdir() if p.name not in ours)
        foreign = [name for name in foreign if not name.startswith((".run.json.", ".config.toml."))]
        if foreign:
            raise StorageError(
                f"{self.path} holds {foreign[0]!r} and no run; nothing there was touched. Choose "
                "another folder: output=FOLDER"
            )
        write_atomic(self.path / "run.json", json.dumps(facts, indent=1) + "\n")
        write_atomic(self.path / "config.toml", to_toml(config))

    def set_aside(self) -> Path:
        """Rename the run that stands here to the first free `NAME.old-N`; nothing is deleted."""
        number = 1
        while (target := self.path.with_name(f"{self.path.name}.old-{number}")).exists():
            number += 1
        with storage_faults(self.path):
            self.path.rename(target)
        self.close()
        self._open()
        return target

    def check_same(self, config: RunConfig, facts: Mapping[str, Json]) -> None:
        """Refuse to go on with another configuration or other data than the run began with.

        Raises:
            ConfigError: names each difference and what to do.
        """
        before = read_toml(self.path / "config.toml")
        now = config.model_dump(mode="json", exclude_none=True)
        changes = [
            f"  {key}: {old!r} then, {new!r} now"
            for key, old, new in _differences(before, now)
            if not any(key == free or key.startswith(f"{free}.") for free in FREE_TO_CHANGE)
        ]
        then = json.loads((self.path / "run.json").read_text(encoding="utf-8"))
        if then.get("data_sha256") != facts.get("data_sha256"):
            changes.append("  the data: other records than when the run began")
        if changes:
            raise ConfigError(
                f"{self.path} holds a run with another configuration:\n" + "\n".join(changes) + "\n"
                "Give the run's own configuration to go on with it, set output=FOLDER for a new "
                "run, or pass --fresh to set the old run aside and begin again"
            )


def run_facts(config: RunConfig, data_sha256: str, data_source: str) -> dict[str, Json]:
    """What it takes to repeat the run, besides its configuration."""
    return {
        "truing": __version__,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "packages": {name: _installed(name) for name in PACKAGES},
        "git_commit": _git_commit(),
        "command": sys.argv[1:],
        "seed": config.seed,
        "data_sha256": data_sha256,
        "data_source": data_source,
        "started": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _installed(package: str) -> str:
    try:
        return version(package)
    except PackageNotFoundError:
        return "absent"


def _git_commit() -> str:
    """The commit of truing's own checkout, with `+changes` where files differ from it."""
    here = Path(__file__).resolve().parent.parent
    if not (here / ".git").exists():
        return "not a checkout"
    commit = _git(here, "rev-parse", "HEAD")
    return commit + ("+changes" if commit and _git(here, "status", "--porcelain") else "")


def _git(folder: Path, *arguments: str) -> str:
    try:
        ended = subprocess.run(
            ["git", "-C", str(folder), *arguments], capture_output=True, text=True, check=False
        )
    except OSError:
        return ""
    return ended.stdout.strip()


def _differences(
    before: Mapping[str, Any], now: Mapping[str, Any], prefix: str = ""
) -> Sequence[tuple[str, Any, Any]]:
    found: list[tuple[str, Any, Any]] = []
    for key in sorted({*before, *now}):
        old, new = before.get(key), now.get(key)
        if isinstance(old, Mapping) and isinstance(new, Mapping):
            found += _differences(old, new, f"{prefix}{key}.")
        elif old != new:
            found.append((prefix + key, old, new))
    return found
