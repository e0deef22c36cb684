"""Where metrics go besides `metrics.jsonl`: TensorBoard, wandb, trackio, or a plugin."""

import shutil
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Protocol

from ..core.errors import MissingExtra
from ..core.records import Json
from ..core.registry import Registry
from ..core.storage import storage_faults


class Tracker(Protocol):
    """A place that draws curves."""

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Take one step's metrics; values may be nan."""

    def position(self) -> Json:
        """Flush, and say where the tracker stands, for `rewind` in a later process."""

    def rewind(self, position: Json) -> None:
        """Forget what was written after `position`; None forgets everything."""

    def close(self) -> None:
        """Flush and end. May be called twice."""


TRACKERS: Registry[Callable[[Path], Tracker]] = Registry("tracker")


@TRACKERS.register("tensorboard")
class TensorBoard:
    """Event files below `tensorboard/`, one folder a stage.

    A folder a stage, since TensorBoard purges by step and each stage counts its steps from 1.
    """

    def __init__(self, folder: Path) -> None:
        _require("tensorboard", module="tensorboard", extra="train")
        self._folder = folder / "tensorboard"
        self._writers: dict[str, Any] = {}
        self._last_step: dict[str, int] = {}
        self._purge_from: dict[str, int] = {}

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Take one step's metrics."""
        writer = self._writer(stage)
        with storage_faults(self._folder):
            for name, value in values.items():
                writer.add_scalar(name, value, step)
        self._last_step[stage] = step

    def position(self) -> Json:
        """The last step of each stage."""
        with storage_faults(self._folder):
            for writer in self._writers.values():
                writer.flush()
        return dict(self._last_step)

    def rewind(self, position: Json) -> None:
        """Delete the stages begun later; have readers purge later steps of the others."""
        self.close()
        self._last_step = dict(position or {})
        # TensorBoard drops what stands at or above the step that a new event file starts with.
        self._purge_from = {stage: step + 1 for stage, step in self._last_step.items()}
        with storage_faults(self._folder):
            for stage in self._folder.iterdir() if self._folder.is_dir() else ():
                if stage.is_dir() and stage.name not in self._last_step:
                    shutil.rmtree(stage)
        for stage_name in self._last_step:
            if (self._folder / stage_name).is_dir():
                self._writer(stage_name).flush()

    def close(self) -> None:
        """Flush and end."""
        with storage_faults(self._folder):
            while self._writers:
                self._writers.popitem()[1].close()

    def _writer(self, stage: str) -> Any:
        if stage not in self._writers:
            from torch.utils.tensorboard import SummaryWriter

            with storage_faults(self._folder):
                self._writers[stage] = SummaryWriter(
                    str(self._folder / stage), purge_step=self._purge_from.pop(stage, None)
                )
        return self._writers[stage]


class _Service(ABC):
    """What wandb and trackio share: one run, a global count of lines, names `stage/metric`."""

    name = ""

    def __init__(self, folder: Path) -> None:
        _require(self.name, module=self.name, extra=self.name)
        self._folder = folder
        self._run: Any = None
        self._run_id = ""
        self._lines = 0

    def write(self, stage: str, step: int, values: Mapping[str, float]) -> None:
        """Take one step's metrics."""
        if self._run is None:
            self._run = self._start()
        named = {f"{stage}/{name}": value for name, value in values.items()}
        # Counted over all stages: these services want steps that never go back.
        self._run.log({**named, f"{stage}/step": step}, step=self._lines)
        self._lines += 1

    def position(self) -> Json:
        """The run's id and the number of lines sent."""
        return {"run": self._run_id, "lines": self._lines}

    def rewind(self, position: Json) -> None:
        """Go on with the same run from the line reached then; without a position, a new run."""
        self.close()
        self._run_id = position["run"] if position else ""
        self._lines = position["lines"] if position else 0

    def close(self) -> None:
        """Flush and end."""
        run, self._run = self._run, None
        if run is not None:
            run.finish()

    @abstractmethod
    def _start(self) -> Any:
        """Begin the run, or go on with the one that `_run_id` names."""


@TRACKERS.register("wandb")
class Wandb(_Service):
    """Weights & Biases, set up by its own environment variables.

    After a rewind the same run goes on; wandb itself ignores lines that it already has.
    """

    name = "wandb"

    def _start(self) -> Any:
        import wandb

        run = wandb.init(
            dir=str(self._folder),
            name=self._folder.name,
            id=self._run_id or None,
            resume="allow" if self._run_id else None,
        )
        self._run_id = run.id
        return run


@TRACKERS.register("trackio")
class Trackio(_Service):
    """Trackio, local first, set up by its own environment variables.

    It cannot take lines back: a rewound run shows the repeated steps twice there.
    """

    name = "trackio"

    def _start(self) -> Any:
        import trackio

        resume = "allow" if self._run_id else "never"  # never: a taken name gets a suffix
        run = trackio.init(project="truing", name=self._run_id or self._folder.name, resume=resume)
        self._run_id = run.name
        return run


def _require(name: str, *, module: str, extra: str) -> None:
    spec = find_spec(module)
    # No origin: only a folder of that name in the working directory, as wandb leaves them.
    if spec is None or spec.origin is None:
        raise MissingExtra(
            f"tracker {name!r} needs truing[{extra}]: pip install 'truing[{extra}]', "
            f"or take {name!r} out of the run's trackers"
        )
