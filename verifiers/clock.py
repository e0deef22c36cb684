"""Times of day as text: 20:34, 20:34:00 and 8:34 p.m. are one time; 12:00 and 1:00 are two."""

import re

_TIME = re.compile(
    r"(\d{1,2}):(\d{2})(?::(\d{2}))?\s*(?:([ap])\.?\s?m\.?)?",
    re.IGNORECASE,
)
_WRAPPING = re.compile(r"\\(?:text|mathrm|textbf)\s*\{([^{}]*)\}|\\[,;: ]|~|\$")


def seconds_of_day(text: str) -> int | None:
    """The time that `text` names, in seconds after midnight; None for what is no time.

    >>> seconds_of_day("8:34 P.M.") == seconds_of_day("20:34:00")
    True
    """
    if ":" not in text or len(text) > 60:
        return None
    plain = _WRAPPING.sub(lambda match: f" {match[1] or ''} ", text).strip()
    match = _TIME.fullmatch(plain)
    if match is None:
        return None
    hour, minute, second = int(match[1]), int(match[2]), int(match[3] or 0)
    half = (match[4] or "").lower()
    if hour > (12 if half else 24) or minute > 59 or second > 59:
        return None
    if half:
        hour = hour % 12 + (12 if half == "p" else 0)
    return (hour * 60 + minute) * 60 + second
