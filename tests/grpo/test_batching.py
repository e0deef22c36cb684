import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from truing.core.errors import DataError
from truing.grpo.batching import EpochOrder, TokenSequence, micro_batches, pad

LENGTHS = st.lists(st.tuples(st.integers(1, 9), st.integers(1, 9)), min_size=1, max_size=20)


def sequences(lengths: list[tuple[int, int]]) -> list[TokenSequence]:
    return [TokenSequence(tuple(range(1, p + 1)), tuple(range(100, 100 + c))) for p, c in lengths]


@given(LENGTHS, st.integers(1, 60))
def test_every_sequence_once_and_within_the_budget(
    lengths: list[tuple[int, int]], budget: int
) -> None:
    given = sequences(lengths)
    batches = micro_batches(given, budget)
    rows = [row for batch in batches for row in batch.rows]
    assert sorted(rows) == list(range(len(given)))
    for batch in batches:
        assert batch.tokens_BT.numel() <= budget or len(batch.rows) == 1
        for place, row in enumerate(batch.rows):
            real = batch.tokens_BT[place][batch.attention_BT[place]].tolist()
            assert real == [*given[row].prompt_ids, *given[row].completion_ids]
            scored = batch.tokens_BT[place][batch.scored_BT[place]].tolist()
            assert scored == list(given[row].completion_ids)


def test_values_land_on_their_tokens() -> None:
    batch = pad(sequences([(2, 1), (1, 3)]), (0, 1))
    spread = batch.spread([[5.0], [1.0, 2.0, 3.0]], torch.zeros((), dtype=torch.float64))
    assert spread.tolist() == [[0, 0, 5, 0], [0, 1, 2, 3]]


def test_empty_parts_are_refused() -> None:
    with pytest.raises(DataError, match="at least one"):
        TokenSequence((), (1,))
    with pytest.raises(DataError, match="at least one"):
        TokenSequence((1,), ())


@given(st.integers(1, 12), st.integers(0, 3), st.integers(0, 40), st.integers(0, 30))
def test_order_depends_on_position_alone(size: int, seed: int, start: int, count: int) -> None:
    order = EpochOrder(size, seed)
    one_by_one = [order.take(start + offset, 1)[0] for offset in range(count)]
    assert order.take(start, count) == one_by_one


def test_each_epoch_holds_each_item_once_in_a_new_order() -> None:
    order = EpochOrder(50, seed=3)
    first, second = order.take(0, 50), order.take(50, 50)
    assert sorted(first) == sorted(second) == list(range(50))
    assert first != second
