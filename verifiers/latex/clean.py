r"""What is done to an answer as a string: wrappers off, Unicode to LaTeX, a normal form.

Every rule here keeps the meaning, so that two texts with one normal form are the same answer.
"""

import re

MAX_LAYERS = 12

_UNICODE = str.maketrans(
    {
        "π": r"\pi ", "∞": r"\infty ", "≤": r"\le ", "≥": r"\ge ", "⩽": r"\le ", "⩾": r"\ge ",
        "≠": r"\ne ", "≈": r"\approx ", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ",
        "÷": r"\div ", "−": "-", "–": "-", "—": "-", "－": "-", "＋": "+", "＝": "=", "＞": ">",
        "＜": "<", "（": "(", "）": ")", "，": ",", "；": ";", "：": ":", "。": ".", "√": r"\sqrt ",
        "°": r"^{\circ}", "∪": r"\cup ", "∩": r"\cap ", "∈": r"\in ", "∅": r"\emptyset ",
        "½": r"\frac{1}{2}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "¼": r"\frac{1}{4}",
        "¾": r"\frac{3}{4}", "⅕": r"\frac{1}{5}", "⅛": r"\frac{1}{8}", "±": r"\pm ", "∓": r"\mp ",
        "∧": r"\wedge ", "∨": r"\vee ", "ℝ": r"\mathbb{R}", "ℤ": r"\mathbb{Z}", "ℕ": r"\mathbb{N}",
        "ℚ": r"\mathbb{Q}", "ℂ": r"\mathbb{C}", "′": "'", "’": "'", "“": '"', "”": '"',
        "…": r"\ldots ", "⌊": r"\lfloor ", "⌋": r"\rfloor ", "⌈": r"\lceil ", "⌉": r"\rceil ",
        "€": r"\text{euro}", "£": r"\text{pound}", "¥": r"\text{yen}", "％": "%",
        "∑": r"\sum ", "∏": r"\prod ", "∫": r"\int ", "→": r"\to ", "∀": r"\forall ",
        "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "\ufeff": "",
    }
)  # fmt: skip
_GREEK = {
    "αβγδεζηθικλμνξρστυφχψω": "alpha beta gamma delta epsilon zeta eta theta iota kappa lambda mu "
    "nu xi rho sigma tau upsilon phi chi psi omega",
    "ΓΔΘΛΞΣΦΨΩ": "Gamma Delta Theta Lambda Xi Sigma Phi Psi Omega",
}
for _letters, _names in _GREEK.items():
    _UNICODE |= {
        ord(letter): f"\\{name} " for letter, name in zip(_letters, _names.split(), strict=True)
    }
_SUPERSCRIPT = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ", "0123456789+-()n")
_SUBSCRIPT = str.maketrans("₀₁₂₃₄₅₆₇₈₉", "0123456789")
_SUPERSCRIPTS = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ⁿ]+")
_SUBSCRIPTS = re.compile("[₀₁₂₃₄₅₆₇₈₉]+")
_HTML = re.compile(r"<(sup|sub)>([^<>]{1,60})</\1>")

# A LaTeX text that went through one escaping too many: \\frac for \frac. A row's end is \\ too,
# but never before these names.
_DOUBLED = re.compile(
    r"(?<!\\)\\\\(?:[dt]?frac|left|right|sqrt|pi|cdot|times|boxed|text|leq?|geq?|infty|begin|end"
    r"|sin|cos|tan|log|ln|circ|pm|cup|cap|in|mathrm|mathbb|theta|alpha|beta|quad)\b"
)
_THOUSANDS = re.compile(r"(?<=\d)(?:\s*\{\s*,\s*\}\s*|,\\!\s*|\\,|\\ |\\;|\\:|~)(?=\d{3}(?!\d))")
_SPACED_THOUSANDS = re.compile(r"(?<![\d.,\w])(\d{1,3}(?: \d{3})+)(?![\d,])")
_DOLLAR = re.compile(r"(?<!\\)\$")
_STRAY_STOP = re.compile(r"(?<![\d.])\s*\.\s*(\\?[\])}])|(?<=\d) \.\s*(?=\\?[\])}])")
_GLUED_QUAD = re.compile(r"\\(q?quad)(?=[A-Za-z])")
_EDGE_SPACE = r"(?:\s|\\[,;:! ]|\\q?quad\b|~|\\displaystyle\b)"
_EDGES = re.compile(rf"^{_EDGE_SPACE}+|(?:{_EDGE_SPACE}|(?<!\\)\\(?=\s*$))+$")
_PAIRS = (("$$", "$$"), ("$", "$"), (r"\[", r"\]"), (r"\(", r"\)"), ("**", "**"), ("`", "`"))
_BOXES = (r"\boxed", r"\fbox", r"\framebox")

_NORMAL = (
    (re.compile(r"\\(?:left|right|displaystyle|limits|big|Big|bigg|Bigg)(?![A-Za-z])"), ""),
    (re.compile(r"\\[dtc]frac(?![A-Za-z])"), r"\\frac"),
    (re.compile(r"\\(?:text(?:bf|normal)?|math(?:rm|bf)|mbox|operatorname)\{([^{}]*)\}"), r"\1"),
    (re.compile(r"(?:\\(?:[,;:! ]|q?quad(?![A-Za-z]))|~|\s)+"), " "),
    (re.compile(r"(?<!\d) | (?!\d)"), ""),  # 4 10/3 is not 410/3
    (re.compile(r"\{([A-Za-z0-9])\}(?![A-Za-z0-9])"), r"\1"),
)  # fmt: skip


def closing(text: str, start: int) -> int:
    r"""Index of the brace that closes the one at `start`, or -1; escaped braces don't count.

    >>> closing(r"{a{b}\}c}", 0)
    8
    """
    depth, place, end = 0, start, len(text)
    while place < end:
        char = text[place]
        if char == "\\":
            place += 2
            continue
        if char == "{":
            depth += 1
        elif char == "}":
            depth -= 1
            if depth == 0:
                return place
        place += 1
    return -1


def unwrap(text: str) -> str:
    r"""`text` without what stands around an answer: $, \[ \], a box, blanks, a full stop.

    >>> unwrap(r" $\boxed{\frac12}$. ")
    '\\frac12'
    """
    for _ in range(MAX_LAYERS):
        before = text
        text = _EDGES.sub("", text.strip())
        if text[-1:] in ".,;" and not text.endswith((r"\,", r"\;", "...")):
            text = text[:-1]
        for opening, ending in _PAIRS:
            inner = text[len(opening) : -len(ending)]
            if (
                len(text) >= len(opening) + len(ending)
                and text.startswith(opening)
                and text.endswith(ending)
                and not text.endswith("\\" + ending)
                and opening not in inner
            ):
                text = inner
        text = _unbox(text)
        if text == before:
            break
    return text


def _unbox(text: str) -> str:
    for box in _BOXES:
        if text.startswith(box) and text[len(box) :].lstrip()[:1] == "{":
            start = text.index("{")
            if closing(text, start) == len(text) - 1:
                return text[start + 1 : -1]
    return text


def prepare(text: str) -> str:
    """`text` for the tokenizer: Unicode to LaTeX, over-escaping undone, digits joined."""
    if not text.isascii():
        text = _SUPERSCRIPTS.sub(lambda m: "^{" + m[0].translate(_SUPERSCRIPT) + "}", text)
        text = _SUBSCRIPTS.sub(lambda m: "_{" + m[0].translate(_SUBSCRIPT) + "}", text)
        text = text.translate(_UNICODE)
    if "<su" in text:
        text = _HTML.sub(lambda m: ("^{" if m[1] == "sup" else "_{") + m[2] + "}", text)
    if "$" in text and len(_DOLLAR.findall(text)) % 2 == 0:
        text = _DOLLAR.sub(" ", text)  # several formulas in one answer: $a$, $b$
    if "." in text:
        text = _STRAY_STOP.sub(r"\1", text)
    if "\\" in text:
        if _DOUBLED.search(text):
            text = text.replace("\\\\", "\\")
        text = _GLUED_QUAD.sub(r"\\\1 ", text)
        text = _THOUSANDS.sub("", text)
    elif "{" in text or "~" in text:
        text = _THOUSANDS.sub("", text)
    if " " in text:
        text = _SPACED_THOUSANDS.sub(lambda m: m[1].replace(" ", ""), text)
    return text


def normal_form(prepared: str) -> str:
    r"""One string for spellings that LaTeX or a reader takes for the same.

    >>> normal_form(r"\left(\dfrac{1}{2},\, x\right)")
    '(\\frac12,x)'
    """
    if "\\" in prepared:
        for pattern, replacement in _NORMAL:
            prepared = pattern.sub(replacement, prepared)
        return prepared
    if prepared.isalnum():
        return prepared
    return _NORMAL[-2][0].sub("", _NORMAL[-3][0].sub(" ", prepared))
