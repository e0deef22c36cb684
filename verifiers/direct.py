"""One verdict for whoever asks for one, without a pool of one's own."""

import json
import threading
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

from ..core.errors import ConfigError
from ..core.records import Json, Problem, Verdict
from . import process
from .base import Verifier, VerifierFunction, factory_of
from .loading import load_verifier
from .workers import VerifierPool

_pool: VerifierPool | None = None
_pool_lock = threading.Lock()


def verify(
    verifier: str | Verifier | VerifierFunction,
    text: str,
    reference: str | Problem,
    options: Mapping[str, Json] | None = None,
) -> Verdict:
    r"""Judge one completion.

    Args:
        verifier: a name or `path/to/file.py:name`, judged under its budget in a worker process
            that later calls share; or a verifier or function itself, called here and now.
        text: the completion.
        reference: the reference answer, or the whole problem.
        options: the verifier's, as keywords.

    Raises:
        UnknownName: no verifier has that name.
        ConfigError: the verifier cannot be loaded, or `options` came with a made verifier.

    >>> verify("math", r"The sum is \boxed{0.5}.", "1/2").outcome.value
    'correct'
    """
    problem = reference if isinstance(reference, Problem) else Problem("", "", reference)
    if not isinstance(verifier, str):
        if isinstance(verifier, Verifier):
            if options:
                raise ConfigError("options go to the verifier when it is made, not to verify()")
            return verifier(text, problem)
        return factory_of(verifier)(**(options or {}))(text, problem)
    if process.inside_worker:  # one verifier calls another: under the budget of the first
        return _loaded(verifier, _frozen(options))(text, problem)
    verdict = quick_verdict(verifier, text, problem, options)
    return verdict or _shared_pool().submit(verifier, text, problem, options).result()


def quick_verdict(
    spec: str, text: str, problem: Problem, options: Mapping[str, Json] | None = None
) -> Verdict | None:
    """The verdict where the verifier is sure of it at bounded cost, in this process; else None.

    Raises:
        UnknownName: no verifier has that name.
        ConfigError: the verifier cannot be made with these options.
    """
    if ":" in spec:  # the user's file is run in the worker alone
        return None
    quick: Callable[[str, Problem], Verdict | None] | None
    quick = getattr(_loaded(spec, _frozen(options)), "quick", None)
    return quick(text, problem) if quick else None


def _frozen(options: Mapping[str, Json] | None) -> tuple[tuple[str, Any], ...]:
    return tuple((key, json.dumps(value)) for key, value in sorted((options or {}).items()))


@lru_cache(maxsize=32)
def _loaded(spec: str, options: tuple[tuple[str, str], ...]) -> Verifier:
    return load_verifier(spec, {key: json.loads(value) for key, value in options})


def _shared_pool() -> VerifierPool:
    global _pool  # noqa: PLW0603 - one worker for all single judgements of the process
    with _pool_lock:
        if _pool is None or not _pool.usable:
            _pool = VerifierPool(workers=1)
        return _pool
