"""The noise of a run at a size of training: a ladder of shipped studies and published replicates, and the law through it."""

from __future__ import annotations

import csv
import math
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

from ablate.effects.random_line import RandomLine, random_line, random_mean
from ablate.errors import ConfigError

DATA = Path(__file__).parent / "data"
Family = Literal["testbed", "web"]
LEAST_SPAN = 1.0
"""Decades of compute that a metric's rows must span for a slope of their own."""
LEVEL = 0.8
"""Of the interval that a noise off the ladder is given, and that its degrees of freedom are read from."""
NORMAL_80 = 1.2815515655446004
SAME_SIZE = 0.05
"""Decades of compute within which two runs are of one size."""
BORROWED = 2.0
"""Times that the standard error of a slope grows where it is that of accuracies."""


@dataclass(frozen=True, kw_only=True)
class Rung:
    """One measured noise.

    Attributes:
        family: whose tasks: the testbed's, or those that people use.
        study: where it was measured.
        metric: acc (centred: 0 is chance, 1 is all right), prob (centred) or bpb.
        parameters, tokens: of a run.
        sd: standard deviation of a run, beyond what its seed gives to all arms alike.
        df: degrees of freedom behind it.
        source: file or locus.
    """

    family: Family
    study: str
    metric: str
    parameters: float
    tokens: float
    sd: float
    df: float
    source: str

    @property
    def flops(self) -> float:
        """Training FLOPs: six a parameter and token (Kaplan et al. 2020, arXiv 2001.08361, section 2.1)."""
        return 6 * self.parameters * self.tokens


@dataclass(frozen=True, kw_only=True)
class RunNoise:
    """What is known of a run's noise before it is measured.

    Attributes:
        sd: the best guess, in the metric's units.
        df: degrees of freedom of a measurement that would know as much; infinite for a figure that is taken for certain.
        low, high: 80 % interval.
        source: in words.
        beyond: whether it is read off a law where no run of a tenth to ten times the compute was measured.
        sphericity: share of the degrees of freedom that arms of unequal noise leave, where it was measured.
    """

    sd: float
    df: float
    low: float
    high: float
    source: str
    beyond: bool = False
    sphericity: float = 1.0

    @classmethod
    def measured(cls, sd: float, df: float, source: str, *, sphericity: float = 1.0) -> RunNoise:
        """A noise that an earlier study measured, or that the user states (infinite df).

        Args:
            sd: in the metric's units.
            df: degrees of freedom behind it if all arms were equally noisy.
            source: in words.
            sphericity: share of `df` that is left since they are not.
        """
        df *= sphericity
        spread = 0.0 if math.isinf(df) else NORMAL_80 * math.sqrt(1 / (2 * df))
        return cls(
            sd=sd,
            df=df,
            low=sd * math.exp(-spread),
            high=sd * math.exp(spread),
            source=source,
            sphericity=sphericity,
        )


@cache
def rungs() -> tuple[Rung, ...]:
    """Return every noise of the ladder, as `results/wish/noise_ladder.py` wrote it."""
    with (DATA / "noise.csv").open(newline="", encoding="utf-8") as file:
        return tuple(
            Rung(
                family="testbed" if row["family"] == "testbed" else "web",
                study=row["study"],
                metric=row["metric"],
                parameters=float(row["parameters"]),
                tokens=float(row["tokens"]),
                sd=float(row["sd"]),
                df=float(row["df"]),
                source=row["source"],
            )
            for row in csv.DictReader(file)
        )


@dataclass(frozen=True, eq=False)
class NoiseLaw:
    """The logarithm of a run's noise as a line over the logarithm (to base 10) of its training FLOPs.

    Attributes:
        line: through the rungs.
        metric: acc, prob or bpb.
        studies: that it goes through.
        places: logarithms of their FLOPs.
        borrowed: whether its slope is that of accuracies.
    """

    line: RandomLine
    metric: str
    studies: tuple[str, ...]
    places: tuple[float, ...]
    borrowed: bool

    def at(self, flops: float) -> RunNoise:
        """Read the noise off the law."""
        x = math.log10(flops)
        low, high = self.line.interval(x, level=LEVEL)
        spread = (high - low) / 2 / NORMAL_80
        beyond = min(abs(place - x) for place in self.places) > 1
        source = f"law over {len(self.studies)} studies" + (", slope of accuracies" if self.borrowed else "")
        return RunNoise(
            sd=math.exp(self.line.at(x)),
            df=1 / (2 * spread**2),
            low=math.exp(low),
            high=math.exp(high),
            source=source,
            beyond=beyond,
        )

    def from_measured(self, known: RunNoise, flops: float, wanted: float, *, alike: bool) -> RunNoise:
        """Carry a noise that was measured elsewhere to this study: by the slope to its size, and as unsure as studies differ.

        Args:
            known: the noise at `flops`.
            flops, wanted: training FLOPs of the runs that were measured, and of those asked for.
            alike: whether it was measured in the study's own setting (pages, tasks, training), such as a pilot; the
                same noise then holds at the same size.
        """
        step = math.log10(wanted) - math.log10(flops)
        if abs(step) < SAME_SIZE:
            step = 0.0
        if alike and not step:
            return known
        own = 0.0 if math.isinf(known.df) else 1 / (2 * known.df)
        variance = own + step**2 * float(self.line.covariance[1, 1]) + self.line.between
        middle, spread = math.log(known.sd) + self.line.slope * step, math.sqrt(variance)
        return RunNoise(
            sd=math.exp(middle),
            df=1 / (2 * variance) if variance else math.inf,
            low=math.exp(middle - NORMAL_80 * spread),
            high=math.exp(middle + NORMAL_80 * spread),
            source=f"{known.source}, carried over by the law's slope"
            if step
            else f"{known.source}, another study",
            beyond=abs(step) > 1,
            sphericity=known.sphericity,
        )


def metric_kind(metric: str) -> str:
    """Return which metric of the ladder a study's is like.

    Raises:
        ConfigError: for one that the ladder has nothing of.
    """
    for kind in ("acc", "prob", "bpb"):
        if metric == kind or metric.startswith(f"{kind}_"):
            return kind
    raise ConfigError(
        f"wish.within: nothing is known of the noise of {metric} at other sizes; the ladder has acc, acc_norm, prob and bpb"
    )


def noise_law(family: Family, metric: str, *, without: str = "") -> NoiseLaw:
    """Fit the law of a family's tasks.

    Where a metric was measured at one size alone, its height is its own and the slope that of accuracies, taken for half as sure.

    Args:
        family: whose tasks.
        metric: of a study.
        without: a study to leave out, to see whether the others foretell it.
    Raises:
        ConfigError: for a metric that the ladder has nothing of.
    """
    kind = metric_kind(metric)
    rows = [row for row in rungs() if row.family == family and row.metric == kind and row.study != without]
    x, y, variance = (
        np.array(values)
        for values in zip(
            *((math.log10(row.flops), math.log(row.sd), 1 / (2 * row.df)) for row in rows), strict=True
        )
    )
    studies, places = tuple(row.study for row in rows), tuple(map(float, x))
    if np.ptp(x) >= LEAST_SPAN:
        return NoiseLaw(random_line(x, y, variance), kind, studies, places, False)
    accuracies = noise_law("web", "acc").line
    line = random_mean(
        x,
        y,
        variance,
        slope=accuracies.slope,
        slope_variance=BORROWED**2 * float(accuracies.covariance[1, 1]),
    )
    return NoiseLaw(line, kind, studies, places, True)
