"""How often a large model reverses what a small one ranks: published transfers between sizes, and the law through them."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache

import numpy as np
from scipy.special import expit, logit

from ablate.effects.random_line import RandomLine, random_line
from ablate.wish.noise import DATA


@dataclass(frozen=True, kw_only=True)
class Transfer:
    """One published comparison of two sizes.

    Attributes:
        study: whose models.
        small, large: sizes, in words.
        flops_ratio: training FLOPs of the large model over those of the small one.
        accuracy: share of pairs of data sets that both rank alike.
        data_sets: that were ranked.
        source: file or locus.
    """

    study: str
    small: str
    large: str
    flops_ratio: float
    accuracy: float
    data_sets: int
    source: str


@dataclass(frozen=True)
class Reversal:
    """Risk that two stages which the proxy ranks stand the other way round at the target.

    Attributes:
        risk: of one pair.
        low, high: 95 % interval.
        beyond: whether the ratio of sizes is larger than any that was published.
    """

    risk: float
    low: float
    high: float
    beyond: bool


@cache
def transfers() -> tuple[Transfer, ...]:
    """Return every published comparison."""
    with (DATA / "transfer.csv").open(newline="", encoding="utf-8") as file:
        return tuple(
            Transfer(
                study=row["study"],
                small=row["small"],
                large=row["large"],
                flops_ratio=float(row["flops_ratio"]),
                accuracy=float(row["accuracy"]),
                data_sets=int(row["data_sets"]),
                source=row["source"],
            )
            for row in csv.DictReader(file)
        )


@cache
def reversal_law() -> RandomLine:
    """Fit the log-odds of a reversal as a line over the logarithm (to base 10) of the ratio of training FLOPs.

    Pairs of one ranking are not independent: n data sets count as n / 2 pairs, the fewest that they can be worth
    (Hoeffding 1948), which errs towards a wider interval.
    """
    rows = transfers()
    risk = np.array([1 - row.accuracy for row in rows])
    worth = np.array([row.data_sets / 2 for row in rows])
    return random_line(
        [math.log10(row.flops_ratio) for row in rows], logit(risk), 1 / (worth * risk * (1 - risk))
    )


def reversal(flops_ratio: float) -> Reversal:
    """Read the risk off the law.

    What was published are whole data sets, all pairs of them, mostly one run each: the noise of those runs is in it, and
    stages whose gains are told apart by a study are reversed less often. At one size (a ratio of 1 or less) nothing is carried over.

    Args:
        flops_ratio: training FLOPs of the target over those of the proxy, above zero.
    """
    if flops_ratio <= 1:
        return Reversal(0.0, 0.0, 0.0, False)
    line, x = reversal_law(), math.log10(flops_ratio)
    low, high = line.interval(x)
    return Reversal(float(expit(line.at(x))), float(expit(low)), float(expit(high)), x > line.high)
