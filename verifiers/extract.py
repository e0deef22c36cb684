r"""From a response to its final answer: strict for training, lenient for evaluation.

A third mode, `none`, is for bare answers: the text is the answer.

| in the response                              | strict               | lenient                   |
|----------------------------------------------|----------------------|---------------------------|
| `<think>` that is never closed                | no answer, truncated | the same                  |
| text before the last `</think>`               | not looked at        | the same                  |
| `\boxed{..}`, `<answer>..</answer>`,          | the answer, if all   | the last one              |
| `#### ..`, "final answer is .."               | of them say the same |                           |
| boxes joined by "and", "or", a comma          | one list             | the same                  |
| an empty or unclosed last box                 | no answer            | the same                  |
| a last box that is then called wrong          | no answer            | the same                  |
| "the answer is ..", "Answer: .."              | no answer            | the last one              |
| "the answer is not .."                        | no answer            | the same                  |
| a response that is one expression             | no answer            | the expression            |
| else the last formula, bold text or number    | no answer            | the answer                |
"""

import re
from typing import Literal, NamedTuple

from ..core.records import Outcome
from .equality import same_answer
from .latex.clean import closing
from .prose import last_candidate, statement, whole
from .reading import read

Mode = Literal["strict", "lenient", "none"]
MAX_RESPONSE = 4_000_000
TAIL = 20_000  # characters from the end in which the lenient rules look
MAX_BOXES = 400


class Extraction(NamedTuple):
    """The answer found in a response, or why there is none.

    Attributes:
        answer: its text; None where there is none.
        how: the rule that found it.
        fallback: what to judge where `answer` is a sentence and the reference is not.
        outcome: where there is no answer: `NO_ANSWER`, `TRUNCATED`, or `WRONG` for several.
        working: the answer is a line of working, not marked as final.
    """

    answer: str | None
    how: str
    fallback: str | None = None
    outcome: Outcome = Outcome.NO_ANSWER
    working: bool = False


class Marked(NamedTuple):
    """An answer that the response marks as final, and where it ends."""

    answer: str
    how: str
    end: int
    fallback: str | None = None


_BOX = re.compile(r"\\(?:boxed|fbox|framebox)\s*(?=\{)|\\boxed\s+(\d+|[A-Za-z])(?![A-Za-z0-9])")
_PERCENT = re.compile(r"\s*\$?\s*(?:percent\b|pct\b|\\?%)")
_THINK = re.compile(r"<(/?)think(?:ing)?>")
_AFTER_BOX = 240  # characters after the last answer in which it may be taken back
_NOT_SO = (
    r"(?:wrong|incorrect|mistaken|not\s+(?:right|correct|the\s+(?:final\s+)?answer)|a\s+mistake)\b"
)
_TAKEN_BACK = re.compile(
    rf"\A[\s$*.\\)\]}}]*(?:(?:is|was|seems|looks)\s+{_NOT_SO}|(?:isn|wasn)['’]t\s+(?:right|correct)\b)"
    rf"|\b(?:wait|hold on|hmm+|oops|actually|sorry|no),?\b[^\n]{{0,40}}\b{_NOT_SO}"
    rf"|\b(?:that|this|it|which|answer)(?:['’]s|\s+is|\s+was)\s+{_NOT_SO}"
    r"|\bscratch that\b|\bI made (?:a|an) (?:mistake|error)\b",
    re.IGNORECASE,
)
_ANSWER_TAG = re.compile(r"<answer>(.*?)</answer>", re.DOTALL)
_HASHES = re.compile(r"^[ \t]*####[ \t]*(.*)$", re.MULTILINE)
_LATEX_NOISE = re.compile(
    r"\\(?:text|mathrm|textbf)\s*\{([^{}]*)\}|\\[\[\]()]|\\q?quad|\\[,;:! ]|\$|\*\*"
    r"|[A-Za-z]\w*\s*=\s*$|(?<![A-Za-z])[A-Za-z](?:_\{?\w+\}?)?(?:\([a-z]\))?\s*="
)
_JOINT = re.compile(r"(?:\w+ ){0,3}?(?:\(\w\) )?(?:and|or|,|;)?(?: \w+){0,2}")
_JOINERS = frozenset(("and", "or", ",", ";"))
NOTHING_FOUND = "no number or formula"
NOT_CLOSED = "the last box is never closed"


def extract(response: str, mode: Mode = "strict") -> Extraction:
    r"""The final answer of `response`.

    >>> extract(r"So the sum is \boxed{\frac{1}{2}}.").answer
    '\\frac{1}{2}'
    >>> extract("So the sum is 12.").answer is None
    True
    >>> extract("So the sum is 12.", "lenient").answer
    '12'
    """
    if mode == "none":
        return Extraction(response, "the text as given")
    if len(response) > MAX_RESPONSE:
        return Extraction(None, "the response is too long", outcome=Outcome.TRUNCATED)
    text, thinking = after_thinking(response)
    if thinking:
        return Extraction(None, "thinking was never closed", outcome=Outcome.TRUNCATED)
    boxes, unclosed = boxed(text)
    if unclosed:
        return Extraction(None, NOT_CLOSED, outcome=Outcome.TRUNCATED)
    marked = sorted((*boxes, *_tagged(text), *_hashed(text), *_stated(text)), key=lambda m: m.end)
    if marked:
        return _of_marked(marked, text, mode)
    if mode == "strict":
        return Extraction(None, "nothing is marked as the final answer")
    return _lenient(text)


def after_thinking(response: str) -> tuple[str, bool]:
    """What follows the last `</think>`, and whether thinking was opened after it."""
    last = None
    for last in _THINK.finditer(response):  # noqa: B007 - the last one is wanted
        pass
    if last is None:
        return response, False
    return (response[last.end() :], False) if last[1] else (response, True)


def boxed(text: str) -> tuple[list[Marked], bool]:
    """The boxed answers in order, neighbours joined; and whether the last box is unclosed."""
    found: list[tuple[int, int, str]] = []
    place = 0
    while (match := _BOX.search(text, place)) is not None:
        if match[1]:
            found.append((match.start(), match.end(), match[1]))
            place = match.end()
            continue
        close = closing(text, match.end())
        if close < 0:
            return [], True
        after = _PERCENT.match(text, close + 1)
        content = text[match.end() + 1 : close] + ("%" if after else "")
        place = after.end() if after else close + 1
        found.append((match.start(), place, content))
        if len(found) > MAX_BOXES * 50:
            break
    return _joined(text, found[-MAX_BOXES:]), False


def _joined(text: str, found: list[tuple[int, int, str]]) -> list[Marked]:
    groups: list[list[tuple[int, int, str]]] = []
    for box in found:
        if groups and _are_joined(text[groups[-1][-1][1] : box[0]]):
            groups[-1].append(box)
        else:
            groups.append([box])
    marked = []
    for group in groups:
        inner = [content.strip() for _, _, content in group]
        distinct = list(dict.fromkeys(inner)) if len(set(inner)) == 1 else inner
        marked.append(Marked(", ".join(distinct), "boxed", group[-1][1]))
    return marked


def _are_joined(between: str) -> bool:
    """Whether what stands between two boxes makes one list of them."""
    if len(between) > 80 or "\n\n" in between:
        return False
    plain = _LATEX_NOISE.sub(lambda m: f" {m[1] or ''} ", between)
    parts = re.findall(r"\(\w\)|\w+|[^\w\s]", plain)
    joiners = [part for part in parts if part.lower() in _JOINERS]
    others = [part for part in parts if part.lower() not in _JOINERS]
    if not parts:
        return True
    if any(not part[-1].isalnum() and not part.startswith("(") for part in others):
        return False
    return len(others) <= 3 and 1 <= len(joiners) <= 2 and (len(joiners) == 1 or joiners[0] == ",")


def _tagged(text: str) -> list[Marked]:
    found = []
    for match in _ANSWER_TAG.finditer(text) if "<answer>" in text else ():
        inner, unclosed = boxed(match[1])
        answer = inner[-1].answer if inner and not unclosed else match[1].strip()
        found.append(Marked(answer, "answer tag", match.end()))
    return found


def _hashed(text: str) -> list[Marked]:
    if "####" not in text:
        return []
    return [Marked(m[1].strip(), "####", m.end()) for m in _HASHES.finditer(text)]


def _stated(text: str) -> list[Marked]:
    """The last "final answer is ..." that holds no box."""
    found = statement(text, final=True)
    if found is None or _BOX.search(found.answer) or "####" in found.answer:
        return []
    if not found.answer:
        return []
    return [Marked(found.answer, "final answer", found.end, found.fallback)]


def _of_marked(marked: list[Marked], text: str, mode: Mode) -> Extraction:
    last = marked[-1]
    if not last.answer:
        return Extraction(None, f"{last.how}: empty")
    if _TAKEN_BACK.search(text[last.end : last.end + _AFTER_BOX]):
        return Extraction(None, f"{last.how}: taken back after it")
    if mode == "strict":
        others = {each.answer for each in marked if each.answer} - {last.answer}
        if any(not same_answer(read(other), read(last.answer)).same for other in others):
            return Extraction(None, "several different final answers", outcome=Outcome.WRONG)
        if last.fallback is not None and not whole(last.answer):
            return Extraction(last.answer, last.how)
    return Extraction(last.answer, last.how, last.fallback if mode == "lenient" else None)


_LEADING_LETTER = re.compile(r"^\W*([A-Z])(?:[.):]|\s*$)")
_LONE_LETTER = re.compile(r"(?<![\w'])\(?([A-HJ-Z])\)?(?![\w'])")


def choice_letter(response: str) -> str | None:
    """The option that a response names: the letter it begins with, or its only lone capital.

    >>> choice_letter("A. Because B is not valid")
    'A'
    """
    text, _ = after_thinking(response)
    leading = _LEADING_LETTER.match(text)
    if leading is not None:
        return leading[1]
    letters = set(_LONE_LETTER.findall(text[-TAIL:]))
    return letters.pop() if len(letters) == 1 else None


def _lenient(text: str) -> Extraction:
    tail = text[-TAIL:]
    if (single := whole(text)) is not None:
        return Extraction(single, "the whole response", working=True)
    stated = statement(tail, final=False)
    if stated is not None:
        if stated.negated:
            return Extraction(None, "only says what the answer is not")
        if stated.answer:
            return Extraction(stated.answer, "answer is", stated.fallback, working=True)
    candidate = last_candidate(tail)
    if candidate is None:
        return Extraction(None, NOTHING_FOUND)
    return Extraction(candidate, "the last formula or number", working=True)
