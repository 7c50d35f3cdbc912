"""Random mixtures of sources, as many as one can pay for: shares drawn from a Dirichlet distribution."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import ClassVar

import numpy as np

from ablate.design.base import Assignment, Factor, assign
from ablate.design.dose import doses

DRAWS = 10_000
"""Tried for each arm before the levels are said not to allow it."""


@dataclass(frozen=True)
class Mixtures:
    """The recipe's own mixture, and `n_arms - 1` drawn at random; each factor is a source, its levels are shares.

    Shares are drawn together and rounded to the step of the levels so that they add up to 1. Where the recipe's own shares
    leave something for the documents that no factor names, those are drawn like a source of their own. A larger `n_arms`
    with the same seed keeps the arms of a smaller one.

    Attributes:
        n_arms: how many, the recipe's own mixture among them.
        concentration: of the distribution around the recipe's own shares; the smaller, the nearer arms come to single
            sources. With as many sources as it is, and equal shares, every mixture is as likely as any other.
        seed: of the draws.

    Source: Liu et al. 2024, RegMix (arXiv 2407.01492): small proxies on random mixtures drawn around the shares of the pool.
    """

    estimands: ClassVar[tuple[str, ...]] = ("versus_reference",)
    n_arms: int = 16
    concentration: float = 4.0
    seed: int = 0

    def arms(self, factors: Sequence[Factor]) -> dict[str, Assignment]:
        """Make `mixture` for the recipe's own, then `mixture_1` and so on.

        Raises:
            ValueError: for levels that are no shares with one step, for shares of the recipe that add up to more than 1,
                and where the levels do not allow enough different mixtures.
        """
        if self.n_arms < 2:
            raise ValueError(f"n_arms must be 2 or more, got {self.n_arms}")
        if not self.concentration > 0:
            raise ValueError(f"concentration must be above 0, got {self.concentration}")
        own = assign(factors, full=True)
        levels = [{Fraction(level): level for _, level in doses(factor)} for factor in factors]
        step = min((abs(share) for shares in levels for share in shares if share), default=Fraction(0))
        if not step or any(share % step or not 0 <= share <= 1 for shares in levels for share in shares):
            raise ValueError(
                "design mixtures wants shares in equal steps from 0 as levels, those of the recipe among them, e.g. "
                "design.factors={web: {mixture.web: {from: 0, to: 1, points: 21}}, books: {mixture.books: {from: 0, to: 1, points: 21}}}"
            )
        centre = [Fraction(factor.full) for factor in factors]
        left = 1 - sum(centre)
        if left < 0:
            raise ValueError(
                f"the shares of the recipe add up to {float(1 - left):g}, and 1 is all that is read"
            )
        steps = Fraction(1) / step
        if steps.denominator != 1:
            raise ValueError(f"a share of 1 is no whole number of steps of {float(step):g}")
        around = [float(share) for share in [*centre, *([left] if left else [])]]
        alpha = self.concentration * np.maximum(
            around, 0.5 * float(step)
        )  # a source without a share may get one
        draw, arms = np.random.default_rng(self.seed), {"mixture": own}
        for number in range(1, self.n_arms):
            for _ in range(DRAWS):
                shares = [step * int(n) for n in _rounded(draw.dirichlet(alpha), int(steps))]
                drawn = zip(factors, levels, shares[: len(factors)], strict=True)
                found = {factor.name: known[share] for factor, known, share in drawn if share in known}
                if len(found) == len(factors) and found not in arms.values():
                    arms[f"mixture_{number}"] = found
                    break
            else:
                raise ValueError(
                    f"n_arms: the levels allow fewer than {self.n_arms} different mixtures, or make them very rare"
                )
        return arms


def _rounded(shares: np.ndarray, total: int) -> np.ndarray:
    """Whole numbers that add up to `total`, each within one of its share of it; the largest remainders are rounded up."""
    exact = shares * total
    whole = np.floor(exact).astype(np.int64)
    whole[np.argsort(whole - exact, kind="stable")[: total - int(whole.sum())]] += 1
    return np.asarray(whole)
