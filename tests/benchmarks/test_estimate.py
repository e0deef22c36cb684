"""Hand-worked numbers, plain references and properties of the estimates."""

from itertools import combinations, product
from math import sqrt
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from truing.benchmarks.estimate import average, compare, pass_at_k, quantile, wilson
from truing.core.errors import DataError

SAMPLES = st.lists(st.lists(st.floats(0, 1), min_size=1, max_size=6), min_size=1, max_size=20)


def test_wilson_by_hand() -> None:
    """8 of 10 at z = 1.959964: (0.8 + z²/20 ± z √(0.016 + z²/400)) / (1 + z²/10)."""
    z = 1.959963984540054
    centre, spread = 0.8 + z * z / 20, z * sqrt(0.8 * 0.2 / 10 + z * z / 400)
    low, high = (centre - spread) / (1 + z * z / 10), (centre + spread) / (1 + z * z / 10)
    assert wilson(8, 10) == pytest.approx((low, high), abs=1e-12)
    assert wilson(8, 10) == pytest.approx((0.4901625, 0.9433178), abs=1e-6)
    assert wilson(81, 263) == pytest.approx((0.2553, 0.3662), abs=1e-4)  # Newcombe 1998, table I
    assert wilson(15, 148) == pytest.approx((0.0624, 0.1605), abs=1e-4)
    assert wilson(0, 20) == pytest.approx((0.0, 0.1611), abs=1e-4)
    assert wilson(1, 29) == pytest.approx((0.0061, 0.1718), abs=1e-4)


@given(st.integers(1, 500).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))))
def test_wilson_holds_the_share_and_is_symmetric(counts: tuple[int, int]) -> None:
    successes, n = counts
    low, high = wilson(successes, n)
    assert 0 <= low <= successes / n <= high <= 1
    mirrored = wilson(n - successes, n)
    assert mirrored == pytest.approx((1 - high, 1 - low), abs=1e-12)
    wider = wilson(successes, n, confidence=0.99)
    assert wider[0] <= low
    assert wider[1] >= high


@pytest.mark.parametrize("bad", [(1, 0), (-1, 5), (6, 5)])
def test_wilson_refuses_what_is_no_share(bad: tuple[int, int]) -> None:
    with pytest.raises(DataError, match="no share"):
        wilson(*bad)
    with pytest.raises(DataError, match="between 0 and 1"):
        wilson(1, 2, confidence=95)


def test_pass_at_k_is_the_share_of_subsets_with_a_right_sample() -> None:
    for n in range(1, 8):
        for correct in range(n + 1):
            for k in range(1, n + 1):
                subsets = list(combinations([1] * correct + [0] * (n - correct), k))
                share = sum(any(subset) for subset in subsets) / len(subsets)
                assert pass_at_k(n, correct, k) == pytest.approx(share)
    assert pass_at_k(200, 3, 1) == pytest.approx(0.015)
    with pytest.raises(DataError, match="pass@5"):
        pass_at_k(4, 1, 5)


def test_one_sample_a_problem_gives_the_wilson_interval() -> None:
    estimate = average([[1.0]] * 3 + [[0.0]] * 5)
    assert (estimate.low, estimate.high) == pytest.approx(wilson(3, 8))
    assert estimate.effective == pytest.approx(8)


def test_samples_that_only_repeat_each_other_add_nothing() -> None:
    once = average([[1.0], [0.0], [1.0]])
    repeated = average([[1.0] * 16, [0.0] * 16, [1.0] * 16])
    assert repeated.effective == pytest.approx(3)
    assert (repeated.low, repeated.high) == pytest.approx((once.low, once.high))
    assert repeated.standard_error == once.standard_error


def test_clustered_error_by_hand() -> None:
    """Means 1, 1/2, 0: deviation 1/2, so error 1/2 / √3; effective 3 · 1/4 over 1/6: 4.5."""
    estimate = average([[1, 1], [1, 0], [0, 0]])
    assert estimate.mean == 0.5
    assert estimate.standard_error == pytest.approx(0.5 / sqrt(3))
    assert estimate.effective == pytest.approx(4.5)
    assert (estimate.low, estimate.high) == pytest.approx(wilson(2.25, 4.5))


def test_problems_weigh_alike_however_many_of_their_samples_count() -> None:
    assert average([[1.0], [0.0, 0.0, 0.0], []]).mean == 0.5
    with pytest.raises(DataError, match="no graded sample"):
        average([[], []])


def test_all_right_is_no_certainty() -> None:
    estimate = average([[1.0] * 8] * 10)
    assert (estimate.low, estimate.high) == pytest.approx(wilson(10, 10))


@given(SAMPLES)
def test_the_interval_holds_the_mean_and_the_samples_bound_the_effective_number(
    scores: list[list[float]],
) -> None:
    estimate = average(scores)
    assert 0 <= estimate.low <= estimate.mean + 1e-9
    assert estimate.mean <= estimate.high + 1e-9 <= 1 + 2e-9
    assert estimate.effective <= max(sum(map(len, scores)), len(scores)) + 1e-9
    if all(len(samples) == len(scores[0]) for samples in scores):
        assert estimate.effective >= len(scores) * (1 - 1e-6)


def test_the_interval_covers_the_truth_where_counting_samples_as_problems_does_not() -> None:
    """30 problems of very different difficulty, 8 samples each: 95% must mean about 95%."""
    rng = Random(0)
    covered = naive = 0
    for _ in range(400):
        scores = []
        for _ in range(30):
            difficulty = rng.betavariate(0.3, 0.6)
            scores.append([float(rng.random() < difficulty) for _ in range(8)])
        estimate = average(scores)
        covered += estimate.low <= 1 / 3 <= estimate.high
        low, high = wilson(sum(map(sum, scores)), 240)
        naive += low <= 1 / 3 <= high
    assert 0.92 <= covered / 400 <= 0.98
    assert naive / 400 < 0.75


def test_mcnemar_by_hand() -> None:
    """5 problems won and 1 lost of 8: twice the tail (C(6,0) + C(6,1)) / 2^6 = 14/64."""
    first = [1, 1, 1, 1, 1, 0, 1, 0]
    second = [0, 0, 0, 0, 0, 1, 1, 0]
    comparison = compare(first, second)
    assert comparison.difference == 0.5
    assert comparison.p_value == pytest.approx(14 / 64)
    assert compare(second, first).p_value == comparison.p_value
    assert compare(first, first).p_value == 1
    assert comparison.standard_error == pytest.approx(sqrt((6 - 8 * 0.25) / 7 / 8))


def test_sign_flips_estimate_the_exact_probability() -> None:
    differences = [0.5, 0.25, 0.75, -0.25, 0.5, 0.25, 0.0]
    flips = [
        abs(sum(s * d for s, d in zip(signs, differences, strict=True))) >= sum(differences) - 1e-9
        for signs in product((-1, 1), repeat=7)
    ]
    comparison = compare(differences, [0.0] * 7)
    assert comparison.p_value == pytest.approx(sum(flips) / len(flips), abs=0.01)
    assert compare(differences, [0.0] * 7) == comparison  # seeded


def test_a_paired_test_needs_pairs() -> None:
    with pytest.raises(DataError, match="got 2 and 1"):
        compare([1, 0], [1])


def test_quantiles_by_hand() -> None:
    assert [quantile([4, 1, 3, 2], share) for share in (0, 0.5, 1)] == [1, 2.5, 4]
    assert quantile([7], 0.9) == 7
    with pytest.raises(DataError, match="no quantile"):
        quantile([], 0.5)
