"""Many answers against many references, in order, as they come."""

from collections.abc import Iterable, Iterator, Sequence

from ..core.records import Json, Problem, Verdict
from .direct import verify
from .workers import Item, VerifierPool


def verify_many(
    pairs: Iterable[tuple[str, str]],
    *,
    workers: int = 1,
    progress: bool = False,
    **options: Json,
) -> Iterator[Verdict]:
    r"""Verdicts on `(answer, reference)` pairs, in their order, read no further than needed.

    Args:
        pairs: may be endless. Each answer is bare unless `extraction` says otherwise.
        workers: processes; 1 judges in the calling one, which leaves only what needs a computer
            algebra system to a worker.
        progress: whether to draw a progress bar on standard error.
        options: of the math verifier.

    >>> [v.score for v in verify_many([("1/2", "0.5"), ("3", "4")])]
    [1.0, 0.0]
    """
    given: dict[str, Json] = {"extraction": "none", **options}
    total = len(pairs) if isinstance(pairs, Sequence) else None
    verdicts = _in_workers(pairs, workers, given) if workers > 1 else _here(pairs, given)
    return _shown(verdicts, total) if progress else verdicts


def _here(pairs: Iterable[tuple[str, str]], options: dict[str, Json]) -> Iterator[Verdict]:
    for answer, reference in pairs:
        yield verify("math", answer, reference, options)


def _in_workers(
    pairs: Iterable[tuple[str, str]], workers: int, options: dict[str, Json]
) -> Iterator[Verdict]:
    items = (
        Item("math", answer, Problem("", "", reference), options) for answer, reference in pairs
    )
    with VerifierPool(workers=workers) as pool:
        yield from pool.score_many(items)


def _shown(verdicts: Iterator[Verdict], total: int | None) -> Iterator[Verdict]:
    from rich.console import Console
    from rich.progress import track

    yield from track(verdicts, "judging", total=total, console=Console(stderr=True))
