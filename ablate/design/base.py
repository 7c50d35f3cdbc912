"""What a design is: factors in, arms and contrasts out. Imports nothing of the rest."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

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
        """The level of the full recipe."""
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


class Design(Protocol):
    """Decides which arms to run and which contrasts they serve."""

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Arm name -> level of every factor, in the order of the report; the first is the reference."""
        ...

    def contrasts(self, factors: Sequence[Factor]) -> list[ContrastSpec]:
        """What is reported, in the order of the factors."""
        ...


def assign(factors: Sequence[Factor], *, full: bool) -> Assignment:
    """Every factor at its full, or at its bare level.

    Raises:
        ValueError: when two factors share a name, since one would silently overwrite the other.
    """
    names = [factor.name for factor in factors]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"each factor may be named once; repeated: {repeated}")
    return {factor.name: factor.full if full else factor.bare for factor in factors}
