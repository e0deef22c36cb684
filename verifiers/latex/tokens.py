r"""The tokenizer: linear in the text, with a limit on its length.

A token is `(kind, text, spaced)`; `spaced` says that blanks came before it. Kinds: `num`, `run`
(letters without a backslash: a variable, a product of variables or a word), `cmd` (a LaTeX
command, without its backslash), `text` (what `\text{...}` and its like hold), `style` (letters of
`\mathrm{...}` or `\mathbf{...}`), `begin` and `end` (an environment's name), `op`, and at last
`stop`.
"""

import re

from .clean import closing
from .tree import LimitReached, ParseFailure

MAX_CHARACTERS = 20_000
MAX_TOKENS = 3_000
MAX_DIGITS = 2_000

Token = tuple[str, str, bool]

_TOKEN = re.compile(
    r"""(?P<space>(?:\s|~|\\[,;:!\ ])+)
      | \\(?P<cmd>[a-zA-Z]+\*?|[^a-zA-Z])
      | (?P<thousands>\d{1,3}(?:,\d{3})+(?:\.\d+)?(?![\d]))
      | (?P<scientific>(?:1[eE][-+]|\d*\.\d+[eE][-+]?|\d+[eE](?:[-+](?=\d\d)|(?=\d))|\d+E[-+])
          \d{1,3}(?![A-Za-z\d]|\.\d|\s*[\^_]))
      | (?P<num>\d+\.(?=\\(?:overline|dot|bar)\b)|\d+(?:\.\d+)?|\.\d+)
      | (?P<run>[A-Za-z]+)
      | (?P<op><=|>=|=<|=>|!=|==|<>|->|\*\*|\.\.\.|.)""",
    re.VERBOSE | re.DOTALL,
)

SKIPPED = frozenset(
    (
        "left right big Big bigg Bigg bigl bigr Bigl Bigr biggl biggr Biggl Biggr "
        "displaystyle textstyle limits nolimits quad qquad hfill thinspace enspace hspace* "
        "vphantom rm bf it mathstrut normalsize small large Large , ; : !"
    ).split()
)
TEXTS = frozenset("text textbf textit textrm textnormal textsf texttt mbox hbox emph".split())
STYLES = frozenset(
    (
        "mathrm mathbf mathit mathsf mathtt boldsymbol bm operatorname operatorname* mathcal "
        "mathscr mathfrak"
    ).split()
)
# Commands that are characters: \% and a few more.
_ESCAPED = {"%": "%", "$": "dollar", "#": "#", "&": "and", "_": "_"}


def tokenize(text: str, *, thousands: bool = True) -> list[Token]:
    """The tokens of a prepared text.

    Args:
        text: as `prepare` gives it.
        thousands: whether 56,144 is one number; else it is a list of two.

    Raises:
        LimitReached: the text is too long.
        ParseFailure: a text command lacks its argument or an environment its name.
    """
    if len(text) > MAX_CHARACTERS:
        raise LimitReached(f"longer than {MAX_CHARACTERS} characters")
    tokens: list[Token] = []
    spaced, place, end, match = False, 0, len(text), _TOKEN.match
    while place < end:
        found = match(text, place)
        if found is None:  # cannot be: the last alternative takes any character
            raise ParseFailure(f"unreadable character {text[place]!r}")
        kind, value, place = found.lastgroup or "", found[found.lastgroup or 0], found.end()
        if kind == "space":
            spaced = True
            continue
        if kind == "cmd":
            if value in SKIPPED:
                spaced = True
                continue
            token, place = _command(text, value, place, spaced)
            tokens.append(token)
        elif kind == "thousands":
            _number(tokens, value, spaced, joined=thousands)
        elif kind == "scientific":
            tokens.append(("num", _expanded(value), spaced))
        else:
            if kind == "num" and len(value) > MAX_DIGITS:
                raise LimitReached(f"a number of more than {MAX_DIGITS} digits")
            tokens.append((kind, value, spaced))
        spaced = False
        if len(tokens) > MAX_TOKENS:
            raise LimitReached(f"more than {MAX_TOKENS} symbols")
    tokens.append(("stop", "", spaced))
    return tokens


def _number(tokens: list[Token], value: str, spaced: bool, *, joined: bool) -> None:
    if joined:
        tokens.append(("num", value.replace(",", ""), spaced))
        return
    first, *rest = value.split(",")
    tokens.append(("num", first, spaced))
    for part in rest:
        tokens += (("op", ",", False), ("num", part, False))


def _expanded(value: str) -> str:
    """`1.5e-3` as the digits 0.0015.

    A single signed digit after a whole number is left to Euler's number: 2e-1 is 2e less 1.
    """
    mantissa, _, exponent = value.lower().partition("e")
    if len(mantissa) > MAX_DIGITS:
        raise LimitReached(f"a number of more than {MAX_DIGITS} digits")
    whole, _, places = mantissa.partition(".")
    point = len(whole) + int(exponent)
    digits = "0" * -point + whole + places
    point = max(point, 0)
    digits = digits.ljust(point, "0")
    return (digits[:point] or "0") + (f".{digits[point:]}" if digits[point:] else "")


def _command(text: str, name: str, place: int, spaced: bool) -> tuple[Token, int]:
    if name in TEXTS or name in STYLES:
        content, place = _argument(text, place, name)
        return ("text" if name in TEXTS else "style", content, spaced), place
    if name in ("begin", "end"):
        content, place = _argument(text, place, name)
        return (name, content.rstrip("*"), spaced), place
    if name in _ESCAPED:
        mapped = _ESCAPED[name]
        return (("text", "dollar", spaced) if mapped == "dollar" else ("op", mapped, spaced)), place
    return ("cmd", name, spaced), place


def _argument(text: str, place: int, name: str) -> tuple[str, int]:
    while place < len(text) and text[place] in " ~\n\t":
        place += 1
    if place >= len(text):
        raise ParseFailure(f"\\{name} without its argument", broken=True)
    if text[place] != "{":
        return text[place], place + 1
    close = closing(text, place)
    if close < 0:
        raise ParseFailure(f"the brace after \\{name} is never closed", broken=True)
    return text[place + 1 : close].replace("~", " "), close + 1
