"""Every record survives JSON unchanged; what is not a record is refused with the field's name."""

import json
import math

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truing.core.errors import DataError
from truing.core.records import (
    EARNING,
    FAULTS,
    Completion,
    FinishReason,
    Message,
    Outcome,
    Problem,
    Rollout,
    Verdict,
)

numbers = st.floats(allow_nan=False)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**60), 2**60) | numbers | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
objects = st.dictionaries(st.text(), json_values, max_size=4)
messages = st.builds(Message, st.text(), st.text())
problems = st.builds(
    Problem,
    id=st.text(),
    prompt=st.text() | st.lists(messages, max_size=3).map(tuple),
    reference=st.text(),
    verifier=st.text(),
    tests=st.lists(json_values, max_size=3).map(tuple),
    metadata=objects,
    split=st.text(),
)


@st.composite
def completions(draw: st.DrawFn) -> Completion:
    tokens = draw(st.lists(st.integers(0, 2**31), max_size=5))
    logprobs = draw(st.just([]) | st.lists(numbers, min_size=len(tokens), max_size=len(tokens)))
    return Completion(
        draw(st.text()),
        tuple(tokens),
        tuple(logprobs),
        draw(st.sampled_from(FinishReason)),
        draw(numbers),
        draw(st.integers(0, 100)),
    )


@st.composite
def verdicts(draw: st.DrawFn) -> Verdict:
    outcome = draw(st.sampled_from(Outcome))
    score = draw(st.floats(0, 1, exclude_min=True)) if outcome in EARNING else 0.0
    text = draw(st.none() | st.text())
    return Verdict(score, outcome, text, draw(st.text()), draw(objects), draw(numbers))


rollouts = st.builds(
    Rollout,
    st.integers(),
    st.integers(),
    st.integers(),
    problems,
    completions(),
    verdicts(),
    st.none() | numbers,
    st.none() | numbers,
)


@settings(deadline=None)
@given(messages | problems | completions() | verdicts() | rollouts)
def test_json_gives_the_same_record_back(record) -> None:
    assert type(record).from_json(json.loads(json.dumps(record.to_json()))) == record


@settings(deadline=None)
@given(rollouts)
def test_json_text_says_the_same(rollout: Rollout) -> None:
    assert json.loads(rollout.to_json_text()) == rollout.to_json()


@pytest.mark.parametrize(
    ("record", "value", "said"),
    [
        (Problem, {"prompt": "x"}, "not a Problem: id: "),
        (Problem, {"id": "1", "prompt": "x", "refrence": "2"}, "refrence: unknown key"),
        (Problem, {"id": 1, "prompt": "x"}, "id: Input should be a valid string"),
        (Problem, {"id": "1", "prompt": [{"role": "user"}]}, "content: "),
        (Completion, {"text": "a", "finish_reason": "bored"}, "finish_reason: "),
        (Completion, {"text": "a", "token_ids": [1], "logprobs": [-1, -2]}, "1 token ids but 2"),
        (Verdict, {"score": 2, "outcome": "partial"}, "must lie in"),
        (Verdict, {"score": 0.5, "outcome": "wrong"}, "cannot earn"),
        (Verdict, {"score": 0, "outcome": "correct"}, "needs a score above 0"),
        (Verdict, [1], "a JSON object is needed"),
        (Verdict, None, "a JSON object is needed"),
    ],
)
def test_what_is_no_record_is_refused_by_name(record, value, said: str) -> None:
    with pytest.raises(DataError, match=f"not a {record.__name__}") as caught:
        record.from_json(value)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_all_faults_of_a_record_are_named_at_once() -> None:
    with pytest.raises(DataError) as caught:
        Problem.from_json({"id": 1, "prompt": "x", "reference": 2, "wat": 3})
    assert all(name in str(caught.value) for name in ("id:", "reference:", "wat:"))


@pytest.mark.parametrize("score", [math.nan, math.inf, -0.1, 1.1])
def test_a_score_outside_0_to_1_is_no_verdict(score: float) -> None:
    with pytest.raises(DataError):
        Verdict(score, Outcome.PARTIAL)


@pytest.mark.parametrize("outcome", list(Outcome))
def test_a_fault_is_never_a_reward_and_a_failure_earns_nothing(outcome: Outcome) -> None:
    verdict = Verdict(1.0 if outcome in EARNING else 0.0, outcome)
    expected = None if outcome in FAULTS else float(outcome in EARNING)
    assert verdict.reward == expected
