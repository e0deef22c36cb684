import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from truing.core.errors import ShapeError
from truing.grpo.advantage import equal_rewards, group_relative

REWARDS = st.lists(st.floats(0, 1, width=32), min_size=2, max_size=8)


def test_hand_worked_group() -> None:
    # mean 0.5, sample std sqrt(1/3): +-0.5 / 0.57735 = +-0.8660
    rewards = torch.tensor([[1.0, 0.0, 1.0, 0.0]], dtype=torch.float64)
    expected = torch.tensor([[0.8660254, -0.8660254, 0.8660254, -0.8660254]], dtype=torch.float64)
    assert torch.allclose(group_relative(rewards, eps=0.0), expected, atol=1e-7)


def test_without_scaling_it_is_the_centred_reward() -> None:
    rewards = torch.tensor([[1.0, 0.0, 0.0, 0.0]])
    expected = torch.tensor([[0.75, -0.25, -0.25, -0.25]])
    assert torch.equal(group_relative(rewards, scale_by_std=False), expected)


def test_excluded_samples_do_not_move_the_others() -> None:
    with_fault = torch.tensor([[1.0, 0.0, 0.9, 1.0]], dtype=torch.float64)
    valid = torch.tensor([[True, True, False, True]])
    alone = group_relative(torch.tensor([[1.0, 0.0, 1.0]], dtype=torch.float64))
    found = group_relative(with_fault, valid)
    assert torch.allclose(found[0, [0, 1, 3]], alone[0])
    assert found[0, 2] == 0


@pytest.mark.parametrize("value", [0.0, 1.0, 0.1, 1 / 3])
def test_equal_rewards_give_exact_zeros(value: float) -> None:
    rewards = torch.full((1, 7), value, dtype=torch.float64)
    assert torch.equal(group_relative(rewards), torch.zeros(1, 7, dtype=torch.float64))
    assert equal_rewards(rewards, torch.ones(1, 7, dtype=torch.bool)).item()


def test_a_single_counted_sample_teaches_nothing() -> None:
    valid = torch.tensor([[True, False], [False, False]])
    assert torch.equal(group_relative(torch.ones(2, 2), valid), torch.zeros(2, 2))


@given(REWARDS, st.floats(-3, 3))
def test_shifting_rewards_leaves_advantages(rewards: list[float], shift: float) -> None:
    row = torch.tensor([rewards], dtype=torch.float64)
    if row.std() < 1e-3:  # shifting may merge rewards that differ by rounding only
        return
    assert torch.allclose(group_relative(row), group_relative(row + shift), atol=1e-6)


@given(REWARDS)
def test_against_a_plain_loop(rewards: list[float]) -> None:
    mean = sum(rewards) / len(rewards)
    std = (sum((r - mean) ** 2 for r in rewards) / (len(rewards) - 1)) ** 0.5
    expected = [0.0 if len(set(rewards)) == 1 else (r - mean) / (std + 1e-6) for r in rewards]
    found = group_relative(torch.tensor([rewards], dtype=torch.float64))[0].tolist()
    assert found == pytest.approx(expected, abs=1e-9)


def test_wrong_shapes_are_refused() -> None:
    with pytest.raises(ShapeError, match="must be"):
        group_relative(torch.zeros(3))
    with pytest.raises(ShapeError, match="valid is"):
        group_relative(torch.zeros(2, 3), torch.ones(3, 2, dtype=torch.bool))
