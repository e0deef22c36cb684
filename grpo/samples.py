"""Rollout files -> the samples that a report shows: bounded, spread evenly over the run."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..core.errors import DataError
from ..core.page import SampleCard
from ..core.records import FAULTS, Json, Outcome, Rollout
from .logs import read_lines, rollout_segments

EACH = 120  # samples kept of every outcome and stage
TEXT = 12_000  # characters kept of a prompt, a completion, or the evidence


@dataclass(slots=True)
class Thinned:
    """Every so many of a stream, such that between `limit` and twice as many are held.

    >>> thinned = Thinned(limit=2)
    >>> for number in range(9):
    ...     thinned.offer(number)
    >>> thinned.chosen(), thinned.seen
    ([0, 4], 9)
    """

    limit: int
    seen: int = 0
    _every: int = 1
    _held: list[Json] = field(default_factory=list)

    def offer(self, item: Json) -> None:
        """Take the stream's next item."""
        if self.seen % self._every == 0:
            self._held.append(item)
            if len(self._held) > 2 * self.limit:
                self._held = self._held[::2]
                self._every *= 2
        self.seen += 1

    def chosen(self) -> list[Json]:
        """At most `limit` items, evenly spread."""
        count = min(self.limit, len(self._held))
        return [self._held[index * len(self._held) // count] for index in range(count)]


def collect(folder: Path, *, each: int = EACH) -> tuple[list[SampleCard], str]:
    """Cards by stage, step and group, and a sentence that says what was left out."""
    kept: dict[tuple[str, str], Thinned] = {}
    segments = rollout_segments(folder)
    for path in segments:
        for line in read_lines(path):
            try:
                key = (line.pop("stage"), line["verdict"]["outcome"])
            except (KeyError, TypeError):
                raise DataError(f"{path} holds a line that is not a rollout") from None
            kept.setdefault(key, Thinned(each)).offer((path, line))
    chosen = [
        (stage, _rollout(path, line))
        for (stage, _), thinned in kept.items()
        for path, line in thinned.chosen()
    ]
    stages = list(dict.fromkeys(stage for stage, _ in kept))
    chosen.sort(
        key=lambda item: (stages.index(item[0]), item[1].step, item[1].group, item[1].sample)
    )
    dropped = bool(segments) and not segments[0].name.endswith("-00000.jsonl")
    return [card(stage, rollout) for stage, rollout in chosen], _what_is_shown(
        len(chosen), sum(thinned.seen for thinned in kept.values()), each, dropped
    )


def card(stage: str, rollout: Rollout) -> SampleCard:
    """What the browser shows of a rollout."""
    problem, completion, verdict = rollout.problem, rollout.completion, rollout.verdict
    excluded = "excluded" if verdict.outcome in FAULTS else "–"
    notes = [
        ("Extracted answer", verdict.extracted if verdict.extracted is not None else "–"),
        ("Reference", problem.reference or "–"),
        ("Reason", verdict.reason or "–"),
    ]
    evidence: dict[str, Json] = dict(verdict.evidence)
    if problem.tests:
        evidence["tests"] = list(problem.tests)
    return SampleCard(
        outcome=verdict.outcome.value,
        facets={"stage": stage, "step": rollout.step},
        facts=[
            ("group", f"{rollout.group}.{rollout.sample}"),
            ("reward", f"{rollout.reward:.4g}" if rollout.reward is not None else excluded),
            ("advantage", f"{rollout.advantage:+.3f}" if rollout.advantage is not None else "–"),
            ("tokens", str(completion.token_count)),
            ("ended by", completion.finish_reason.value),
            ("problem", problem.id),
        ],
        texts=[("Prompt", _short(problem.prompt_text)), ("Completion", _short(completion.text))],
        notes=[(label, _short(text)) for label, text in notes],
        evidence=_evidence(evidence),
    )


def _rollout(path: Path, line: Mapping[str, Json]) -> Rollout:
    try:
        return Rollout.from_json(line)
    except DataError as fault:
        raise DataError(f"{path}: {fault}") from None


def _evidence(evidence: Mapping[str, Json]) -> str:
    parts = [
        f"{name}: {value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)}"
        for name, value in evidence.items()
    ]
    return _short("\n".join(parts))


def _short(text: str) -> str:
    if len(text) <= TEXT:
        return text
    half = TEXT // 2
    left_out = f"\n[… {len(text) - 2 * half:,} characters are left out here …]\n"
    return text[:half] + left_out + text[-half:]


def _what_is_shown(shown: int, seen: int, each: int, dropped: bool) -> str:
    if not seen:
        return "The run kept no samples."
    if shown == seen:
        text = f"All {seen:,} samples of the run's rollout files."
    else:
        text = (
            f"{shown:,} of {seen:,} samples: at most {each} of each outcome and stage, spread "
            "evenly over the run. The run folder's rollouts-*.jsonl hold the rest."
        )
    if dropped:
        text += " The oldest rollout files were deleted when the run reached its size limit."
    return text


def outcome_rows(lines: Sequence[Mapping[str, Json]]) -> list[list[Json]]:
    """Stage, outcome, count and share of all completions judged, from the metrics lines."""
    counts: dict[str, dict[str, float]] = {}
    for line in lines:
        for outcome in Outcome:
            if count := line.get(f"outcome/{outcome.value}"):
                stage = counts.setdefault(line["stage"], {})
                stage[outcome.value] = stage.get(outcome.value, 0) + count
    return [
        [stage, o.value.replace("_", " "), round(own[o]), f"{own[o] / sum(own.values()):.2%}"]
        for stage, own in counts.items()
        for o in Outcome
        if o in own
    ]
