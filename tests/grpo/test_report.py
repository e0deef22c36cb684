import json
import re
import shutil
from collections import Counter
from html.parser import HTMLParser
from pathlib import Path

import pytest

from truing.cli import run
from truing.core.errors import DataError
from truing.core.records import Completion, Outcome, Problem, Rollout, Verdict
from truing.grpo.logs import RunLog, read_lines
from truing.grpo.report import write_report
from truing.grpo.samples import TEXT, Thinned, collect


class Reading(HTMLParser):
    """The page as a browser's parser sees it: elements, what they hold, what they fetch."""

    def __init__(self, page: Path) -> None:
        super().__init__()
        self.opened: Counter[str] = Counter()
        self.fetched: list[str] = []
        self.scripts: list[str] = []
        self.text = ""
        self._inside: list[str] = []
        self.feed(page.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.opened[tag] += 1
        self._inside.append(tag)
        self.fetched += [
            value or "" for name, value in attrs if name in ("src", "href") and value[:1] != "#"
        ]
        if tag == "script":
            self.scripts.append("")

    def handle_endtag(self, tag: str) -> None:
        while self._inside and self._inside.pop() != tag:
            pass

    def handle_data(self, data: str) -> None:
        if self._inside and self._inside[-1] == "script":
            self.scripts[-1] += data
        else:
            self.text += data


def test_the_page_holds_results_curves_samples_and_configuration(run_folder, tmp_path):
    page = write_report(run_folder, tmp_path / "deep" / "page.html")
    seen = Reading(page)
    for text in ("after grpo", "70.5%", "Reward", "Held-out accuracy", "grpo · 40 steps"):
        assert text in seen.text
    assert "0 at every step: samples/never." in seen.text
    for text in ("group_size = 4", "packages.torch", "2.13.0", "c0ffee", "samples/excluded"):
        assert text in seen.text
    assert seen.opened["svg"] > 20
    lines = list(read_lines(run_folder / "metrics.jsonl"))
    judged = sum(line.get("outcome/correct", 0) for line in lines)
    assert f"correct{judged:.0f}" in seen.text.replace(" ", "")


def test_the_page_fetches_nothing_and_runs_only_its_own_script(run_folder, tmp_path, hostile):
    seen = Reading(write_report(run_folder, tmp_path / "page.html"))
    assert seen.fetched == []
    cards, script = seen.scripts
    texts = [dict(card["texts"])["Completion"] for card in json.loads(cards)]
    assert any(hostile in text for text in texts)
    assert "owned" not in script
    assert seen.opened["img"] == 0


def test_samples_are_bounded_and_spread_over_the_run(run_folder):
    cards, note = collect(run_folder, each=10)
    counts = Counter(card.outcome for card in cards)
    assert max(counts.values()) == 10
    assert set(counts) >= {"correct", "wrong", "no_answer", "truncated", "verifier_error"}
    steps = [card.facets["step"] for card in cards if card.outcome == "correct"]
    assert steps == sorted(steps)
    assert steps[0] <= 8
    assert steps[-1] >= 32
    assert note.startswith(f"{len(cards)} of 640 samples: at most 10 of each outcome")
    every, note = collect(run_folder, each=1000)
    assert len(every) == 640
    assert note.startswith("All 640 samples")


@pytest.mark.parametrize("count", [0, 1, 5, 10, 11, 20, 21, 1000])
def test_thinning_keeps_at_most_the_limit_in_order(count):
    thinned = Thinned(limit=10)
    for number in range(count):
        thinned.offer(number)
    chosen = thinned.chosen()
    assert len(chosen) == min(count, 10)
    assert chosen == sorted(set(chosen))
    assert thinned.seen == count


def test_long_texts_are_cut_and_say_so(tmp_path):
    log = RunLog(tmp_path, trackers=())
    log.metrics("grpo", 1, {"loss": 1.0})
    text = "begin" + "x" * 5 * TEXT + "end"
    problem = Problem("1", "2+2?", tests=({"input": 1},))
    log.rollouts("grpo", [Rollout(1, 0, 0, problem, Completion(text), Verdict.wrong("5"))])
    log.close()
    ((card,), _) = collect(tmp_path)
    shown = dict(card.texts)["Completion"]
    assert len(shown) < TEXT + 100
    assert shown.startswith("begin")
    assert shown.endswith("end")
    assert "48,008 characters are left out" in shown
    assert '"input": 1' in card.evidence


def test_a_live_run_with_nothing_but_torn_metrics_has_a_report(tmp_path):
    log = RunLog(tmp_path, trackers=())
    log.metrics("sft", 1, {"loss": 1.0})
    with (tmp_path / "metrics.jsonl").open("a") as file:
        file.write('{"stage": "sft", "st')
    seen = Reading(write_report(tmp_path))
    log.close()
    assert "The run has not finished" in seen.text
    assert "The run kept no samples" in seen.text


def test_dropped_segments_are_told(tmp_path):
    log = RunLog(tmp_path, trackers=(), rollout_bytes=2000)
    one = Rollout(1, 0, 0, Problem("1", "2+2?"), Completion("4"), Verdict.correct("4"))
    log.metrics("grpo", 1, {"loss": 1.0})
    log.rollouts("grpo", [one] * 40)
    log.close()
    assert "oldest rollout files were deleted" in Reading(write_report(tmp_path)).text


def test_outcomes_of_the_page_have_a_colour(root):
    style = (root / "core" / "page.css").read_text()
    for outcome in Outcome:
        assert len(re.findall(rf"--{outcome.value}:", style)) == 2  # light and dark


def test_what_is_no_run_folder_is_refused(tmp_path):
    with pytest.raises(DataError, match="there is no such folder"):
        write_report(tmp_path / "absent")
    with pytest.raises(DataError, match=r"no metrics\.jsonl in it"):
        write_report(tmp_path)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("metrics.jsonl", "{}\nnonsense\n", "metrics.jsonl, line 2, is damaged"),
        ("metrics.jsonl", "{}\n", "metrics.jsonl holds a line without stage"),
        ("metrics.jsonl", "[]\n", "line 1, is not a JSON object"),
        ("rollouts-00000.jsonl", "{\n", "rollouts-00000.jsonl, line 1"),
        ("rollouts-00000.jsonl", '{"step": 1}\n', "jsonl holds a line that is not a rollout"),
        (
            "rollouts-00000.jsonl",
            '{"stage": "grpo", "verdict": {"outcome": "wrong"}}\n',
            "rollouts-00000.jsonl: not a Rollout: step",
        ),
        ("summary.json", "{", "summary.json is not JSON"),
    ],
)
def test_damaged_files_are_named(run_folder, tmp_path, name, content, message):
    folder = shutil.copytree(run_folder, tmp_path / "run")
    (folder / name).write_text(content)
    with pytest.raises(DataError, match=message):
        write_report(folder)


def test_the_command_writes_the_page_and_names_it(run_folder, tmp_path, capsys):
    page = tmp_path / "page.html"
    assert run(["report", str(run_folder), "--output", str(page), "--samples", "3"]) == 0
    assert capsys.readouterr().out.strip() == str(page)
    assert page.is_file()
    assert run(["report", str(tmp_path / "absent")]) == 2
    assert "is not a run folder" in capsys.readouterr().err
