"""Dose and response as a curve: its slope over the values that were run, and its curvature."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ablate.design.base import Assignment, ContrastSpec, Factor, arm_name, assign
from ablate.design.dose import doses
from ablate.effects.estimate import Floats
from ablate.estimand.base import Arms, Estimand, NotIdentified, find


class DoseResponse(Estimand):
    """Least squares of the score on a numeric parameter: a line's slope, and a parabola's curvature.

    Units: score per unit of the parameter, and per unit squared. A parabola with a curvature that is
    clear of zero turns somewhere; the report says where, with an interval.
    """

    meaning = (
        "slope of the line, and curvature of the parabola, through the scores over the parameter's values"
    )

    def contrasts(self, arms: Arms, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """Fit slope and curvature: needs the arm of every value; a curvature needs three values or more."""
        specs = []
        for factor in factors:
            names, values = dose_arms(arms, factors, factor)
            for degree, what in ((1, "slope"), (2, "curvature")):
                if len(values) > degree:
                    weights = polynomial(values, degree)[degree]
                    specs.append(
                        ContrastSpec(
                            f"{factor.name} {what}",
                            "+1",
                            "0",
                            "dose_response",
                            dict(zip(names, weights.tolist(), strict=True)),
                        )
                    )
        return specs


def dose_arms(arms: Arms, factors: Sequence[Factor], factor: Factor) -> tuple[list[str], Floats]:
    """Return the arms along one parameter, everything else as in the recipe, and its values, ascending.

    Raises:
        NotIdentified: when the arm of a value is missing.
        ValueError: for a level that is no number.
    """
    full = assign(factors, full=True)
    wanted: list[Assignment] = [full | {factor.name: level} for _, level in doses(factor)]
    found = [find(arms, levels) for levels in wanted]
    names = [name for name in found if name is not None]
    if len(names) < len(found):
        lost = [arm_name(w, factors) for w, name in zip(wanted, found, strict=True) if name is None]
        raise NotIdentified("dose_response", lost)
    return names, np.array([value for value, _ in doses(factor)])


def polynomial(values: Floats, degree: int) -> Floats:
    """Return weights over the arms of each coefficient of a polynomial: shape (degree + 1, n_values)."""
    return np.asarray(np.linalg.pinv(np.vander(values, degree + 1, increasing=True)))
