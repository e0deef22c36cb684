"""What a verifier puts into its evidence survives as it was, or is refused; it never changes."""

import json
import math

import numpy as np
import pytest

from truing.core.errors import DataError
from truing.core.records import Outcome, Verdict


def test_numbers_that_json_has_no_word_for_survive() -> None:
    verdict = Verdict.wrong("1", points=[math.inf, -math.inf, None], bound={"high": math.inf})
    assert verdict.to_json()["evidence"]["points"] == [math.inf, -math.inf, None]
    assert Verdict.from_json(json.loads(verdict.to_json_text())) == verdict


def test_kinds_of_text_and_number_become_plain() -> None:
    plain = Verdict.wrong("1", a=Outcome.WRONG, b=np.float64(0.5), c=(1, "x"), d={1: 2}).to_json()
    assert plain["evidence"] == {"a": "wrong", "b": 0.5, "c": [1, "x"], "d": {"1": 2}}
    assert [type(plain["evidence"][key]) for key in "abc"] == [str, float, list]


@pytest.mark.parametrize("value", [object(), {1, 2}, np.zeros(2), b"bytes", 1j])
def test_what_json_cannot_hold_is_refused(value: object) -> None:
    with pytest.raises(DataError, match="which JSON cannot hold"):
        Verdict.wrong("1", found=value).to_json()
    with pytest.raises(DataError, match="which JSON cannot hold"):
        Verdict.wrong("1", found=[None, {"deep": value}]).to_json_text()
