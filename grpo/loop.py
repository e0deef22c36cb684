"""The one loop: stages of steps, with logs, evaluations, checkpoints and clean stops."""

import json
from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass, field
from pathlib import Path
from time import perf_counter
from typing import Any

from safetensors.torch import load_file

from ..core.errors import INTERRUPTED, TruingError
from ..core.records import Json, Problem
from ..core.sampler import Sampler, SamplingParams
from ..core.storage import write_atomic
from .algorithms import ALGORITHMS, Algorithm, Context, StepResult
from .checkpoint import Checkpoint, CheckpointStore, restore, save_model, save_reference
from .display import Display
from .logs import RunLog
from .metrics import peak_memory_bytes
from .policy import Policy
from .run import RunConfig
from .scoring import Scorer, check_faults
from .signals import StopRequest

Evaluate = Callable[[Sampler, Scorer, Sequence[Problem], SamplingParams], Mapping[str, float]]
"""Gives accuracy, low, high, n, tokens_per_second, seconds and counts; the command line hands it
in, since evaluation stands above training."""


class Interrupted(TruingError):
    """Training was asked to stop; everything is saved."""

    exit_code = INTERRUPTED


@dataclass(slots=True)
class Progress:
    """How far a run is; all that a checkpoint keeps besides tensors, as JSON.

    Attributes:
        stage: index of the stage in training, or next to train.
        step: steps of that stage that are done.
        results: a row for each evaluation between stages.
        best: accuracy, checkpoint name and step of the best evaluation inside a stage.
        seconds: training seconds of each stage, over all its sittings.
    """

    stage: int = 0
    step: int = 0
    results: list[dict[str, Json]] = field(default_factory=list)
    best: dict[str, Json] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)


class Loop:
    """Runs the stages of a configuration over one policy.

    Args:
        config: the run's.
        folder: the run's folder, locked by the caller.
        policy: trained in place.
        sampler: samples from the policy.
        scorer: judges completions.
        train: problems to train on.
        heldout: problems to evaluate on; empty for none.
        evaluate: see `Evaluate`.
        display: what people see.
    """

    def __init__(
        self,
        config: RunConfig,
        folder: Path,
        policy: Policy,
        sampler: Sampler,
        scorer: Scorer,
        train: Sequence[Problem],
        heldout: Sequence[Problem],
        evaluate: Evaluate,
        display: Display,
    ) -> None:
        self.config, self.folder = config, folder
        self.policy, self.sampler, self.scorer = policy, sampler, scorer
        self.train_problems = train
        self.heldout = heldout[: config.evaluation.limit] if config.evaluation.enabled else ()
        self.evaluate, self.display = evaluate, display
        self.store = CheckpointStore(folder / "checkpoints", config.checkpoint)
        self.log = RunLog(folder, trackers=config.trackers)
        self.progress = Progress()
        self._found: Checkpoint | None = None

    def run(self) -> list[dict[str, Json]]:
        """Train every stage from where the last checkpoint stands.

        Returns:
            A row for each evaluation: label, accuracy, low, high, n, tokens_per_second, seconds.

        Raises:
            Interrupted: SIGINT or SIGTERM came; the run is saved and can go on.
        """
        with closing(self.log), closing(self.display), StopRequest(self.display.note) as stop:
            self._found = self._resume()
            if self._found is None:
                self._boundary(f"before {self.config.stages[0]}", 0.0)
            while self.progress.stage < len(self.config.stages):
                self._stage(stop)
            return self._finish()

    def _resume(self) -> Checkpoint | None:
        found = self.store.latest()
        if found is None:
            self.log.rewind(None)
            return None
        self.progress = Progress(**found.state["progress"])
        self.log.rewind(found.state["log"])
        if self.progress.stage >= len(self.config.stages):
            restore(found, self.policy, None)
            self.display.note(f"{self.folder}: this run is finished")
        else:
            stage = self.config.stages[self.progress.stage]
            self.display.note(f"resuming {stage} after step {self.progress.step} ({found.folder})")
        return found

    def _stage(self, stop: StopRequest) -> None:
        """One stage, from the beginning or from a checkpoint inside it."""
        found, self._found = self._found, None
        name = self.config.stages[self.progress.stage]
        settings = getattr(self.config, name)
        if found is not None and self.progress.step == 0:
            restore(found, self.policy, None)
        # Adapters, moments and the reference are made before the random states are set back.
        algorithm = self._algorithm(name, settings)
        if found is not None and self.progress.step > 0:
            restore(found, self.policy, algorithm.optimizer)
        del found  # its tensors would stay in memory for the whole stage
        self.display.start(name, settings.steps)
        for step in range(self.progress.step + 1, settings.steps + 1):
            self._step(name, algorithm, step)
            last = step == settings.steps
            evaluated = not last and self._evaluate_inside(name, step)
            every = self.config.checkpoint.every
            if not last and (evaluated or stop.asked or (every and step % every == 0)):
                self._save(algorithm)
            if stop.asked and not last:
                raise Interrupted(
                    f"{stop.asked.name}: saved after step {step} of {name}; run the same command "
                    "again to go on"
                )
        self.progress.stage, self.progress.step = self.progress.stage + 1, 0
        self._boundary(f"after {name}", self.progress.seconds.get(name, 0.0))

    def _algorithm(self, name: str, settings: Any) -> Algorithm:
        context = Context(
            policy=self.policy,
            sampler=self.sampler,
            scorer=self.scorer,
            problems=self.train_problems,
            seed=self.config.seed * 101 + self.progress.stage,
        )
        algorithm: Algorithm = ALGORITHMS[name](settings, context)
        if getattr(algorithm, "needs_reference", False):
            kept = self.folder / f"reference-{name}.safetensors"
            if self.progress.step > 0:
                self.policy.keep_reference(load_file(kept))
            else:
                self.policy.keep_reference()
                save_reference(kept, self.policy)
        return algorithm

    def _step(self, name: str, algorithm: Algorithm, step: int) -> None:
        started = perf_counter()
        result: StepResult = algorithm.step(step)
        seconds = perf_counter() - started
        self.progress.step = step
        self.progress.seconds[name] = self.progress.seconds.get(name, 0.0) + seconds
        metrics = {
            **result.metrics,
            "seconds/step": seconds,
            "memory/peak_bytes": float(peak_memory_bytes(self.policy.device)),
        }
        self.log.rollouts(name, result.rollouts)
        self.log.metrics(name, step, metrics)
        self.display.step(name, step, metrics)
        check_faults(result.rollouts, self.config.verification)

    def _measure(self) -> dict[str, float]:
        settings = self.config.evaluation
        params = SamplingParams(
            temperature=settings.temperature,
            max_new_tokens=settings.max_new_tokens,
            n=settings.samples,
            seed=self.config.seed,
        )
        return dict(self.evaluate(self.sampler, self.scorer, self.heldout, params))

    def _evaluate_inside(self, name: str, step: int) -> bool:
        """Evaluate where it is due; True where it was, so that the checkpoint stands beside it."""
        every = self.config.evaluation.every
        if not (self.heldout and every and step % every == 0):
            return False
        measured = self._measure()
        self.log.metrics(name, step, {f"eval/{key}": value for key, value in measured.items()})
        self.display.note(
            f"{name} step {step}: accuracy {measured['accuracy']:.1%} "
            f"[{measured['low']:.1%}, {measured['high']:.1%}]"
        )
        if measured["accuracy"] > self.progress.best.get("accuracy", -1.0):
            self.progress.best = {
                "accuracy": measured["accuracy"],
                "checkpoint": self._checkpoint_name(),
                "stage": name,
                "step": step,
            }
        return True

    def _boundary(self, label: str, training_seconds: float) -> None:
        """Between stages: evaluate, then save, so that neither is ever done twice."""
        if self.heldout:
            measured = self._measure()
            row = {"label": label, **measured, "training_seconds": training_seconds}
            self.progress.results.append(row)
            stage = self.config.stages[max(self.progress.stage - 1, 0)]
            step = 0 if self.progress.stage == 0 else getattr(self.config, stage).steps
            self.log.metrics(stage, step, {f"eval/{key}": value for key, value in measured.items()})
            self.display.note(
                f"{label}: accuracy {measured['accuracy']:.1%} "
                f"[{measured['low']:.1%}, {measured['high']:.1%}]"
            )
        self._save(None)

    def _checkpoint_name(self) -> str:
        stages = (*self.config.stages, "end")
        return f"{self.progress.stage:02d}-{stages[self.progress.stage]}-{self.progress.step:07d}"

    def _save(self, algorithm: Algorithm | None) -> None:
        state = {"progress": asdict(self.progress), "log": self.log.position()}
        self.store.save(
            self._checkpoint_name(),
            self.policy,
            algorithm.optimizer if algorithm else None,
            state,
            best=self.progress.best.get("checkpoint"),
        )

    def _finish(self) -> list[dict[str, Json]]:
        model = self.folder / "model"
        if not model.is_dir():
            save_model(model, self.policy)
        summary = {
            "rows": self.progress.results,
            "best": self.progress.best,
            "training_seconds": self.progress.seconds,
            "model": str(model),
        }
        write_atomic(self.folder / "summary.json", json.dumps(summary, indent=1) + "\n")
        return self.progress.results
