"""The effect that a table of gains can see: one of that size, in one stage, is called helps or hurts in most repeats.

A gain's own error must not say it: with 2 to 7 degrees of freedom it comes out small by luck as easily as
large, and the smaller the effect that it states, the less often a repeat finds that effect (with three seeds,
40 % in the lowest tenth in place of 80 %). So the noise is that of the whole table, over all its arms, the
verdict is the corrected one, and there is one figure for a table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit
from scipy.stats import chi2

from ablate.effects.balanced import LOOKS_EQUAL, arm_variances
from ablate.effects.contrast import distinct_arms
from ablate.effects.estimate import Floats, check_scores, check_weights
from ablate.effects.many import estimate_many
from ablate.effects.noise import homogeneity, run_noise
from ablate.effects.sequential import boundaries, look_statistics

SIMULATED = 3000
"""Contrasts, in as many studies as hold them, and no fewer than `FEWEST`; the effect has a relative error of about 1 %."""
FEWEST = 300
CONFIDENCE = 0.95
"""That the noise is no larger than what `Detectable.upper` takes it for."""
NODES = 30
"""Points of the integral over what the measured noise may be off by; 400 change the fifth digit."""
QUIETEST = 1e-3
"""Least standard deviation of an arm, in units of the arms' root mean square: one without any would divide by zero."""


@dataclass(frozen=True)
class Detectable:
    """What a table of gains can see. Whatever could not be measured is NaN.

    Attributes:
        effect: in one stage, called "helps" or "hurts" with the stated power, in the metric's units: right over studies,
            while a study that measured little noise by luck states too small a one.
        upper: upper 95 % confidence bound of the effect that is called with that power, for a reader of one study.
        noise: standard deviation of a run beyond what its seed gives all arms alike, in the metric's units.
        df: degrees of freedom of that noise, as far as it bears on these contrasts.
        tests: that the verdict is corrected for.
    """

    effect: float
    upper: float
    noise: float
    df: float
    tests: int


@dataclass(frozen=True)
class Looks:
    """The rule of a study whose seeds come in rounds.

    Attributes:
        seeds: after each look, rising.
        spending: of alpha over the looks, see `sequential.SPENDING`.
    """

    seeds: tuple[int, ...]
    spending: str


def needed_effects(
    weights: ArrayLike,
    noise: ArrayLike,
    n_seeds: int,
    *,
    tests: int,
    alpha: float = 0.05,
    looks: Looks | None = None,
    unpaired: bool = False,
) -> Floats:
    """Draw how large an effect must be to be called, by running the estimator on scores without effects.

    So whatever rule the estimator has for variances and degrees of freedom is counted in. An effect in one
    stage alone is called when its p-value is at most alpha / tests: with nothing else to reject, the first
    step of Holm's correction, and of Benjamini and Hochberg's, is Bonferroni's.

    Args:
        weights: shape (n_contrasts, n_arms), each row summing to zero.
        noise: shape (n_arms,), standard deviation of a run of each arm.
        n_seeds: seeds that all arms share, at least 2.
        tests: that the verdict is corrected for, at least 1.
        alpha: level of the corrected verdict, in (0, 1).
        looks: where seeds come in rounds; the last has `n_seeds`.
        unpaired: whether gains are between independent samples.
    Returns:
        Shape (m,), ascending, in the units of the noise: the share of it that is at
        most an effect is the chance that this effect is called.
    """
    matrix, sd = np.asarray(weights, dtype=np.float64), np.asarray(noise, dtype=np.float64)
    studies = max(FEWEST, SIMULATED // len(matrix))
    tables = _normal(studies, sd.size, n_seeds) * sd[:, None]
    if looks is None:
        estimate, error, df = estimate_many(tables, matrix, unpaired=unpaired)
        bound = stdtrit(df, 1 - alpha / (2 * tests)) * error
        return np.sort(np.concatenate([(bound - estimate).ravel(), (bound + estimate).ravel()]))
    found = boundaries(looks.seeds, looks.spending)
    critical = np.array([found.at(look, alpha / tests) for look in range(len(looks.seeds))])
    differences = np.einsum("ca,nas->ncs", matrix, tables).reshape(-1, n_seeds)
    mean, error = look_statistics(differences, looks.seeds)
    bound = critical * error
    return np.sort(np.concatenate([(bound - mean).min(axis=1), (bound + mean).min(axis=1)]))


def detectable_effect(
    scores: ArrayLike,
    weights: ArrayLike,
    *,
    tests: int,
    alpha: float = 0.05,
    power: float = 0.8,
    looks: Looks | None = None,
    unpaired: bool = False,
) -> Detectable:
    """State the effect in one stage that a repeat of the study calls with the stated power.

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a missing run. Seeds without any run are left
            out, then arms with a gap and the contrasts that need them.
        weights: shape (n_contrasts, n_arms), each row summing to zero: the table's tested gains.
        tests: that their verdicts are corrected for, at least 1.
        alpha: level of the corrected verdict.
        power: share of repeats, averaged over the contrasts, in (alpha, 1).
        looks: where seeds come in rounds.
        unpaired: whether gains are between independent samples. What seeds do to all arms then counts as noise of a run,
            and where there is such a thing the effect stated is too large, never too small.
    Returns:
        All NaN but `tests` with fewer than two seeds, without a spread, or without a whole contrast.
    Raises:
        ValueError: for shapes that do not fit, weights that do not sum to zero, or levels out of range.
    Source: Browne, "On the use of a pilot sample for sample size determination", Statistics in Medicine 14
    (1995), for the allowance that a measured noise needs; degrees of freedom of unequal arms by Satterthwaite
    (1946). Reference in tests: simulated repeats.

    Where arms look equally noisy the noise is pooled over them. Where not, each arm keeps its own, and the
    degrees of freedom are those of the sum that the contrasts lean on, so that one loud control counts for
    what it is. Share of repeats that call such an effect (leave-one-out, seven stages, 3 to 8 seeds): 80 to
    81 % with equal noise, 79 to 82 % with one loud arm or standard deviations from 1 to 10, 73 to 78 % with a
    control of ten times the variance. `upper` takes the noise at the upper end of its 90 % interval (a scaled
    chi-square): see results/calibration for the share of repeats by tenths of what is stated.
    """
    if not 0.0 < alpha < power < 1.0 or tests < 1:
        raise ValueError(f"expected 0 < alpha < power < 1 and tests >= 1, got {alpha}, {power}, {tests}")
    table, matrix = _whole(check_scores(scores), np.asarray(weights, dtype=np.float64))
    nothing = Detectable(math.nan, math.nan, math.nan, math.nan, tests)
    if not len(matrix) or table.shape[1] < 2:
        return nothing
    sd, df = _noise(table, matrix, unpaired)
    if not np.isfinite(df):
        return nothing
    if looks is not None:
        looks = Looks((*(n for n in looks.seeds if n < table.shape[1]), table.shape[1]), looks.spending)
    if np.ptp(sd) == 0.0:
        needed = sd[0] * _unit(matrix.tobytes(), matrix.shape, table.shape[1], tests, alpha, looks, unpaired)
    else:
        needed = needed_effects(
            matrix, sd, table.shape[1], tests=tests, alpha=alpha, looks=looks, unpaired=unpaired
        )
    known = float(np.quantile(needed, power, method="higher"))  # were the noise known
    upper = known * math.sqrt(df / chi2.ppf(1 - CONFIDENCE, df))
    return Detectable(_reach(needed, df, power), upper, float(np.sqrt((sd**2).mean())), df, tests)


def forecast(
    weights: ArrayLike,
    n_seeds: int,
    noise: float,
    *,
    tests: int | None = None,
    alpha: float = 0.05,
    power: float = 0.8,
    looks: Looks | None = None,
    unpaired: bool = False,
) -> float:
    """Forecast what a table of gains will see: the smallest effect in one stage that is called with the stated power.

    Args:
        weights: shape (n_contrasts, n_arms), each row summing to zero.
        n_seeds: seeds that all arms share.
        noise: standard deviation of a run beyond what its seed gives to all arms alike, in the metric's units;
            taken for known, and for the same in all arms.
        tests: that the verdict is corrected for; None for the contrasts themselves.
        alpha: level of the corrected verdict.
        power: averaged over the contrasts.
        looks: where seeds come in rounds.
        unpaired: whether gains are between independent samples.
    Returns:
        In the metric's units; NaN with fewer than two seeds or without contrasts.
    Raises:
        ValueError: for a noise not above zero.
    """
    if not noise > 0:
        raise ValueError(f"the noise must be above zero, got {noise}")
    matrix = np.asarray(weights, dtype=np.float64)
    if n_seeds < 2 or not len(matrix):
        return math.nan
    needed = _unit(matrix.tobytes(), matrix.shape, n_seeds, tests or len(matrix), alpha, looks, unpaired)
    return noise * float(np.quantile(needed, power, method="higher"))


@lru_cache(maxsize=256)
def _unit(
    weights: bytes,
    shape: tuple[int, int],
    n_seeds: int,
    tests: int,
    alpha: float,
    looks: Looks | None,
    unpaired: bool,
) -> Floats:
    """`needed_effects` for arms of noise 1, which tables of one study ask for again and again."""
    matrix = np.frombuffer(weights).reshape(shape)
    return needed_effects(
        matrix, np.ones(shape[1]), n_seeds, tests=tests, alpha=alpha, looks=looks, unpaired=unpaired
    )


def _whole(table: Floats, matrix: Floats) -> tuple[Floats, Floats]:
    """The part of a table without gaps, arms that are the same runs taken as one, and its contrasts."""
    vectors = [check_weights(row, len(table)) for row in matrix]
    table = table[:, np.isfinite(table).any(axis=0)]
    gap = ~np.isfinite(table).all(axis=1)
    vectors = [row for row in vectors if not row[gap].any()]
    if not vectors or table.shape[1] < 2:
        return table, np.zeros((0, len(table)))
    runs, summed = distinct_arms(table[~gap], [row[~gap] for row in vectors])
    return runs, np.array([row for row in summed if row.any()]).reshape(-1, len(runs))


def _noise(table: Floats, matrix: Floats, unpaired: bool) -> tuple[Floats, float]:
    """Standard deviation of each arm, shape (n_arms,), and the degrees of freedom that the contrasts see of it."""
    n_arms, n_seeds = table.shape
    if unpaired:
        pooled, most = (
            math.sqrt(float(table.var(axis=1, ddof=1).mean())) or math.nan,
            n_arms * (n_seeds - 1.0),
        )
    else:
        pooled, most = run_noise(table), max(n_arms - 1.0, 1.0) * (n_seeds - 1)
    if math.isnan(pooled):
        return np.full(n_arms, math.nan), math.nan
    if n_arms < 3 or homogeneity(table) > LOOKS_EQUAL:
        return np.full(n_arms, pooled), most
    own = table.var(axis=1, ddof=1) if unpaired else np.maximum(arm_variances(table), 0.0)
    own *= pooled**2 / own.mean()  # what was cut off below zero goes to all alike
    own = np.maximum(own, (QUIETEST * pooled) ** 2)
    share = ((matrix**2) / (matrix**2).sum(axis=1, keepdims=True)).mean(axis=0) * own
    df = (n_seeds - 1) * float(share.sum() ** 2 / (share**2).sum())
    return np.sqrt(own), min(max(df, n_seeds - 1.0), most)


def _reach(needed: Floats, df: float, power: float) -> float:
    """The multiple of `needed`'s scale that is reached with `power`, over how far off a noise of `df` may be."""
    nodes, weights = _nodes()
    ratio = np.sqrt(chi2.ppf((nodes + 1) / 2, df) / df)  # measured noise over the true one, evenly spread

    def called(effect: float) -> float:
        return float(weights @ np.searchsorted(needed, effect * ratio, side="right") / (2 * needed.size))

    low, high = 0.0, float(needed[-1])
    while called(high) < power:
        low, high = high, 2 * high
    while high - low > 1e-6 * high:
        middle = (low + high) / 2
        low, high = (low, middle) if called(middle) >= power else (middle, high)
    return high


@lru_cache(maxsize=1)
def _nodes() -> tuple[Floats, Floats]:
    """Gauss and Legendre's points in (-1, 1), and their weights."""
    nodes, weights = np.polynomial.legendre.leggauss(NODES)
    return nodes, weights


@lru_cache(maxsize=8)
def _normal(studies: int, n_arms: int, n_seeds: int) -> Floats:
    """Standard normal scores, the same at each call."""
    return np.random.default_rng(0).normal(size=(studies, n_arms, n_seeds))
