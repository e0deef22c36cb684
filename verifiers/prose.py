"""Answers in prose: "the answer is ...", the last formula, the last number.

The lenient half of extraction. Every pattern is free of nested repetition, so that no response can
make it slow.
"""

import re
from typing import NamedTuple

from .latex.clean import prepare, unwrap
from .latex.names import PLAIN_FUNCTIONS
from .latex.parser import parse
from .latex.tree import LimitReached, ParseFailure
from .latex.units import SPELLINGS
from .reading import NUMBER_WORDS, number_in_words

MAX_STATEMENT = 1_000
MAX_WHOLE = 2_000
MAX_FORMULA_WORDS = 3

_FINAL = re.compile(r"final\s+answer\b", re.IGNORECASE)
_ANSWER = re.compile(
    r"\b(?:final\s+answer|answer|result|solution|réponse|respuesta|antwort)\b|答案|答え|^\W{0,3}A(?=:)",
    re.IGNORECASE | re.MULTILINE,
)
_LEAD = re.compile(
    r"[\s*\"'”:：_]*(?:(?:is|are|equals|would be|must be|should be|est|es|ist|是|为)(?![a-z])"
    r"|[:：=])[\s*:：]*(?:the\s+final\s+answer\s+is[\s:]*)?(not\b)?",
    re.IGNORECASE,
)
_NOT = re.compile(
    r"^\s*(?:(?:is|was|are|can|could|should)\s*)?(?:n['’]t|not|never|neither)\b", re.IGNORECASE
)
_HEADING = re.compile(r"[ \t:*_]*\n\s*")  # **Final Answer**, and the answer below it
_SENTENCE_END = re.compile(r"\.(?=\s|$)|[。！？]|\n\s*\n|[!?](?=\s|$)|\n(?=\S)|<\|")
_BOLD = re.compile(r"\*\*([^*\n]{1,200})\*\*")
_SPAN = re.compile(
    r"\$\$(.{1,2000}?)\$\$|(?<![\\$])\$((?:[^$\\]|\\.){1,1000}?)\$|\\\((.{1,2000}?)\\\)|\\\[(.{1,2000}?)\\\]",
    re.DOTALL,
)
_BARE = re.compile(
    r"-?\s?\\d?frac\s?\{[^{}]{1,60}\}\s?\{[^{}]{1,60}\}|(?<!\d)-?\d{0,12}\s?\\sqrt\s?\{[^{}]{1,60}\}"
)
_NUMBER = re.compile(
    r"(?<![A-Za-z0-9.\\/^_{])(?:[-−](?=[\d.]))?"
    r"(?:\d{1,3}(?:,\d{3}){1,9}(?:\.\d+)?|\d+(?:[.,]\d+)?|\.\d+)(?:[eE][-+]?\d{1,3}(?!\d))?"
    r"(?:\s?/\s?\d+(?!\d|\.\d))?(?:\s?(?:\\?%|percent\b|pct\b))?"
    r"(?![A-Za-z0-9_\"'^\\]|[.,]\d)|(?<![\w.])\d[\d,.]{0,20}(?=[a-z]{1,2}[²³])"
)
_EUROPEAN = re.compile(r"^(-?)(\d+),(\d+)$")
_LEFT_SIDE = re.compile(r"[A-Za-z0-9+\-*/^(). ]*$")
_AFTER_SPAN = re.compile(r"\s*(?:\\?%|percent\b|pct\b)")


_KNOWN = frozenset((*SPELLINGS, "and", "or", "infinity"))


class Statement(NamedTuple):
    """What follows "the answer is".

    Attributes:
        answer: up to the sentence's end.
        end: where it ends.
        fallback: the last formula or number in it, if it is a sentence.
        negated: it says what the answer is not.
    """

    answer: str
    end: int
    fallback: str | None = None
    negated: bool = False


def statement(text: str, *, final: bool) -> Statement | None:
    """The last statement of an answer; `final` asks for the words "final answer"."""
    pattern = _FINAL if final else _ANSWER
    starts = [match.end() for match in pattern.finditer(text)]
    for start in reversed(starts[-20:]):
        lead = _LEAD.match(text, start)
        heading = _HEADING.match(text, start) if final and lead is None else None
        if lead is None and heading is None:
            if _NOT.match(text[start : start + 20]):
                return Statement("", start, negated=True)
            continue
        if lead is not None and lead[1] is not None:
            return Statement("", lead.end(), negated=True)
        begin = lead.end() if lead is not None else heading.end() if heading else start
        rest = text[begin : begin + MAX_STATEMENT]
        answer = rest[: _end(rest)]
        if not answer.strip(" *$.\"'\\"):
            continue
        return _as_statement(answer, begin + len(answer))
    return None


def _end(rest: str) -> int:
    """Where a statement ends: at its sentence's end, but not inside a formula."""
    if (span := re.match(r"\s*[\"“\\]*\s*(\$\$|\$|\\\(|\\\[)", rest)) is not None:
        found = _SPAN.match(rest, span.start(1))
        if found is not None:
            after = _SENTENCE_END.search(rest, found.end())
            return after.start() if after else len(rest)
    started = len(rest) - len(rest.lstrip())
    match = _SENTENCE_END.search(rest, started)
    return match.start() if match else len(rest)


def _as_statement(answer: str, end: int) -> Statement:
    answer = answer.strip().strip("*").strip().strip('"“”').rstrip("\\").strip()
    if answer.startswith('\\"'):
        answer = answer[2:]
    if whole(answer) is not None:
        return Statement(decimal_comma(answer), end)
    return Statement(answer, end, fallback=last_candidate(answer))


def whole(text: str) -> str | None:
    """`text` if it is one expression and nothing else."""
    bare = text.strip()
    if not bare or len(bare) > MAX_WHOLE:
        return None
    inner = unwrap(bare)
    formula = inner != bare and bare[0] in "$\\"
    if not formula and (_is_prose(inner) or _ANSWER.match(inner)):
        return None
    if "$" in inner.replace("\\$", ""):
        inner_plain = _SPAN.sub(lambda m: f" {m[1] or m[2] or m[3] or m[4]} ", inner)
        if "$" in inner_plain.replace("\\$", ""):
            return None
        inner = inner_plain
    try:
        node = parse(prepare(inner))
    except (ParseFailure, LimitReached):
        return inner if formula and len(inner.split()) <= MAX_FORMULA_WORDS else None
    if node.op == "text" and not formula:
        return None
    return inner if formula else decimal_comma(inner)


def _is_prose(text: str) -> bool:
    """Whether a text holds two words that are no functions, units or connectives."""
    plain = re.sub(r"\\[A-Za-z]+(?:\s*\{[^{}]*\})?", " ", text)
    words = re.findall(r"[A-Za-z]{2,}", plain)
    return sum(not (word in PLAIN_FUNCTIONS or word in _KNOWN) for word in words) > 1


def decimal_comma(text: str) -> str:
    """`2,74` of prose as 2.74: a comma that can separate neither thousands nor a list."""
    match = _EUROPEAN.match(text.strip())
    if match is None:
        return text
    sign, whole_part, places = match.groups()
    if len(places) == 3 and not whole_part.startswith("0") and len(whole_part) <= 3:
        return text
    return f"{sign}{whole_part}.{places}"


def last_candidate(text: str) -> str | None:
    """The last formula or number of a text."""
    best: tuple[int, str] | None = None
    spans = [m for m in _SPAN.finditer(text) if _is_formula(m[1] or m[2] or m[3] or m[4])]
    outside = _blanked(text, spans)
    for match in reversed(spans):
        content = match[1] or match[2] or match[3] or match[4]
        if _says_something(content):
            tail = _AFTER_SPAN.match(text, match.end())
            best = (match.end(), content + (tail[0] if tail else ""))
            break
    for pattern in (_BARE, _NUMBER):
        last = None
        for last in pattern.finditer(outside):  # noqa: B007 - the last one is wanted
            pass
        if last is not None and (best is None or last.end() > best[0]):
            found = _equation(outside[: last.start()]) + last[0]
            best = (last.end(), decimal_comma(found) if pattern is _NUMBER else found)
    words = _words_at_end(outside)
    if words is not None and (best is None or best[0] < len(outside) - len(words) - 40):
        return words
    return best[1] if best else None


def _equation(before: str) -> str:
    """The left side of an equation in variables that ends here: in 3x+4y=0 the 0 is no answer."""
    before = before[-60:].rstrip()
    if not before.endswith("="):
        return ""
    run = _LEFT_SIDE.search(before[:-1])
    left = re.split(r"[A-Za-z]{2,}", run[0])[-1].strip() if run else ""
    has_letter = any(char.isalpha() for char in left)
    return f"{left}=" if has_letter and any(char in "+-*0123456789" for char in left) else ""


def _blanked(text: str, spans: list[re.Match[str]]) -> str:
    parts, place = [], 0
    for span in spans:
        parts += [text[place : span.start()], " " * (span.end() - span.start())]
        place = span.end()
    return "".join((*parts, text[place:]))


def _is_formula(content: str) -> bool:
    """Whether what stands between two dollar signs is no stretch of prose."""
    plain = re.sub(r"\\[A-Za-z]+\s*\{[^{}]*\}|\\[A-Za-z]+", " ", content)
    return len(re.findall(r"[A-Za-z]{3,}", plain)) < 2 and "? " not in plain


def _says_something(content: str) -> bool:
    return any(char.isdigit() for char in content) or len(content.strip()) > 3


def _words_at_end(text: str) -> str | None:
    """A number in words that ends the text: "the probability is one half"."""
    parts = text.rstrip(" .!*\n").split()
    place = len(parts)
    while place > 0 and parts[place - 1].lower().strip(",") in NUMBER_WORDS:
        place -= 1
    found = " ".join(parts[place:])
    if (
        place == len(parts)
        or place == 0
        or parts[place - 1].lower() not in ("is", "are", "equals", "=")
    ):
        return None
    return found if number_in_words(found) is not None else None
