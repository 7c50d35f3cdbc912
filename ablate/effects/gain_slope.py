"""How much of a gain at a small size is left at a large one: a line through arms that are measured with noise at both."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.special import stdtrit

from ablate.effects.decision import seed_means
from ablate.effects.estimate import Floats, check_level, check_scores
from ablate.effects.noise import run_noise

FEWEST = 4
"""Arms below which there is no interval."""


@dataclass(frozen=True)
class GainSlope:
    """Gain at the large size per gain at the small one. Whatever could not be measured is NaN.

    Attributes:
        slope: in the large study's units per unit of the small one's; 1 where gains carry over as they are, 0 where
            nothing does.
        low, high: interval. Infinite on both sides where the scores do not determine a direction; where it would reach past
            the vertical, only one side is.
        n_arms: arms with scores in both.
    """

    slope: float
    low: float
    high: float
    n_arms: int


def gain_slope(small: ArrayLike, large: ArrayLike, *, level: float = 0.95) -> GainSlope:
    """Regress gain on gain with errors in both.

    The means of arms lie about a line whose slope is that of gain on gain, whichever arm gains are taken from: so arms
    are regressed, whose errors are independent, not gains, which share their reference's. The errors are known up to
    rounding from the runs: noise of a run over the root of the seeds, in each study. Least squares of x on y would tilt
    the line towards zero by the noise of the small study; Deming's weighs both.

    Args:
        small, large: shape (n_arms, seeds of each study), the same arms in the same order, in the metrics' units; NaN for a
            missing run. Arms without a run in either are left out.
        level: two-sided coverage of the interval, in (0, 1).
    Returns:
        Deming's slope (Adcock 1878; Fuller 1987, section 1.3) for the ratio of the two error variances. Its interval holds every slope at
        which the residuals across the line are uncorrelated with the places along it (Creasy 1956): exact for normal arms, and open where
        the arms do not differ by more than noise. NaN with fewer than two seeds in either study, fewer than three arms, or no spread.
    Raises:
        ValueError: for tables with unlike arms, or a bad level.
    Reference in tests: scipy.odr, simulated coverage.
    """
    check_level(level)
    one, two = check_scores(small), check_scores(large)
    if len(one) != len(two):
        raise ValueError(f"expected the same arms in both, got {len(one)} and {len(two)}")
    there = np.isfinite(one).any(axis=1) & np.isfinite(two).any(axis=1)
    one, two = one[there], two[there]
    n = len(one)
    errors = _error(one), _error(two)
    if n < 3 or not all(error > 0 for error in errors):
        return GainSlope(math.nan, math.nan, math.nan, n)
    unit = errors[1] / errors[0]  # x is stretched until both errors are alike
    x, y = seed_means(one) * unit, seed_means(two)
    xx, yy, xy = (float(np.mean((a - a.mean()) * (b - b.mean()))) for a, b in ((x, x), (y, y), (x, y)))
    if xx + yy == 0.0 or (xx == yy and xy == 0.0):
        return GainSlope(math.nan, math.nan, math.nan, n)
    angle = 0.5 * math.atan2(2 * xy, xx - yy)  # of the line, in (-pi/2, pi/2]
    if n < FEWEST:
        return GainSlope(math.tan(angle) * unit, math.nan, math.nan, n)
    t = float(stdtrit(n - 2, 0.5 + level / 2))
    tilt = 2 * t * math.sqrt(max(xx * yy - xy**2, 0.0) / ((n - 2) * ((xx - yy) ** 2 + 4 * xy**2)))
    if tilt >= 1:
        return GainSlope(math.tan(angle) * unit, -math.inf, math.inf, n)
    half = 0.5 * math.asin(tilt)
    low, high = angle - half, angle + half
    return GainSlope(
        math.tan(angle) * unit,
        -math.inf if low <= -math.pi / 2 else math.tan(low) * unit,
        math.inf if high >= math.pi / 2 else math.tan(high) * unit,
        n,
    )


def _error(scores: Floats) -> float:
    """Standard error of an arm's mean beyond what seeds do to all arms alike: that of the typical arm; NaN if unknown."""
    runs = np.isfinite(scores).sum(axis=1)
    whole = run_noise(scores)
    return math.nan if math.isnan(whole) else whole * math.sqrt(float(np.mean(1 / runs)))
