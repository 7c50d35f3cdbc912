"""Whether a difference is as good as none: two one-sided tests against a margin that was stated beforehand.

That no difference is seen says nothing of how large one may be. Equivalence is a claim of its own: the difference lies within
the margin, on both sides. Source: Schuirmann, J. Pharmacokinetics and Biopharmaceutics 15 (1987).
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.special import stdtr, stdtrit

from ablate.effects.estimate import Estimate


@dataclass(frozen=True)
class Equivalence:
    """What two one-sided tests say.

    Attributes:
        margin: largest difference that counts as none, in the metric's units.
        p_value: of a difference of the margin or more, on either side; the larger of the two tests. NaN without a spread.
        ci_low, ci_high: the interval with two-sided coverage 1 - 2 alpha; it lies inside the margins where both tests
            reject at alpha.
        equivalent: whether both do.
    """

    margin: float
    p_value: float
    ci_low: float
    ci_high: float
    equivalent: bool


def equivalence(estimate: Estimate, margin: float, *, alpha: float = 0.05) -> Equivalence:
    """Test whether a contrast lies within -/+ `margin`.

    Raises:
        ValueError: for a margin that is not above zero, or alpha outside (0, 0.5).
    Reference in tests: scipy.stats.ttest_1samp, one-sided.
    """
    if not margin > 0:
        raise ValueError(f"margin must be above 0, got {margin}")
    if not 0 < alpha < 0.5:
        raise ValueError(f"alpha must be in (0, 0.5), got {alpha}")
    if estimate.method == "identical":  # the same runs: no difference, whatever the margin
        return Equivalence(margin, 0.0, 0.0, 0.0, True)
    error, df = estimate.seed_error, estimate.df
    if not error > 0 or not df > 0:
        return Equivalence(margin, math.nan, math.nan, math.nan, False)
    above = float(stdtr(df, (estimate.estimate - margin) / error))
    below = float(stdtr(df, -(estimate.estimate + margin) / error))
    half = float(stdtrit(df, 1 - alpha)) * error
    p_value = max(above, below)
    return Equivalence(margin, p_value, estimate.estimate - half, estimate.estimate + half, p_value <= alpha)
