"""The dose from which a defect costs more than a tolerance, by inverse prediction from a line, where a line fits."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from ablate.effects.estimate import Estimate, check_level, check_scores, t_estimate, unmeasured
from ablate.effects.lack_of_fit import lack_of_fit

FITS = 0.05
"""Least p-value of lack of fit at which a line is believed."""


@dataclass(frozen=True)
class Tolerable:
    """What doses cost, and the dose that costs the tolerance. Whatever could not be measured is NaN.

    Attributes:
        costs: of each dose after the lowest, against the lowest; above zero is worse. Each interval holds for
            all doses together (Bonferroni).
        per_unit: cost of a unit of the dose, the slope of the line.
        lack_of_fit: p-value of the line; NaN where it cannot be tested.
        dose: at which the line costs the tolerance.
        low, high: its interval; `high` is infinite where the line may cost nothing.
        refused: why there is no dose: "one seed", "lack of fit", "no cost" (the line is not above zero),
            "beyond" (further than the highest dose that was run); "" where there is one.
        safe: highest dose up to which every dose's interval lies below the tolerance; NaN for none.
        too_much: lowest dose whose interval lies above the tolerance; NaN for none.
    """

    costs: tuple[Estimate, ...]
    per_unit: Estimate
    lack_of_fit: float
    dose: float
    low: float
    high: float
    refused: str
    safe: float
    too_much: float


def tolerable_dose(
    scores: ArrayLike,
    doses: Sequence[float],
    tolerance: float,
    *,
    higher_is_better: bool,
    level: float = 0.95,
) -> Tolerable:
    """Estimate the dose that costs `tolerance`, compared with the lowest dose.

    The cost of dose d on the line is slope x (d - lowest), so that the interval of the dose is that of
    tolerance / slope: Fieller's, whose numerator has no error, with an open end where the slope may be zero.

    Args:
        scores: shape (n_doses, n_seeds), the metric, NaN for a missing run; seeds with a gap are left out.
        doses: ascending, two or more different ones.
        tolerance: above zero, in the metric's units.
        higher_is_better: of the metric.
        level: two-sided coverage of the intervals, in (0, 1).
    Returns:
        Noise is what is left after dose and seed, pooled over doses, so intervals are exact for equal
        normal noise.
    Raises:
        ValueError: for doses that do not ascend, a tolerance that is not above zero, or shapes that do not fit.
    Source: Fieller, JRSS B 16 (1954); Draper & Smith (1998), section 3.2, inverse regression. Reference in tests:
    statsmodels' slope with seeds as blocks, coverage by simulation.
    """
    check_level(level)
    table, x = check_scores(scores), np.asarray(doses, dtype=np.float64)
    if x.ndim != 1 or x.size < 2 or not (np.diff(x) > 0).all():
        raise ValueError(f"doses must ascend, two or more, got {list(doses)}")
    if len(table) != x.size:
        raise ValueError(f"expected one row of scores per dose, {x.size}, got {len(table)}")
    if not 0 < tolerance < math.inf:
        raise ValueError(f"tolerance must be above zero, got {tolerance}")
    table = table[:, np.isfinite(table).all(axis=0)] * (-1.0 if higher_is_better else 1.0)
    n_doses, n_seeds = table.shape
    if n_seeds == 0:
        none = unmeasured(math.nan, 0)
        nan = math.nan
        return Tolerable((none,) * (n_doses - 1), none, nan, nan, nan, nan, "one seed", nan, nan)
    means, df = table.mean(axis=1), (n_doses - 1) * (n_seeds - 1)
    rest = table - table.mean(axis=0) - means[:, None] + table.mean()
    noise = float((rest**2).sum()) / df if df else math.nan
    alone = 1 - (1 - level) / (n_doses - 1)
    costs = tuple(
        t_estimate(
            float(mean - means[0]),
            variance=2 * noise / n_seeds,
            df=df,
            n_seeds=n_seeds,
            method="pooled",
            level=alone,
        )
        for mean in means[1:]
    )
    centred = x - x.mean()
    spread = float(centred @ centred)
    slope = float(centred @ means) / spread
    per_unit = t_estimate(
        slope, variance=noise / (n_seeds * spread), df=df, n_seeds=n_seeds, method="pooled", level=level
    )
    p_value = lack_of_fit(table, np.stack([np.ones_like(x), x], axis=1)).p_value
    dose = float(x[0]) + tolerance / slope if slope > 0 else math.nan
    refused = (
        "one seed"
        if math.isnan(per_unit.ci_low)
        else "lack of fit"
        if p_value < FITS
        else "no cost"
        if per_unit.ci_high <= 0 or slope <= 0
        else "beyond"
        if dose > x[-1]
        else ""
    )
    low = high = math.nan
    if refused in ("", "beyond", "no cost") and per_unit.ci_high > 0:
        low = float(x[0]) + tolerance / per_unit.ci_high
        high = float(x[0]) + tolerance / per_unit.ci_low if per_unit.ci_low > 0 else math.inf
    below = np.array([cost.ci_high < tolerance for cost in costs])
    safe = x[1:][np.logical_and.accumulate(below)]
    above = x[1:][[cost.ci_low > tolerance for cost in costs]]
    return Tolerable(
        costs,
        per_unit,
        p_value,
        math.nan if refused else dose,
        low,
        high,
        refused,
        float(safe[-1]) if safe.size else math.nan,
        float(above[0]) if above.size else math.nan,
    )
