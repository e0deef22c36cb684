r"""A drop-in pair `parse` and `verify` for code that was written for Math-Verify.

    from truing.verifiers.adapters.math_verify import parse, verify

Differences, on purpose: `parse` gives one answer rather than a list of guesses, and never a number
left over from a failed parse; no signal, so it works in threads and event loops and needs no
timeout; an exception is never an answer of False; reference and prediction are not swapped:
`verify(gold, target)` as there. The options of theirs that remain are `float_rounding`'s successor
`rounded_digits` and the rest of `Conventions`.
"""

from typing import NamedTuple

from ...core.records import Json
from ..conventions import Conventions
from ..equality import same_answer
from ..extract import Mode, extract
from ..reading import read


class Parsed(NamedTuple):
    """One answer found in a text.

    Attributes:
        text: the answer; empty where there is none.
        fallback: what counts where `text` is a sentence and the other side is not.
        marked: whether it was marked as the final answer.
    """

    text: str
    fallback: str | None = None
    marked: bool = True

    def __bool__(self) -> bool:
        """Whether an answer was found."""
        return bool(self.text)


def parse(text: str, *, extraction: Mode = "lenient") -> Parsed:
    r"""The final answer of a text.

    >>> parse(r"It is $\boxed{\frac12}$.").text
    '\\frac12'
    """
    found = extract(text, extraction)
    return Parsed(found.answer or "", found.fallback, not found.working)


def verify(gold: Parsed | str, target: Parsed | str, **conventions: Json) -> bool:
    r"""Whether `target` is the answer `gold`.

    >>> verify(parse("$1/2$"), parse("the answer is 0.5"))
    True
    """
    rules = Conventions.model_validate(conventions)
    right = Parsed(gold) if isinstance(gold, str) else gold
    mine = Parsed(target) if isinstance(target, str) else target
    reference = read(right.fallback or right.text)
    texts = [text for text in (mine.text, mine.fallback) if text]
    return any(
        same_answer(read(text), reference, rules, working=not mine.marked).same for text in texts
    )
