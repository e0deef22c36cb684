"""What a verifier is: the protocol, the user's own function made into one, and the registry."""

import functools
import inspect
import traceback
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, fields, replace
from math import isfinite
from pathlib import Path
from time import perf_counter
from typing import Any, Protocol, TypeVar, overload, runtime_checkable

from ..core.errors import ConfigError
from ..core.records import Json, Outcome, Problem, Verdict
from ..core.registry import Registry

VerifierFunction = Callable[[str, Problem], bool | float | Verdict]
F = TypeVar("F", bound=Callable[..., Any])

DEFAULT_CPU_SECONDS = 10.0
TRACEBACK_CHARACTERS = 4000
MARK = "__truing_verifier__"  # attribute of a decorated function: its settings
WRAPPED = "__wrapped__"  # attribute of a factory: the function that it makes verifiers of
CALLERS = frozenset({__file__, str(Path(__file__).with_name("worker.py"))})
_registering = ContextVar("_registering", default=True)


@runtime_checkable
class Verifier(Protocol):
    """What a worker runs.

    Attributes:
        cpu_seconds: CPU time that one judgement may use before its worker is killed.
        on_budget: the outcome of a judgement that used more. A verifier that gives up honestly
            says `UNDECIDED`, which earns nothing; one that ought to be quick says
            `VERIFIER_ERROR`, which is excluded.
    """

    cpu_seconds: float
    on_budget: Outcome

    def __call__(self, text: str, problem: Problem) -> Verdict:
        """Judge a completion's text."""
        ...


VERIFIERS: Registry[Callable[..., Verifier]] = Registry("verifier")
"""Name -> factory that takes the verifier's options as keywords."""


@dataclass(frozen=True, slots=True)
class Settings:
    """What the decorator was told about a function."""

    name: str
    cpu_seconds: float = DEFAULT_CPU_SECONDS


class FunctionVerifier:
    """A user's function as a verifier: whatever it does, the result is a `Verdict`.

    True and 1 are correct, False and 0 wrong, a number between them partial credit, a `Verdict`
    stands as it is. An exception, a number outside [0, 1] and anything else are the verifier's
    fault and never a reward of 0.

    Args:
        function: takes the completion's text and the problem; options as keywords.
        name: for messages.
        cpu_seconds: see `Verifier`.
        options: passed to the function as keywords.

    Raises:
        ConfigError: the function cannot be called with these options.

    >>> exact = FunctionVerifier(lambda text, problem: text == problem.reference)
    >>> exact("4", Problem(id="1", prompt="2 + 2?", reference="4")).outcome.value
    'correct'
    """

    on_budget = Outcome.VERIFIER_ERROR

    def __init__(
        self,
        function: Callable[..., Any],
        *,
        name: str = "",
        cpu_seconds: float = DEFAULT_CPU_SECONDS,
        options: Mapping[str, Json] | None = None,
    ) -> None:
        self.function = function
        self.name = name or getattr(function, "__name__", type(function).__name__)
        self.cpu_seconds = cpu_seconds
        self.options = dict(options or {})
        try:
            inspect.signature(function).bind("", None, **self.options)
        except TypeError as fault:
            raise ConfigError(
                f"verifier {self.name!r} cannot be called as {self.name}(text, problem"
                f"{''.join(f', {key}=...' for key in self.options)}): {fault}"
            ) from None

    def __call__(self, text: str, problem: Problem) -> Verdict:
        """Call the function and turn what it gives, or raises, into a verdict."""
        started = perf_counter()
        try:
            verdict = _as_verdict(self.function(text, problem, **self.options), self.name)
        except (Exception, SystemExit) as fault:  # noqa: BLE001 - the border to the user's code
            verdict = fault_verdict(fault, name=self.name)
        return replace(verdict, seconds=perf_counter() - started)


def fault_verdict(fault: BaseException, *, name: str) -> Verdict:
    """The verdict of a verifier that raised: an error, with the traceback in its evidence."""
    frames = fault.__traceback__
    while frames is not None and frames.tb_frame.f_code.co_filename in CALLERS:
        frames = frames.tb_next  # what the user needs begins in the user's own file
    lines = traceback.format_exception(type(fault), fault, frames or fault.__traceback__)
    text = "".join(lines)
    if len(text) > TRACEBACK_CHARACTERS:
        text = "...\n" + text[-TRACEBACK_CHARACTERS:]
    summary = traceback.format_exception_only(fault)[-1].strip()
    return Verdict(
        0.0,
        Outcome.VERIFIER_ERROR,
        reason=f"verifier {name!r} raised {summary}"[:500],
        evidence={"exception": type(fault).__name__, "traceback": text},
    )


def checked_verdict(verdict: Verdict) -> Verdict:
    """`verdict` with its fields' types checked and its evidence made plain JSON.

    Raises:
        DataError: a field has the wrong type, or the evidence holds what JSON cannot.
    """
    values = {field.name: getattr(verdict, field.name) for field in fields(verdict)}
    return Verdict.from_json(Verdict.from_json(values).to_json())


def _as_verdict(answer: Any, name: str) -> Verdict:
    if isinstance(answer, Verdict):
        return checked_verdict(answer)
    if getattr(answer, "ndim", None) == 0 and callable(getattr(answer, "item", None)):
        answer = answer.item()  # a numpy or torch scalar, as comparisons of arrays give
    if not isinstance(answer, bool | int | float):
        return _nonsense(name, answer, _advice(answer))
    if not (isfinite(answer) and 0 <= answer <= 1):
        return _nonsense(name, answer, "a score must lie in [0, 1]")
    score = float(answer)
    if score == 1.0:
        return Verdict(score, Outcome.CORRECT)
    return Verdict(score, Outcome.PARTIAL if score else Outcome.WRONG)


def _advice(answer: Any) -> str:
    wanted = "return True or False, a number in [0, 1], or a Verdict"
    if answer is None:
        return f"is a `return` missing on some path? {wanted}"
    if inspect.iscoroutine(answer):
        answer.close()
        return f"a verifier is an ordinary function, not `async def`; {wanted}"
    return wanted


def _nonsense(name: str, answer: Any, advice: str) -> Verdict:
    shown = repr(answer)
    if len(shown) > 80:
        shown = shown[:77] + "..."
    kind = "" if answer is None else f" ({type(answer).__name__})"
    return Verdict(
        0.0,
        Outcome.VERIFIER_ERROR,
        reason=f"verifier {name!r} returned {shown}{kind}: {advice}",
        evidence={"returned": shown},
    )


@overload
def verifier(function: F) -> F: ...


@overload
def verifier(
    *, name: str | None = None, cpu_seconds: float = DEFAULT_CPU_SECONDS
) -> Callable[[F], F]: ...


def verifier(
    function: F | None = None,
    *,
    name: str | None = None,
    cpu_seconds: float = DEFAULT_CPU_SECONDS,
) -> F | Callable[[F], F]:
    """Register a function `(completion_text, problem) -> bool | float | Verdict` as a verifier.

    The function itself stays as it was and can be called and tested as usual. Keyword parameters
    after the two positional ones are the verifier's options.

    Args:
        function: given where the decorator is used bare.
        name: registered name; the function's own by default.
        cpu_seconds: CPU time that one judgement may use.

    Raises:
        ConfigError: `cpu_seconds` is not above 0.
        DuplicateName: the name is taken by another verifier.

    >>> @verifier
    ... def shouts(text: str, problem: Problem) -> bool:
    ...     "Whether the completion is in capitals."
    ...     return text.isupper()
    >>> VERIFIERS["shouts"]()("HELLO", Problem(id="1", prompt="Shout!")).score
    1.0
    """
    if function is None:
        return functools.partial(_mark, name=name, cpu_seconds=cpu_seconds)
    return _mark(function, name=name, cpu_seconds=cpu_seconds)


def _mark(function: F, *, name: str | None, cpu_seconds: float) -> F:
    settings = Settings(name or function.__name__, cpu_seconds)
    if not cpu_seconds > 0:
        raise ConfigError(
            f"verifier {settings.name!r}: cpu_seconds is {cpu_seconds}; it must be above 0"
        )
    setattr(function, MARK, settings)
    if _registering.get():
        VERIFIERS.add(
            settings.name,
            factory_of(function),
            description=next(iter((function.__doc__ or "").strip().splitlines()), ""),
            source=source_of(function),
        )
    return function


@contextmanager
def without_registering() -> Iterator[None]:
    """Let `@verifier` mark functions but not register them: their file names them instead."""
    token = _registering.set(False)
    try:
        yield
    finally:
        _registering.reset(token)


def factory_of(function: Callable[..., Any]) -> Callable[..., FunctionVerifier]:
    """What gives a verifier of `function` for options; a decorator's settings are kept."""
    name = getattr(function, "__name__", type(function).__name__)
    settings: Settings = getattr(function, MARK, Settings(name))

    def make(**options: Json) -> FunctionVerifier:
        return FunctionVerifier(
            function, name=settings.name, cpu_seconds=settings.cpu_seconds, options=options
        )

    setattr(make, WRAPPED, function)
    return make


def source_of(function: Callable[..., Any]) -> str:
    """Where a function is written, as `file:qualified name`."""
    code = getattr(inspect.unwrap(function), "__code__", None)
    where = code.co_filename if code else getattr(function, "__module__", "?")
    return f"{where}:{getattr(function, '__qualname__', '?')}"
