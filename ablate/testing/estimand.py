"""The contract of estimands: contrasts over the arms that there are, or a refusal that names arms that are missing."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ablate.design.base import Factor, weight_matrix
from ablate.design.full_factorial import FullFactorial
from ablate.estimand.base import Arms, Estimand, NotIdentified
from ablate.testing.contract import require

SWITCHES = tuple(Factor(name, ("on", "off")) for name in "abc")


def check_estimand(
    estimand: Estimand, factors: Sequence[Factor] = SWITCHES, arms: Arms | None = None
) -> None:
    """Check what plans and reports rely on, in arms that determine all gains and in fewer.

    Contrasts weigh only arms that there are, by finite weights that sum to zero and are not all nil; no two are of the same
    gain; the order of the arms changes none of them, unless the class is `ordered`. Of too few arms the estimand makes no gain up: it refuses, naming arms.

    Args:
        estimand: to check.
        factors: over which.
        arms: that determine its gains; None for all combinations of the levels.
    Raises:
        ContractError: for what does not hold.
    """
    what = type(estimand).__name__
    require(
        estimand.meaning and not estimand.meaning.endswith("."),
        f"{what}.meaning must be words without a full stop",
    )
    arms = FullFactorial().arms(factors) if arms is None else arms
    specs = estimand.contrasts(arms, factors)
    require(specs, f"{what} has no gain in arms that determine all")
    weights = weight_matrix(specs, arms)
    for spec, row in zip(specs, weights, strict=True):
        require(set(spec.weights) <= set(arms), f"{what}: {spec.name} weighs arms that there are not")
        require(
            np.isfinite(row).all() and row.any(),
            f"{what}: weights of {spec.name} must be finite and not all zero",
        )
        require(
            abs(row.sum()) < 1e-9 * abs(row).sum(),
            f"{what}: weights of {spec.name} sum to {row.sum():g}, not to zero",
        )
    gains = [(spec.factor, spec.level, spec.versus) for spec in specs]
    require(len(set(gains)) == len(gains), f"{what} names a gain twice: {gains}")
    if not estimand.ordered:
        turned = dict(reversed(list(arms.items())))
        again = weight_matrix(estimand.contrasts(turned, factors), arms)
        require(
            np.allclose(again, weights),
            f"{what}: gains depend on the order of the arms; say `ordered = True`",
        )
    first = next(iter(arms))
    try:
        made = estimand.contrasts({first: arms[first]}, factors)
    except NotIdentified as refusal:
        require(refusal.missing, f"{what} refuses arms without naming those that are missing")
    else:
        require(not made, f"{what} makes gains up from a single arm")
