"""The one HTML page template: self-contained, light and dark, safe with hostile text.

A page needs no network and runs from `file://`. Text from models goes in through `escape`, or as
JSON that `page.js` puts into the document as text nodes; a content security policy lets only that
one script run, whatever a completion holds.
"""

import base64
import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from html import escape
from importlib import resources

from .records import Json
from .series import readable


@dataclass(frozen=True, slots=True)
class Section:
    """A part of the page with an entry in its navigation.

    Attributes:
        id: its anchor; letters, digits and dashes.
        title: shown as heading, as plain text.
        html: the content; whoever makes it escapes what is not HTML.
        folded: True where it starts closed.
    """

    id: str
    title: str
    html: str
    folded: bool = False


@dataclass(frozen=True, slots=True)
class SampleCard:
    """One sample in the browser.

    Attributes:
        outcome: its colour and first filter.
        facets: what else one can filter by, such as stage and step, the same keys in every card.
        facts: small label and value pairs in the card's head.
        texts: label and text, long ones, shown as they are.
        notes: label and text, short ones.
        evidence: whatever else there is, shown on demand.
    """

    outcome: str
    facets: Mapping[str, str | int] = field(default_factory=dict)
    facts: Sequence[tuple[str, str]] = ()
    texts: Sequence[tuple[str, str]] = ()
    notes: Sequence[tuple[str, str]] = ()
    evidence: str = ""


def page(
    title: str,
    sections: Iterable[Section],
    *,
    subtitle: str = "",
    cards: Sequence[SampleCard] = (),
) -> str:
    """The whole document; `cards` fill the place that `sample_browser` leaves."""
    sections = list(sections)
    files = resources.files(__package__)
    style = files.joinpath("page.css").read_text(encoding="utf-8")
    script = files.joinpath("page.js").read_text(encoding="utf-8")
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    policy = f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'"
    links = "".join(f'<a href="#{s.id}">{escape(s.title)}</a>' for s in sections)
    return f"""<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>{escape(title)}</title>
<style>{style}</style>
</head>
<body>
<header><h1>{escape(title)}</h1><p>{escape(subtitle)}</p><nav>{links}</nav></header>
<main>
{"".join(_section(section) for section in sections)}</main>
<script type="application/json" id="cards">{json_in_html([asdict(c) for c in cards])}</script>
<script>{script}</script>
</body>
</html>
"""


def table(columns: Sequence[str], rows: Iterable[Sequence[Json]]) -> str:
    """An HTML table; cells are escaped, numbers stand to the right."""
    head = "".join(f'<th scope="col">{escape(column)}</th>' for column in columns)
    body = "".join("<tr>" + "".join(_cell(value) for value in row) + "</tr>" for row in rows)
    return (
        f'<div class="scroll"><table><thead><tr>{head}</tr></thead>'
        f"<tbody>{body}</tbody></table></div>"
    )


def facts(values: Mapping[str, Json]) -> str:
    """Names and values as a list; nested mappings are joined by dots."""
    rows = "".join(
        f"<dt>{escape(name)}</dt><dd>{escape(shown(value))}</dd>" for name, value in flat(values)
    )
    return f'<dl class="facts">{rows}</dl>'


def code(text: str) -> str:
    """Text as it is, in a box that scrolls and takes the keyboard's focus."""
    return f'<pre tabindex="0">{escape(text)}</pre>'


def paragraph(text: str) -> str:
    """Plain text as a paragraph."""
    return f"<p>{escape(text)}</p>"


def sample_browser(note: str, *, page_size: int = 5) -> str:
    """The place where `page.js` shows the page's cards, with filters and paging.

    Filters and page stand in the address, as in `#outcome=wrong&step=3&page=2`.
    """
    return (
        f"<p>{escape(note)}</p>"
        f'<div id="browser" data-page-size="{page_size}">'
        "<noscript>The samples are shown by a script, which is switched off here.</noscript></div>"
    )


def json_in_html(value: Json) -> str:
    """JSON that can stand inside a script element: nothing in it ends the element."""
    text = json.dumps(value, separators=(",", ":"))
    return text.replace("&", "\\u0026").replace("<", "\\u003c").replace(">", "\\u003e")


def flat(values: Mapping[str, Json], prefix: str = "") -> Iterable[tuple[str, Json]]:
    """Dotted name and value of each leaf.

    >>> list(flat({"git": {"commit": "ab12"}, "seed": 0}))
    [('git.commit', 'ab12'), ('seed', 0)]
    """
    for name, value in values.items():
        if isinstance(value, Mapping) and value:
            yield from flat(value, f"{prefix}{name}.")
        else:
            yield f"{prefix}{name}", value


def shown(value: Json) -> str:
    """A JSON value for people.

    >>> [shown(v) for v in (None, 0.123456, 1234567, "text", [1, 2])]
    ['–', '0.1235', '1,234,567', 'text', '[1, 2]']
    """
    if value is None:
        return "–"
    if isinstance(value, str):
        return value
    if isinstance(value, int) and not isinstance(value, bool):
        return f"{value:,}"
    return readable(value) if isinstance(value, float) else json.dumps(value)


def _cell(value: Json) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    kind = ' class="number"' if number else ""
    return f"<td{kind}>{escape(shown(value))}</td>"


def _section(section: Section) -> str:
    if section.folded:
        return (
            f'<section id="{section.id}"><details><summary><h2>{escape(section.title)}</h2>'
            f"</summary>{section.html}</details></section>\n"
        )
    return f'<section id="{section.id}"><h2>{escape(section.title)}</h2>{section.html}</section>\n'
