"""The chains among some arms: what the estimands over generations share."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ablate.design.base import Assignment, Factor
from ablate.design.chains import GENERATION
from ablate.effects.estimate import Floats
from ablate.estimand.base import Arms, NotIdentified
from ablate.estimand.dose_response import polynomial


@dataclass(frozen=True)
class Line:
    """A chain.

    Attributes:
        levels: of every factor but the generation.
        arms: generation -> arm, ascending.
    """

    levels: Assignment
    arms: dict[int, str]

    @property
    def name(self) -> str:
        """Its levels; "chain" where nothing else is varied."""
        return " ".join(self.levels.values()) or "chain"

    @property
    def slope(self) -> dict[str, float]:
        """Weights over its arms of the slope of a line through their scores, per generation."""
        import numpy as np

        values: Floats = np.array(list(self.arms), dtype=np.float64)
        return dict(zip(self.arms.values(), polynomial(values, 1)[1].tolist(), strict=True))


def lines(estimand: str, arms: Arms, factors: Sequence[Factor]) -> list[Line]:
    """Return every chain, in the order of the arms.

    Raises:
        NotIdentified: when there is none of two generations or more, 0 among them.
    """
    found: dict[tuple[str, ...], Line] = {}
    if any(factor.name == GENERATION for factor in factors):
        for name, levels in arms.items():
            rest = {factor: level for factor, level in levels.items() if factor != GENERATION}
            line = found.setdefault(tuple(rest.values()), Line(rest, {}))
            line.arms[int(levels[GENERATION])] = name
    whole = [Line(line.levels, dict(sorted(line.arms.items()))) for line in found.values()]
    short = [line.name for line in whole if len(line.arms) < 2 or 0 not in line.arms]
    if short or not whole:
        raise NotIdentified(
            estimand,
            [f"generation 0 and another one of {name}" for name in short]
            or [f"arms at levels of {GENERATION!r}"],
            "it is over generations, see design=chains",
        )
    return whole
