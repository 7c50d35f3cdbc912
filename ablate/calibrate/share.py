"""A count of a number of cases, with its exact interval."""

from __future__ import annotations

import math
from dataclasses import dataclass

from scipy.stats import binomtest


@dataclass(frozen=True)
class Share:
    """A count of a number of cases, with its exact (Clopper-Pearson) 95 % interval."""

    hits: int
    n: int

    @property
    def share(self) -> float:
        """hits / n; NaN of nothing."""
        return self.hits / self.n if self.n else math.nan

    @property
    def interval(self) -> tuple[float, float]:
        """Exact binomial interval."""
        if not self.n:
            return math.nan, math.nan
        found = binomtest(self.hits, self.n).proportion_ci()
        return float(found.low), float(found.high)

    def __str__(self) -> str:
        low, high = self.interval
        return f"{self.hits} of {self.n} = {100 * self.share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"

    @property
    def percent(self) -> str:
        """Without the counts."""
        low, high = self.interval
        return f"{100 * self.share:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"

    def surely_above(self, level: float, p: float = 0.001) -> bool:
        """Whether so many would be a surprise if the chance were `level`."""
        return bool(self.n) and bool(binomtest(self.hits, self.n, level, alternative="greater").pvalue <= p)

    def surely_below(self, level: float, p: float = 0.001) -> bool:
        """Whether so few would be a surprise if the chance were `level`."""
        return bool(self.n) and bool(binomtest(self.hits, self.n, level, alternative="less").pvalue <= p)
