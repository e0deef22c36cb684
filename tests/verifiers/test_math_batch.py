"""Many pairs at once, and the calls of Math-Verify answered."""

import itertools

from truing.verifiers.adapters.math_verify import parse, verify
from truing.verifiers.batch import verify_many

PAIRS = [("1/2", "0.5"), ("3", "4"), ("9^{9^{9^9}}", "1"), ("1/3", r"\int_0^1 x^2 dx"), ("x", "x")]
OUTCOMES = ["correct", "wrong", "undecided", "correct", "correct"]


def test_order_is_kept_in_one_process_and_in_several() -> None:
    for workers in (1, 2):
        verdicts = verify_many(PAIRS * 3, workers=workers)
        assert [verdict.outcome.value for verdict in verdicts] == OUTCOMES * 3


def test_an_endless_source_is_read_no_further_than_needed() -> None:
    endless = (("1", str(number)) for number in itertools.count())
    assert [v.score for v in itertools.islice(verify_many(endless), 3)] == [0.0, 1.0, 0.0]


def test_options_reach_the_verifier_and_progress_is_drawn(capsys: object) -> None:
    verdicts = verify_many([(r"so \boxed{1}", "1")], extraction="strict", progress=True)
    assert [verdict.score for verdict in verdicts] == [1.0]


def test_the_calls_of_math_verify() -> None:
    assert verify(parse("$[0,1)$"), parse("the domain is $[0, 1)$."))
    assert not verify(parse("$7$"), parse(r"\boxed{8 = 7}"))
    assert not parse("nothing here")
    assert verify("1/3", "0.33", rounded_digits=2)
