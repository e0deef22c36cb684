"""One answer text, read: its normal form, its tree, and what it is if it is no expression."""

import re
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from .latex.clean import closing, normal_form, prepare, unwrap
from .latex.names import SCALES
from .latex.parser import parse
from .latex.tree import LimitReached, Node, ParseFailure

MAX_TEXT = 100_000
EMPTY = "empty"

_AMBIGUOUS = re.compile(r"(?<![\d.])\d{1,3}(?:,\d{3})+(?![\d])")
_COMMANDS = re.compile(r"\\(?:text|textbf|textit|textrm|mathrm|mathbf|mbox|textnormal)(?![A-Za-z])")
_WORDS = re.compile(r"[A-Za-z\u00c0-\uffff]+|\d+(?:\.\d+)?|[-+*/=<>^_\\]")
_ARTICLES = frozenset(("the", "a", "an"))
_CUT_BOX = re.compile(r"^\s*\$?\\{1,2}boxed\{")
_LABELLED = re.compile(
    r"(?:^|[,;]\s*|\band\s+)([A-Z][A-Za-z]*(?: [A-Za-z0-9]+)?)\s*[:=]\s*(?=[-\d\\(])"
)


class Reading(NamedTuple):
    """An answer as text and as tree.

    Attributes:
        text: unwrapped.
        form: the normal form; equal forms are equal answers.
        node: the tree, or None.
        failure: why there is no tree.
        limited: the text was too long or deep, rather than no expression.
        broken: the text cannot be LaTeX.
        listed: the tree with 56,144 read as a list of two, where it could be one.
    """

    text: str
    form: str
    node: Node | None = None
    failure: str = ""
    limited: bool = False
    broken: bool = False
    listed: Node | None = None


def read(text: str) -> Reading:
    """`text` as a reading; never raises."""
    if len(text) > MAX_TEXT:
        return Reading(text, text.strip(), failure="too long to be read", limited=True)
    bare = unwrap(text)
    prepared = prepare(bare)
    form = normal_form(prepared)
    if not form:
        return Reading(bare, text.strip(), failure=EMPTY)
    worded = number_in_words(bare)
    if worded is not None:
        return Reading(bare, form, Node("num", number=worded))
    try:
        node = parse(prepared)
    except ParseFailure as fault:
        node_or_none = _labelled_list(prepared)
        return Reading(bare, form, node_or_none, failure=str(fault), broken=fault.broken)
    except LimitReached as fault:
        return Reading(bare, form, failure=str(fault), limited=True)
    return Reading(bare, form, node, listed=_as_list(prepared))


@lru_cache(maxsize=4096)
def read_reference(text: str) -> Reading:
    """As `read`, remembered: a reference meets many answers.

    A reference is trusted, so two faults of data sets are mended: a box that was cut off before
    its end, and a chain with notation that is unknown before its last value.
    """
    found = read(text)
    if found.node is not None or found.limited or len(text) > MAX_TEXT:
        return found
    cut = _CUT_BOX.match(text)
    if cut is not None and closing(text, cut.end() - 1) < 0:
        return read(text[cut.end() :])._replace(form=found.form)
    before, equals, last = found.text.rpartition("=")
    if equals and not found.broken and before.count("=") and (value := read(last)).node is not None:
        return found._replace(node=value.node)
    return found


def _as_list(prepared: str) -> Node | None:
    if not _AMBIGUOUS.search(prepared):
        return None
    try:
        return parse(prepared, thousands=False)
    except (ParseFailure, LimitReached):
        return None


def _labelled_list(prepared: str) -> Node | None:
    """`Paolo: 18, Qing: 14` as the list 18, 14: words before a colon name their values."""
    stripped, count = _LABELLED.subn(", ", prepared)
    if count < 2:
        return None
    try:
        return parse(stripped.strip(" ,;"))
    except (ParseFailure, LimitReached):
        return None


def words(text: str) -> tuple[str, ...]:
    r"""The words of a text answer: case, punctuation and articles left out.

    >>> words(r"\text{There is no solution.}")
    ('there', 'is', 'no', 'solution')
    """
    found = _WORDS.findall(_COMMANDS.sub(" ", text))
    if len(found) == 1 and len(found[0]) == 1:
        return (found[0],)
    return tuple(word for word in map(str.lower, found) if word not in _ARTICLES)


_UNITS = (
    "zero one two three four five six seven eight nine ten eleven twelve thirteen "
    "fourteen fifteen sixteen seventeen eighteen nineteen"
).split()
_TENS = dict(
    zip(
        "twenty thirty forty fifty sixty seventy eighty ninety".split(),
        range(20, 100, 10),
        strict=True,
    )
)
_SMALL = {word: value for value, word in enumerate(_UNITS)} | _TENS
_PARTS = {
    "half": 2, "halves": 2, "third": 3, "thirds": 3, "quarter": 4, "quarters": 4, "fourth": 4,
    "fourths": 4, "fifth": 5, "fifths": 5, "sixth": 6, "sixths": 6, "seventh": 7, "sevenths": 7,
    "eighth": 8, "eighths": 8, "ninth": 9, "ninths": 9, "tenth": 10, "tenths": 10,
}  # fmt: skip
NUMBER_WORDS = frozenset((*_SMALL, *SCALES, *_PARTS, "and", "minus", "negative"))


def number_in_words(text: str) -> Fraction | None:
    """The number that a text of words names, or None.

    >>> number_in_words("three quarters")
    Fraction(3, 4)
    >>> number_in_words("two hundred and five")
    Fraction(205, 1)
    """
    if len(text) > 120 or not text or text[0].isdigit():
        return None
    if text.startswith("\\text{") and text.endswith("}"):
        text = text[6:-1]
    parts = text.lower().replace("-", " ").strip(" .").split()
    if not parts or not NUMBER_WORDS.issuperset(parts):
        return None
    sign = 1
    if parts[0] in ("minus", "negative"):
        sign, parts = -1, parts[1:]
    if parts and parts[-1] in _PARTS:
        top = _cardinal(parts[:-1])
        return None if top is None else Fraction(sign * top, _PARTS[parts[-1]])
    whole = _cardinal(parts)
    return None if whole is None else Fraction(sign * whole)


def _cardinal(parts: list[str]) -> int | None:
    total, group, seen = 0, 0, False
    for part in parts:
        if part == "and":
            if not seen:
                return None
        elif part in _SMALL:
            value = _SMALL[part]
            if group % 10 or (value >= 10 and group % 100) or (group % 100 and value >= 10):
                return None
            group += value
        elif part == "hundred" and 0 < group < 10:
            group *= 100
        elif part in SCALES and group:
            total, group = total + group * SCALES[part], 0
        else:
            return None
        seen = True
    return total + group if seen else None
