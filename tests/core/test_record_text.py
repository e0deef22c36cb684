import json
import math

import pytest

from truing.core.records import Completion, FinishReason, Outcome, Problem, Rollout, Verdict

RECORDS = [
    Completion("4", (19, 2), (-0.1, -1e-310)),
    Completion("a null in words", (19,), (-math.inf,), FinishReason.LENGTH),
    Completion('half a pair \ud800, a quote " and a line\nbreak \u2028'),
    Verdict(0.0, Outcome.NO_ANSWER),
    Rollout(1, 0, 0, Problem("1", "2+2?"), Completion("4"), Verdict.correct("4", bound=None)),
]


@pytest.mark.parametrize("record", RECORDS, ids=lambda record: type(record).__name__)
def test_json_text_reads_back_as_the_same_record_and_the_same_json(record):
    text = record.to_json_text()
    assert "\n" not in text
    assert json.loads(text) == record.to_json()
    assert type(record).from_json(json.loads(text)) == record
