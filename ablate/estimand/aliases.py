"""Aliases: which interactions a main effect is mixed with, given the arms that are run."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from ablate.design.base import Factor
from ablate.effects.estimate import Floats
from ablate.estimand.base import Arms
from ablate.estimand.linear_model import linear_model

NEGLIGIBLE = 1e-6


@dataclass(frozen=True)
class Aliases:
    """What the arms cannot tell apart.

    Attributes:
        main: factor -> [(interaction, coefficient)]: the factor's estimated main effect is off by the
            coefficient times the interaction, as estimand `interaction` defines it.
        groups: interactions that are one and the same column in these arms, two or more of them.
    """

    main: dict[str, list[tuple[str, float]]]
    groups: list[list[str]]

    @property
    def clear(self) -> bool:
        """Whether every main effect and every interaction stands alone."""
        return not any(self.main.values()) and not self.groups


def aliases(arms: Arms, factors: Sequence[Factor]) -> Aliases:
    """Return the alias structure up to interactions of two factors.

    Source: Box & Wilson (1951), the alias matrix; for factors with more levels the largest
    coefficient over their levels is given. Reference in tests: pydoe.fracfact_aliasing.
    """
    model = linear_model(arms, factors)
    products = {
        f"{one.name} x {other.name}": [a * b for a in _columns(arms, one) for b in _columns(arms, other)]
        for one, other in combinations(factors, 2)
    }
    main: dict[str, list[tuple[str, float]]] = {}
    for factor in factors:
        rows = [model.weights(((factor.name, level),)) for level in factor.levels[1:]]
        vectors = [-np.array([row.get(arm, 0.0) for arm in arms]) for row in rows if row is not None]
        main[factor.name] = []
        for name, columns in products.items():
            if factor.name in name.split(" x "):
                continue
            found = [float(vector @ column) for vector in vectors for column in columns]
            worst = max(found, key=abs, default=0.0)
            if abs(worst) > NEGLIGIBLE:
                main[factor.name].append((name, worst))
    return Aliases(main, _groups({n: c[0] for n, c in products.items() if len(c) == 1}))


def _columns(arms: Arms, factor: Factor) -> list[Floats]:
    """For each level but the full one: whether an arm has it, less 1 / number of levels."""
    return [
        np.array([float(arm[factor.name] == level) for arm in arms.values()]) - 1 / len(factor.levels)
        for level in factor.levels[1:]
    ]


def _groups(columns: dict[str, Floats]) -> list[list[str]]:
    groups: dict[tuple[float, ...], list[str]] = {}
    for name, column in columns.items():
        centred = np.round(column - column.mean(), 9)
        if centred.any():
            sign = np.sign(centred[np.flatnonzero(centred)[0]])
            groups.setdefault(tuple(centred * sign), []).append(name)
    return [names for names in groups.values() if len(names) > 1]


def alias_table(found: Aliases) -> list[list[str]]:
    """Return rows of text: an effect, and what it is mixed with."""
    rows = []
    for factor, mixed in found.main.items():
        shown = ", ".join(f"{'+' if c > 0 else '-'}{abs(c):.2g} ({name})" for name, c in mixed)
        rows.append([factor, shown or "nothing of two stages"])
    rows += [[names[0], "the same as " + ", ".join(names[1:])] for names in found.groups]
    return rows
