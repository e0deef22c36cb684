"""Accuracy and its uncertainty: pure functions of counts and scores.

Two things make an interval too narrow: treating several samples of one problem as if they were
several problems, and the normal approximation near 0 and 1. Here problems are the clusters, and
intervals are Wilson's, on as many independent answers as the samples are worth.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb, sqrt
from random import Random
from statistics import NormalDist, fmean

from ..core.errors import DataError

SIGN_FLIPS = 20_000


@dataclass(frozen=True, slots=True)
class Estimate:
    """A mean with its interval.

    Attributes:
        mean: the estimate.
        low: lower end of the interval.
        high: upper end.
        standard_error: of the mean, over problems; 0 where all problems score alike.
        effective: how many independent answers the samples are worth; the interval rests on it.
    """

    mean: float
    low: float
    high: float
    standard_error: float
    effective: float


@dataclass(frozen=True, slots=True)
class Comparison:
    """Two models on the same problems: the first less the second.

    Attributes:
        difference: mean over problems.
        low: lower end of its interval.
        high: upper end.
        standard_error: of the difference, over problems.
        p_value: two-sided, of no difference.
    """

    difference: float
    low: float
    high: float
    standard_error: float
    p_value: float


def wilson(successes: float, n: float, confidence: float = 0.95) -> tuple[float, float]:
    """The score interval of a share (Wilson 1927): inside [0, 1], and sound at 0 and n.

    Args:
        successes: in [0, n]; need not be whole where it stands for partial scores.
        n: independent trials; need not be whole where it is an effective number.
        confidence: in (0, 1).

    Raises:
        DataError: an argument is out of range.

    >>> low, high = wilson(8, 10)
    >>> print(f"{low:.4f} {high:.4f}")
    0.4902 0.9433
    """
    if not (n > 0 and 0 <= successes <= n):
        raise DataError(f"no share of {successes} in {n}: successes must lie in [0, n] and n > 0")
    z, share = _z(confidence), successes / n
    centre = share + z * z / (2 * n)
    spread = z * sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    low = 0.0 if successes == 0 else (centre - spread) / scale
    high = 1.0 if successes == n else (centre + spread) / scale
    return max(low, 0.0), min(high, 1.0)


def pass_at_k(n: int, correct: int, k: int) -> float:
    """Chance that one of k samples at least is right, unbiased (Chen et al. 2021, 2107.03374).

    Args:
        n: samples that there are, not the number that was asked for.
        correct: right ones among them.
        k: at most n.

    Raises:
        DataError: k or `correct` is out of range.

    >>> pass_at_k(4, 2, 2) == 1 - 1 / 6
    True
    """
    if not (1 <= k <= n and 0 <= correct <= n):
        raise DataError(f"pass@{k} of {correct} right in {n}: need 1 <= k <= n, 0 <= right <= n")
    return 1.0 - comb(n - correct, k) / comb(n, k)


def average(scores: Sequence[Sequence[float]], confidence: float = 0.95) -> Estimate:
    """Accuracy as avg@k: the mean over problems of each problem's mean score.

    The standard error is over problems, that is, clustered (Miller 2024, arXiv:2411.00640): it
    asks how the accuracy would vary with other problems of the same kind and other samples. The
    interval is Wilson's on the effective number of answers, as Korn and Graubard (1998) do for
    surveys: so many independent right-or-wrong answers would vary as much as these means do. That
    number is at most the samples there are. It is the number of problems where each has one sample
    (so the interval is Wilson's own), where the samples of each problem all agree, and, to be
    careful, where the problems do not differ at all, which says nothing of their spread.

    Args:
        scores: for each problem the scores of its samples, each in [0, 1]; problems without a
            sample are left out.
        confidence: in (0, 1).

    Raises:
        DataError: there is no sample.

    >>> average([[1.0], [0.0], [1.0], [1.0]]).mean
    0.75
    """
    means = [fmean(samples) for samples in scores if samples]
    if not means:
        raise DataError("no graded sample, so there is no accuracy")
    problems, samples = len(means), sum(map(len, scores))
    mean = fmean(means)
    spread = fmean([(value - mean) ** 2 for value in means])
    effective = float(problems)
    if spread > 0:
        effective = min(float(samples), problems * mean * (1 - mean) / spread)
    low, high = wilson(min(mean * effective, effective), effective, confidence)
    return Estimate(mean, low, high, _standard_error(means), effective)


def compare(
    first: Sequence[float], second: Sequence[float], confidence: float = 0.95, seed: int = 0
) -> Comparison:
    """Whether one model beats another on the same problems.

    Both see the same problems, so only the differences count. Under no difference each one's sign
    is a coin's: where all are -1, 0 or 1 that is McNemar's exact test; else 20,000 seeded draws of
    signs estimate the same probability. The interval is the normal one over problems.

    Args:
        first: the mean score of each problem.
        second: the same, in the same order.
        confidence: in (0, 1).
        seed: of the draws.

    Raises:
        DataError: the two have different lengths, or fewer than 2 problems.

    >>> compare([1, 1, 1, 1, 1, 0], [0, 0, 0, 0, 0, 0]).p_value
    0.0625
    """
    if len(first) != len(second) or len(first) < 2:
        raise DataError(
            f"a paired test needs the same problems twice, at least 2; got {len(first)} and "
            f"{len(second)}"
        )
    differences = [a - b for a, b in zip(first, second, strict=True)]
    mean, error = fmean(differences), _standard_error(differences)
    reach = _z(confidence) * error
    moved = [d for d in differences if d]
    exact = all(abs(d) == 1 for d in moved)
    p_value = _mcnemar(moved) if exact else _sign_flips(moved, seed)
    return Comparison(mean, mean - reach, mean + reach, error, p_value)


def quantile(values: Sequence[float], share: float) -> float:
    """The value below which `share` of the values lie, linear between neighbours.

    >>> quantile([1, 2, 4], 0.75)
    3.0
    """
    ordered = sorted(values)
    if not ordered or not 0 <= share <= 1:
        raise DataError(f"no quantile {share} of {len(ordered)} values")
    place = share * (len(ordered) - 1)
    below = int(place)
    above = min(below + 1, len(ordered) - 1)
    return float(ordered[below] + (place - below) * (ordered[above] - ordered[below]))


def _standard_error(means: Sequence[float]) -> float:
    """Of the mean; 0 for a single value, of which nothing is known."""
    count, centre = len(means), fmean(means)
    if count < 2:
        return 0.0
    return sqrt(sum((value - centre) ** 2 for value in means) / (count - 1) / count)


def _mcnemar(moved: Sequence[float]) -> float:
    fewer = min(sum(d > 0 for d in moved), sum(d < 0 for d in moved))
    tail: int = sum(comb(len(moved), i) for i in range(fewer + 1))
    return min(1.0, 2 * tail / (1 << len(moved)))


def _sign_flips(moved: Sequence[float], seed: int) -> float:
    rng = Random(seed)
    count, observed = len(moved), abs(sum(moved))
    as_far = 0
    for _ in range(SIGN_FLIPS):
        bits = rng.getrandbits(count)
        total = sum(d if bits >> i & 1 else -d for i, d in enumerate(moved))
        as_far += abs(total) >= observed - 1e-9
    return (as_far + 1) / (SIGN_FLIPS + 1)  # the data themselves are one of the draws


def _z(confidence: float) -> float:
    if not 0 < confidence < 1:
        raise DataError(f"confidence is {confidence}; it must lie between 0 and 1")
    return NormalDist().inv_cdf((1 + confidence) / 2)
