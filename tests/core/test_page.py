import base64
import hashlib
import json
import re

from hypothesis import given
from hypothesis import strategies as st

from truing.core.page import (
    SampleCard,
    Section,
    code,
    facts,
    json_in_html,
    page,
    sample_browser,
    table,
)

EVIL = "</script></title></style><b onclick='x()'>\"&amp;"


@given(
    st.recursive(
        st.text() | st.integers() | st.none(), lambda v: st.lists(v) | st.just({}), max_leaves=8
    )
)
def test_json_in_html_reads_back_and_can_end_no_element(value):
    text = json_in_html(value)
    assert json.loads(text) == value
    assert not set(text) & set("<>&")


def test_whatever_is_text_is_escaped():
    html = page(
        EVIL,
        [
            Section("one", EVIL, table([EVIL], [[EVIL]]) + facts({EVIL: {"a": EVIL}}) + code(EVIL)),
            Section("two", EVIL, sample_browser(EVIL), folded=True),
        ],
        subtitle=EVIL,
        cards=[SampleCard(EVIL, {"stage": EVIL}, [(EVIL, EVIL)], [(EVIL, EVIL)], evidence=EVIL)],
    )
    assert "<b" not in html.replace("<body", "")
    assert html.count("</script>") == 2
    assert html.count("</title>") == html.count("</style>") == 1


def test_the_policy_names_the_only_script_that_may_run():
    html = page("t", [])
    script = re.findall(r"<script>(.*?)</script>", html, re.DOTALL)[-1]
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    assert f"default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-{digest}'" in html
    assert "innerHTML" not in script


def test_numbers_stand_to_the_right_and_are_readable():
    html = table(["n", "rate", "ok"], [[1234567, 0.70512, True]])
    assert '<td class="number">1,234,567</td><td class="number">0.7051</td><td>true</td>' in html


def test_sections_are_linked_from_the_top():
    html = page("t", [Section("curves", "Learning curves", "<p>x</p>")])
    assert '<a href="#curves">Learning curves</a>' in html
    assert '<section id="curves">' in html
