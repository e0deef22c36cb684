"""Generated problems: right references, distinct, disjoint, the same from the same seed."""

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from truing.core.errors import ConfigError, DataError, UnknownName
from truing.core.records import Problem
from truing.grpo.generators import GENERATORS, generate

OPTIONS = st.fixed_dictionaries(
    {
        "operations": st.lists(st.sampled_from("+-*"), min_size=1, max_size=3, unique=True),
        "max_operand": st.integers(50, 10_000),
        "terms": st.integers(2, 4),
        "wrong_share": st.floats(0, 0.9),
    }
)


def boxed(problem: Problem) -> str:
    found = re.fullmatch(r"\\boxed\{(-?\d+)\}", problem.metadata["response"])
    assert found, problem.metadata["response"]
    return found.group(1)


@settings(max_examples=60, deadline=None)
@given(OPTIONS, st.integers(1, 150), st.integers(0, 50), st.integers())
def test_references_are_right_and_the_parts_disjoint(
    options: dict[str, object], train: int, heldout: int, seed: int
) -> None:
    trained, held = generate("arithmetic", options, train=train, heldout=heldout, seed=seed)
    assert (len(trained), len(held)) == (train, heldout)
    prompts = [problem.prompt for problem in (*trained, *held)]
    assert len(set(prompts)) == len(prompts) == len({p.id for p in (*trained, *held)})
    for problem in (*trained, *held):
        assert re.fullmatch(r"[0-9+*-]+=", problem.prompt_text)
        assert str(eval(problem.prompt_text[:-1])) == problem.reference
    wrong = [problem for problem in trained if boxed(problem) != problem.reference]
    assert len(wrong) == round(options["wrong_share"] * train)  # type: ignore[operator]
    assert all(boxed(problem) == problem.reference for problem in held)


def test_a_seed_fixes_everything_and_held_out_problems_do_not_depend_on_the_training_part() -> None:
    options = {"wrong_share": 0.3}
    first = generate("arithmetic", options, train=100, heldout=50, seed=1)
    assert generate("arithmetic", options, train=100, heldout=50, seed=1) == first
    assert generate("arithmetic", options, train=400, heldout=50, seed=1)[1] == first[1]
    assert generate("arithmetic", options, train=100, heldout=50, seed=2) != first


def test_a_known_seed_gives_known_problems() -> None:
    """Runs of the past stay repeatable: this fails when the stream of a seed changes."""
    train, heldout = generate("arithmetic", {}, train=2, heldout=1, seed=0)
    assert [p.prompt for p in (*heldout, *train)] == ["9+94=", "46+26=", "6+59="]


def test_slips_are_one_digit_off() -> None:
    train, _ = generate("arithmetic", {"wrong_share": 0.99}, train=500, heldout=0, seed=3)
    for problem in train:
        off = abs(int(boxed(problem)) - int(problem.reference))
        assert off in (0, 1, 10, 100)
        assert int(boxed(problem)) >= 0  # sums of whole numbers are never answered below zero


def test_every_distinct_problem_can_be_had_and_not_one_more() -> None:
    options = {"max_operand": 9}
    train, heldout = generate("arithmetic", options, train=60, heldout=40, seed=0)
    assert len({p.prompt for p in (*train, *heldout)}) == 100
    with pytest.raises(DataError, match=r"gives 100 distinct problems .* but 101 are wanted"):
        generate("arithmetic", options, train=61, heldout=40, seed=0)


def test_products_bind_tighter_than_sums() -> None:
    options = {"operations": ["+", "-", "*"], "terms": 8, "max_operand": 12}
    train, _ = generate("arithmetic", options, train=200, heldout=0, seed=5)
    assert all(str(eval(p.prompt_text[:-1])) == p.reference for p in train)


def test_all_faults_of_the_options_are_listed_together() -> None:
    with pytest.raises(ConfigError) as fault:
        GENERATORS["arithmetic"]({"max_operant": 3, "terms": 1, "wrong_share": 1.0})
    message = str(fault.value)
    assert "did you mean max_operand?" in message
    assert "terms" in message
    assert "wrong_share" in message
    with pytest.raises(ConfigError, match=r"min_operand \(5\) is above max_operand \(3\)"):
        GENERATORS["arithmetic"]({"min_operand": 5, "max_operand": 3})


def test_an_unknown_generator_is_named_with_its_neighbour() -> None:
    with pytest.raises(UnknownName, match="Did you mean 'arithmetic'"):
        generate("arithmetics", {}, train=1, heldout=0, seed=0)
