import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from truing.core.errors import ShapeError
from truing.grpo.losses import (
    Aggregation,
    BatchTotals,
    clipped_mask,
    clipped_surrogate,
    k3_kl,
    negative_log_likelihood,
    token_weights,
)

FLOAT = torch.float64


def surrogate(ratio: float, advantage: float, low: float = 0.2, high: float = 0.2) -> float:
    now = torch.tensor([[math.log(ratio)]], dtype=FLOAT)
    old = torch.zeros(1, 1, dtype=FLOAT)
    at = torch.tensor([advantage], dtype=FLOAT)
    return clipped_surrogate(now, old, at, clip_low=low, clip_high=high).item()


@pytest.mark.parametrize(
    ("ratio", "advantage", "expected"),
    [
        (1.0, 2.0, -2.0),
        (1.5, 2.0, -2.4),  # clipped at 1.2
        (0.5, 2.0, -1.0),  # a fall is never clipped for a good sample
        (0.5, -2.0, 1.6),  # clipped at 0.8
        (1.5, -2.0, 3.0),  # a rise is never clipped for a bad one
    ],
)
def test_surrogate_by_hand(ratio: float, advantage: float, expected: float) -> None:
    assert surrogate(ratio, advantage) == pytest.approx(expected)


def test_clip_higher_has_its_own_bound() -> None:
    assert surrogate(1.27, 1.0, high=0.28) == pytest.approx(-1.27)
    assert surrogate(1.5, 1.0, high=0.28) == pytest.approx(-1.28)
    assert surrogate(0.7, -1.0, high=0.28) == pytest.approx(0.8)


def test_on_policy_gradient_is_reinforce() -> None:
    logprobs = torch.tensor([[-0.3, -2.0], [-1.0, -0.1]], dtype=FLOAT, requires_grad=True)
    advantages = torch.tensor([1.5, -0.5], dtype=FLOAT)
    clipped_surrogate(logprobs, logprobs.detach(), advantages).sum().backward()
    assert torch.allclose(logprobs.grad, -advantages[:, None].expand(2, 2))


def test_clipped_tokens_are_those_without_gradient() -> None:
    logprobs = torch.linspace(-1, 1, 11, dtype=FLOAT).repeat(2, 1).requires_grad_()
    advantages = torch.tensor([1.0, -1.0], dtype=FLOAT)
    old = torch.zeros(2, 11, dtype=FLOAT)
    clipped_surrogate(logprobs, old, advantages).sum().backward()
    assert torch.equal(logprobs.grad == 0, clipped_mask(logprobs.detach(), old, advantages))


def test_k3_by_hand() -> None:
    now = torch.tensor([[0.0, 0.0, math.log(2)]], dtype=FLOAT)
    reference = torch.tensor([[0.0, math.log(2), 0.0]], dtype=FLOAT)
    # d = 0, ln 2, -ln 2: 0; 2 - ln 2 - 1; 1/2 + ln 2 - 1
    expected = torch.tensor([[0.0, 1 - math.log(2), math.log(2) - 0.5]], dtype=FLOAT)
    assert torch.allclose(k3_kl(now, reference), expected)


@given(st.lists(st.floats(-20, 0), min_size=1, max_size=6), st.floats(-5, 0))
def test_k3_is_never_negative(logprobs: list[float], reference: float) -> None:
    now = torch.tensor([logprobs], dtype=FLOAT)
    assert (k3_kl(now, torch.full_like(now, reference)) >= 0).all()


def test_k3_expectation_is_the_kl() -> None:
    p = torch.tensor([0.7, 0.2, 0.1], dtype=FLOAT)
    q = torch.tensor([0.3, 0.3, 0.4], dtype=FLOAT)
    estimate = (p * k3_kl(p.log()[None], q.log()[None])[0]).sum()
    assert torch.isclose(estimate, (p * (p / q).log()).sum())


def test_gradients_by_finite_differences() -> None:
    generator = torch.Generator().manual_seed(0)
    now = -torch.rand(3, 4, dtype=FLOAT, generator=generator)
    now.requires_grad_()
    old = -torch.rand(3, 4, dtype=FLOAT, generator=generator)
    advantages = torch.randn(3, dtype=FLOAT, generator=generator)
    assert torch.autograd.gradcheck(lambda x: clipped_surrogate(x, old, advantages), (now,))
    assert torch.autograd.gradcheck(lambda x: k3_kl(x, old), (now,))


MASK = torch.tensor([[0, 1, 1, 1], [0, 0, 1, 0]], dtype=torch.bool)
TOTALS = BatchTotals(sequences=2, tokens=4, longest=8)


@pytest.mark.parametrize(
    ("aggregation", "expected"),
    [
        (Aggregation.TOKEN_MEAN, [[0, 0.25, 0.25, 0.25], [0, 0, 0.25, 0]]),
        (Aggregation.SEQUENCE_MEAN, [[0, 1 / 6, 1 / 6, 1 / 6], [0, 0, 0.5, 0]]),
        (Aggregation.FIXED_LENGTH, [[0, 1 / 16, 1 / 16, 1 / 16], [0, 0, 1 / 16, 0]]),
    ],
)
def test_weights_by_hand(aggregation: Aggregation, expected: list[list[float]]) -> None:
    found = token_weights(MASK, aggregation, TOTALS)
    assert torch.allclose(found, torch.tensor(expected, dtype=FLOAT))


def test_supervised_loss() -> None:
    assert negative_log_likelihood(torch.tensor([[-2.0]])).item() == 2.0


def test_shapes_are_checked() -> None:
    with pytest.raises(ShapeError, match="shapes differ"):
        k3_kl(torch.zeros(1, 2), torch.zeros(2, 1))
    with pytest.raises(ShapeError, match="advantages"):
        clipped_surrogate(torch.zeros(2, 3), torch.zeros(2, 3), torch.zeros(3))
