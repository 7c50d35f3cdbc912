"""What the numbers say of one gain: a kind, which code asks for, and its words, which a reader sees."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ablate.effects.estimate import Estimate


class Kind(StrEnum):
    """What can be said of a gain, and its words without their remarks."""

    HELPS = "helps"
    HURTS = "hurts"
    MAY_HELP = "may help (exploration)"
    MAY_HURT = "may hurt (exploration)"
    SUGGESTS_HELP = "suggestive: helps"
    SUGGESTS_HURT = "suggestive: hurts"
    NONE_SEEN = "no effect seen"
    IDENTICAL = "no effect: the stage changed nothing here"
    ONE_SEED = "not measured: one seed"
    NO_RUNS = "not measured: runs missing"
    NO_SPREAD = "not measured: no spread between seeds"
    FAILED = "missing"
    INCOMPLETE = "no verdict before the plan is complete"


CLAIMS = (Kind.HELPS, Kind.HURTS)
"""What is said only of gains that were planned, and that hold after Holm's correction over all of them."""


@dataclass(frozen=True)
class Verdict:
    """What is said of one gain.

    Attributes:
        kind: what can be said.
        remark: the rest of the sentence; "" where there is none.
    """

    kind: Kind
    remark: str = ""

    def __str__(self) -> str:
        """The sentence for a table."""
        return f"{self.kind.value}{self.remark}"


def verdict(
    estimate: Estimate,
    *,
    p_adjusted: float,
    higher_is_better: bool,
    claim: bool = True,
    alpha: float = 0.05,
    noise_floor: float = math.nan,
    correction: str = "Holm",
) -> Verdict:
    """Say what one contrast shows.

    Which effect would have been seen is said once for a table (`detectable.py`), not here.

    Args:
        estimate: the contrast, a level minus what it is compared with.
        p_adjusted: its p-value after the correction for multiplicity; NaN exactly where `estimate.p_value` is.
        higher_is_better: direction of the metric.
        claim: whether the gain was planned, with a correction that bounds the chance of any false claim; what
            was looked at afterwards gets other words.
        alpha: level of the test.
        noise_floor: standard deviation of one run, in the metric's units; NaN for unknown.
        correction: whose `p_adjusted` is, for the wording.
    Returns:
        HELPS or HURTS for a claim that is significant after the correction, MAY_HELP or MAY_HURT for exploration,
        each with a remark when the gain is smaller than one run's noise; SUGGESTS_HELP or SUGGESTS_HURT when
        only before it; else that none was seen, or why nothing was measured.
    Raises:
        ValueError: when `p_adjusted` is NaN, or below the p-value that it corrects, for a contrast
            with a p-value.
    """
    if estimate.method == "identical":
        return Verdict(Kind.IDENTICAL)
    if estimate.n_seeds < 2:
        return Verdict(Kind.ONE_SEED if estimate.n_seeds == 1 else Kind.NO_RUNS)
    if math.isnan(estimate.p_value):
        return Verdict(Kind.NO_RUNS if math.isnan(estimate.estimate) else Kind.NO_SPREAD)
    if not p_adjusted >= estimate.p_value:
        raise ValueError(f"p_adjusted must be at least p_value = {estimate.p_value}, got {p_adjusted}")
    better = (estimate.estimate > 0.0) == higher_is_better
    if p_adjusted <= alpha:
        kind = (
            (Kind.HELPS if better else Kind.HURTS) if claim else (Kind.MAY_HELP if better else Kind.MAY_HURT)
        )
        below = abs(estimate.estimate) < noise_floor
        return Verdict(kind, f", by less than one run's noise ({short(noise_floor)})" if below else "")
    if estimate.p_value <= alpha:
        kind = Kind.SUGGESTS_HELP if better else Kind.SUGGESTS_HURT
        return Verdict(kind, f" (not after {correction})")
    return Verdict(Kind.NONE_SEEN)


def short(value: float) -> str:
    """Write a number with two digits."""
    return str(np.format_float_positional(value, precision=2, fractional=False, trim="-"))
