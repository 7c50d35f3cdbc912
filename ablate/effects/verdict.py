"""What the numbers say, in words that a reader of the table sees."""

from __future__ import annotations

import math

import numpy as np

from ablate.effects.estimate import Estimate

IDENTICAL = "no effect: the stage changed nothing here"
ONE_SEED = "not measured: one seed"
NO_RUNS = "not measured: runs missing"
NO_SPREAD = "not measured: no spread between seeds"


def verdict(
    estimate: Estimate,
    *,
    p_adjusted: float,
    mde: float,
    higher_is_better: bool,
    alpha: float = 0.05,
    power: float = 0.8,
    noise_floor: float = math.nan,
    correction: str = "Holm",
) -> str:
    """Put one contrast into words.

    Args:
        estimate: the contrast, a level minus what it is compared with.
        p_adjusted: its p-value after the correction for multiplicity; NaN exactly where `estimate.p_value` is.
        mde: minimum detectable effect at `alpha` and `power`, in the metric's units; only read when
            no effect was seen.
        higher_is_better: direction of the metric.
        alpha: level of the test.
        power: of `mde`.
        noise_floor: standard deviation between runs of one arm, in the metric's units; NaN for unknown.
        correction: whose `p_adjusted` is, for the wording.
    Returns:
        "helps" or "hurts" when significant after the correction, with a remark when the gain is smaller
        than what two seeds of one arm differ by; "suggestive: ..." when only before
        it; else which effect would have been seen; or why nothing was measured.
    Raises:
        ValueError: when `p_adjusted` is NaN, or below the p-value that it corrects, for a contrast
            with a p-value; or when `mde` is needed and not above zero.
    """
    if estimate.method == "identical":
        return IDENTICAL
    if estimate.n_seeds < 2:
        return ONE_SEED if estimate.n_seeds == 1 else NO_RUNS
    if math.isnan(estimate.p_value):
        return NO_RUNS if math.isnan(estimate.estimate) else NO_SPREAD
    if not p_adjusted >= estimate.p_value:
        raise ValueError(f"p_adjusted must be at least p_value = {estimate.p_value}, got {p_adjusted}")
    direction = "helps" if (estimate.estimate > 0.0) == higher_is_better else "hurts"
    if p_adjusted <= alpha:
        below = abs(estimate.estimate) < noise_floor
        return direction + (f", by less than one run's noise ({_short(noise_floor)})" if below else "")
    if estimate.p_value <= alpha:
        return f"suggestive: {direction} (not after {correction})"
    if not mde > 0.0:
        raise ValueError(f"mde must be above zero for a contrast with a spread, got {mde}")
    shown = _short(mde)
    return f"no effect seen: one larger than {shown} would have been ({100 * power:.0f} % power)"


def _short(value: float) -> str:
    return str(np.format_float_positional(value, precision=2, fractional=False, trim="-"))
