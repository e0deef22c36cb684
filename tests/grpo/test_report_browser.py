"""The report in a real browser, driven over chromium's own debugging pipe: no driver needed."""

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from truing.grpo.report import write_report

pytestmark = pytest.mark.browser
FLAGS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-sync "
    "--disable-background-networking --disable-component-update --window-size=1280,900"
)

# Puts the pipe's ends where chromium looks for them, then becomes chromium.
AT_3_AND_4 = """
import fcntl, os, sys
ends = [fcntl.fcntl(int(end), fcntl.F_DUPFD, 10) for end in sys.argv[1:3]]
os.dup2(ends[0], 3)
os.dup2(ends[1], 4)
os.execv(sys.argv[3], sys.argv[3:])
"""


class Page:
    """One tab. Commands go as JSON ended by NUL through descriptors 3 and 4 of the browser."""

    def __init__(self, chromium: str, profile: Path) -> None:
        self._in, theirs_in = os.pipe()[::-1]
        theirs_out, self._out = os.pipe()[::-1]
        start = [sys.executable, "-c", AT_3_AND_4, str(theirs_in), str(theirs_out), chromium]
        self._process = subprocess.Popen(
            [*start, "--remote-debugging-pipe", f"--user-data-dir={profile}", *FLAGS.split()],
            pass_fds=(theirs_in, theirs_out),
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        )
        os.close(theirs_in)
        os.close(theirs_out)
        self._waiting = b""
        self._number = 0
        self._session: str | None = None
        self.events: list[dict[str, Any]] = []
        # A tab of our own: the one that the browser opens has a page of its own to load.
        target = self.call("Target.createTarget", url="about:blank")["targetId"]
        attached = self.call("Target.attachToTarget", targetId=target, flatten=True)
        self._session = attached["sessionId"]
        for domain in ("Page", "Runtime", "Network", "Log"):
            self.call(f"{domain}.enable")

    def call(self, method: str, **parameters: Any) -> Any:
        self._number += 1
        message = {"id": self._number, "method": method, "params": parameters}
        if self._session:
            message["sessionId"] = self._session
        os.write(self._in, json.dumps(message).encode() + b"\0")
        while (answer := self._receive()).get("id") != self._number:
            self.events.append(answer)
        assert "error" not in answer, answer
        return answer["result"]

    def open(self, address: str) -> None:
        self.call("Page.navigate", url="about:blank")
        self.call("Page.navigate", url=address)
        self._until_loaded()

    def ask(self, expression: str) -> Any:
        """The value of a JavaScript expression in the page."""
        result = self.call("Runtime.evaluate", expression=expression, returnByValue=True)
        assert "exceptionDetails" not in result, result
        return result["result"].get("value")

    def press(self, key: str) -> None:
        for kind in ("keyDown", "keyUp"):
            self.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)

    def close(self) -> None:
        os.close(self._in)  # chromium ends when its pipe does
        os.close(self._out)
        try:
            self._process.wait(timeout=20)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()

    def _until_loaded(self) -> None:
        complete = "document.readyState === 'complete' && location.href !== 'about:blank'"
        for _ in range(10_000):
            if self.ask(complete):
                return
        raise AssertionError("the page never finished loading")

    def _receive(self) -> dict[str, Any]:
        while b"\0" not in self._waiting:
            data = os.read(self._out, 1 << 16)
            assert data, "the browser ended"
            self._waiting += data
        message, _, self._waiting = self._waiting.partition(b"\0")
        return json.loads(message)


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Page]:
    chromium = shutil.which("chromium") or shutil.which("chromium-browser")
    if chromium is None:
        pytest.skip("no chromium here; on Debian: apt-get install chromium")
    opened = Page(chromium, tmp_path_factory.mktemp("profile"))
    yield opened
    opened.close()


@pytest.fixture(scope="module")
def address(run_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> str:
    return write_report(run_folder, tmp_path_factory.mktemp("report") / "page.html").as_uri()


OUTCOMES = "[...document.querySelectorAll('.card')].map(card => card.dataset.outcome)"
WHERE = "document.querySelector('.pager span').textContent"
FIRST = "document.querySelector('.card').textContent"


def test_the_page_opens_shows_samples_and_asks_the_network_for_nothing(page, address):
    page.events.clear()
    page.open(address)
    assert page.ask("document.title") == "Run demo"
    assert len(page.ask(OUTCOMES)) == 5
    assert page.ask("document.querySelectorAll('figure svg path[stroke]').length") > 20
    requests = [
        event["params"]["request"]["url"]
        for event in page.events
        if event["method"] == "Network.requestWillBeSent"
    ]
    assert {url for url in requests if url != "about:blank"} == {address}
    faults = ("Runtime.exceptionThrown", "Log.entryAdded")
    assert [event for event in page.events if event["method"] in faults] == []


def test_the_address_chooses_outcome_step_and_page(page, address):
    page.open(f"{address}#outcome=wrong&page=2")
    assert page.ask(OUTCOMES) == ["wrong"] * 5
    assert page.ask(WHERE).startswith("page 2 of 24 · samples 6–10 of 120")
    page.open(f"{address}#step=3")
    assert "step 3" in page.ask(FIRST)
    page.open(f"{address}#outcome=wrong&page=999")
    assert page.ask(WHERE).startswith("page 24 of 24")
    page.open(f"{address}#outcome=nonsense")
    assert page.ask(WHERE) == "no sample matches"


def test_buttons_keys_and_filters_page_and_keep_the_address(page, address):
    page.open(address)
    first = page.ask(FIRST)
    page.press("ArrowRight")
    assert page.ask(WHERE).startswith("page 2 ")
    assert page.ask("location.hash") == "#page=2"
    assert page.ask(FIRST) != first
    page.press("ArrowLeft")
    page.press("ArrowLeft")
    assert page.ask(FIRST) == first
    page.ask("document.querySelectorAll('.pager button')[1].click()")
    assert page.ask(WHERE).startswith("page 2 ")
    choose = "const s = document.querySelector('select[name=outcome]'); s.value = 'truncated';"
    page.ask(f"{{ {choose} s.dispatchEvent(new Event('change')) }}")
    assert set(page.ask(OUTCOMES)) == {"truncated"}
    assert page.ask("location.hash") == "#outcome=truncated"
    page.ask("document.querySelector('input[type=search]').focus()")
    page.press("ArrowRight")  # moves the cursor in the text, not the page
    assert page.ask(WHERE).startswith("page 1 ")


def test_a_hostile_completion_stays_text(page, address, hostile):
    page.open(f"{address}#outcome=no_answer&text=owned")
    texts = page.ask("[...document.querySelectorAll('.card pre')].map(pre => pre.textContent)")
    assert any(hostile in text for text in texts)
    assert page.ask("document.title") == "Run demo"
    assert page.ask("document.querySelectorAll('img').length") == 0
    assert page.ask("document.querySelectorAll('script').length") == 2


def test_nothing_is_wider_than_a_telephone(page, address):
    page.call(
        "Emulation.setDeviceMetricsOverride",
        width=420,
        height=800,
        deviceScaleFactor=1,
        mobile=True,
    )
    page.open(f"{address}#outcome=no_answer")
    assert page.ask("document.documentElement.scrollWidth") <= 420
    page.call("Emulation.clearDeviceMetricsOverride")
