"""What a design is: factors in, arms out. Imports nothing of the rest."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Protocol

import numpy as np
from numpy.typing import NDArray

Assignment = dict[str, str]
"""Factor -> level."""


@dataclass(frozen=True)
class Factor:
    """Something that is varied.

    Attributes:
        name: e.g. a stage's.
        levels: two or more; the first is what the full recipe has, the last stands for "without".
    """

    name: str
    levels: tuple[str, ...]

    def __post_init__(self) -> None:
        if len(set(self.levels)) < max(2, len(self.levels)):
            raise ValueError(f"factor {self.name!r} needs two or more different levels, got {self.levels}")

    @property
    def full(self) -> str:
        """Return the level of the full recipe."""
        return self.levels[0]

    @property
    def bare(self) -> str:
        """The level that stands for absence."""
        return self.levels[-1]

    @property
    def is_switch(self) -> bool:
        """Whether the factor is a stage that is on or off, so that its name says all."""
        return self.levels == ("on", "off")


@dataclass(frozen=True)
class ContrastSpec:
    """A difference between arms that is reported.

    Attributes:
        factor: which factor it is about.
        level: of that factor, the one whose gain is reported.
        versus: the level it is compared with.
        estimand: what kind of gain it is, e.g. "leave_one_out".
        weights: arm -> weight; they sum to zero, arms that are not named weigh nothing.
    """

    factor: str
    level: str
    versus: str
    estimand: str
    weights: dict[str, float]

    @property
    def name(self) -> str:
        """What its gain is called in tables."""
        return gain_name(self.factor, self.level, self.versus)


def gain_name(factor: str, level: str, versus: str) -> str:
    """Return the factor, with its levels unless they are on and off; two arms, where it is about no factor."""
    if (level, versus) == ("on", "off"):
        return factor
    levels = f"{level} vs {versus}"
    return levels if factor == level else f"{factor}: {levels}"


class Weighted(Protocol):
    """Whatever weighs arms: a contrast, or a row of effects."""

    @property
    def weights(self) -> Mapping[str, float]:
        """Arm -> weight; arms that are not named weigh nothing."""
        ...


def weight_matrix(contrasts: Iterable[Weighted], arms: Iterable[str]) -> NDArray[np.float64]:
    """Return the weights of contrasts over arms: shape (n_contrasts, n_arms)."""
    names = list(arms)
    rows = [[contrast.weights.get(arm, 0.0) for arm in names] for contrast in contrasts]
    return np.array(rows, dtype=np.float64).reshape(len(rows), len(names))


class Design(Protocol):
    """Decides which arms to run. What is reported of them is an estimand's business (`ablate.estimand`).

    Attributes:
        estimands: names of those that its arms were chosen for, which a plan freezes unless others
            are asked for.

    Beside it a class may state `clear`, that its gains are one of every factor and free of interactions of two stages, so
    that `goal.mde` weighs it unasked; and `usual`, that studies of what stages are worth usually take it, so that
    calibration tries what such a study states and what it costs.
    """

    estimands: ClassVar[tuple[str, ...]]

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Map each arm's name to the level of every factor, in the order of the report; the first is the reference."""
        ...


def assign(factors: Sequence[Factor], *, full: bool) -> Assignment:
    """Set every factor to its full, or to its bare level.

    Raises:
        ValueError: when two factors share a name, since one would silently overwrite the other.
    """
    names = [factor.name for factor in factors]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"each factor may be named once; repeated: {repeated}")
    return {factor.name: factor.full if full else factor.bare for factor in factors}


def arm_name(assignment: Assignment, factors: Sequence[Factor]) -> str:
    """Return what an arm is called: by what it lacks, or by what it has, whichever is shorter.

    `full`, `without_language+pii`, `extraction=raw,without_pii`; `bare`, `only_language`,
    `only_extraction=trafilatura+language`.
    """
    changed = [factor for factor in factors if assignment[factor.name] != factor.full]
    added = [factor for factor in factors if assignment[factor.name] != factor.bare]
    if not changed:
        return "full"
    if not added and len(factors) > 1:
        return "bare"

    def plain(factor: Factor) -> str:
        return factor.name if factor.is_switch else f"{factor.name}={assignment[factor.name]}"

    if added and len(added) < len(changed):
        return "only_" + "+".join(map(plain, added))
    switched = "+".join(factor.name for factor in changed if factor.is_switch)
    levels = [plain(factor) for factor in changed if not factor.is_switch]
    return ",".join([*levels, f"without_{switched}"] if switched else levels)


def named(assignments: Iterable[Assignment], factors: Sequence[Factor]) -> dict[str, Assignment]:
    """Name the arms, the full recipe first when it is among them, repeats left out."""
    arms = {arm_name(assignment, factors): assignment for assignment in assignments}
    return {name: arms[name] for name in sorted(arms, key=lambda name: name != "full")}


def by_signs(signs: Iterable[Iterable[float]], factors: Sequence[Factor]) -> list[Assignment]:
    """Read rows of a two-level design matrix as assignments: above zero is the full level, below the bare one."""
    return [
        {f.name: f.full if sign > 0 else f.bare for f, sign in zip(factors, row, strict=True)}
        for row in signs
    ]


def check_two_levels(factors: Sequence[Factor], design: str, fewest: int = 2) -> None:
    """Refuse factors that a two-level design cannot take.

    Raises:
        ValueError: for fewer than `fewest` factors, two of one name, or one with more than two levels.
    """
    assign(factors, full=True)
    if len(factors) < fewest:
        raise ValueError(f"design {design} needs {fewest} factors or more, got {len(factors)}")
    more = [factor.name for factor in factors if len(factor.levels) > 2]
    if more:
        raise ValueError(
            f"design {design} is for factors with two levels; {', '.join(more)} has more. "
            "Use design=mixed or design=full_factorial, or give two levels"
        )
