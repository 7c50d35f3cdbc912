"""Chains: generations of models, each trained on text of those before it, for every setting of such a chain."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product
from typing import Any, ClassVar

from ablate.design.base import Assignment, Factor, assign
from ablate.design.dose import doses

GENERATION = "generation"
"""Name of the factor that is the how-manieth model of a chain."""


@dataclass(frozen=True)
class Chains:
    """Every generation of every combination of the other factors: kinds of chains, decoding, share of real text.

    Generation 0 is one run for all chains of a seed, and chains that would read the same are one, so the arms cost less than
    their number.

    Attributes:
        leave_out: combinations that are not run, by some of their levels, e.g. [{kind: resample, temperature: 0.8}]:
            what draws no text has no decoding.
    """

    estimands: ClassVar[tuple[str, ...]] = ("generation_change", "generation_slope", "slope_contrast")
    leave_out: list[dict[str, Any]] = field(default_factory=list)

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Make `<levels of the others>-g<generation>`, chain by chain; the first is generation 0 of the recipe's own chain.

        Raises:
            ValueError: without a factor `generation` whose levels are whole numbers with 0 among them, when two factors
                share a name, when something left out names none of the levels, or nothing is left.
        """
        assign(factors, full=True)
        generation = next((factor for factor in factors if factor.name == GENERATION), None)
        if generation is None:
            raise ValueError(
                f"design chains needs a factor {GENERATION!r}, got {[factor.name for factor in factors]}; e.g. "
                "design.factors={kind: {chain.kind: [replace, anchored]}, generation: {chain.generation: [0, 1, 2, 3]}}"
            )
        levels = doses(generation)
        if levels[0][0] != 0 or any(not level.isdigit() for _, level in levels):
            raise ValueError(
                f"the levels of {GENERATION} must be whole numbers, 0 among them, got {generation.levels}"
            )
        others = [factor for factor in factors if factor.name != GENERATION]
        self._check(others)
        arms: dict[str, Assignment] = {}
        for combination in product(*(factor.levels for factor in others)):
            chain = dict(zip([factor.name for factor in others], combination, strict=True))
            if any(all(chain[name] == str(level) for name, level in gone.items()) for gone in self.leave_out):
                continue
            for _, level in levels:
                everything = {**chain, GENERATION: level}
                name = "-".join([*combination, f"g{level}"])
                arms[name] = {factor.name: everything[factor.name] for factor in factors}
        if not arms:
            raise ValueError("leave_out leaves no chain")
        return arms

    def _check(self, others: Sequence[Factor]) -> None:
        known = {factor.name: factor.levels for factor in others}
        for gone in self.leave_out:
            for name, level in gone.items():
                if str(level) not in known.get(name, ()):
                    raise ValueError(f"leave_out: {name}={level} is no level of the factors {known}")
