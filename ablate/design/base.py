"""What a design is: factor names in, arms and contrasts out. Imports nothing of the rest."""

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


@dataclass(frozen=True)
class ContrastSpec:
    """A difference between arms that is reported.

    Attributes:
        factor: which factor it is about; level, versus: the levels compared, level minus versus.
        estimand: what kind of gain it is, e.g. "leave_one_out".
        weights: arm -> weight; they sum to zero.
    """

    factor: str
    level: str
    versus: str
    estimand: str
    weights: dict[str, float]


class Design(Protocol):
    """Decides which arms to run and which contrasts they serve. The first arm is the reference."""

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]: ...

    def contrasts(self, factors: Sequence[Factor]) -> list[ContrastSpec]: ...


def assign(factors: Sequence[Factor], *, full: bool) -> Assignment:
    """Every factor at its full, or at its bare level.

    Raises:
        ValueError: when two factors share a name.
    """
    names = [factor.name for factor in factors]
    repeated = sorted({name for name in names if names.count(name) > 1})
    if repeated:
        raise ValueError(f"each factor may be named once; repeated: {repeated}")
    return {factor.name: factor.full if full else factor.bare for factor in factors}


def arm_name(factor: Factor, level: str, plain: str, on_off: str) -> str:
    """`plain` + factor for the level `on_off` of a two-level switch, else `factor=level`."""
    return f"{plain}{factor.name}" if set(factor.levels) == {"on", "off"} and level == on_off else f"{factor.name}={level}"
