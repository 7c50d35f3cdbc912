"""Findings about the noise between seeds: what arms share of it, its shape, whether all arms have as much."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablate.design.base import weight_matrix
from ablate.design.controls import PARTS
from ablate.effects.aggregate import rescale
from ablate.effects.balanced import DOMINANT, SPHERICAL, arm_variances, seed_dependence, weighs_alike
from ablate.effects.contrast import distinct_arms
from ablate.effects.estimate import Floats
from ablate.effects.noise import homogeneity
from ablate.effects.pairing import SeedCorrelation, advice, seed_correlation
from ablate.effects.shape import best_cut, noise_shape
from ablate.render.tables import p_text
from ablate.report.effects_table import headline
from ablate.report.findings.base import DOUBT, Finding
from ablate.report.row import Row
from ablate.study.results import Study
from ablate.study.schema import UNPAIRED

CROWDED = 2.0
"""Standard deviations of its runs from the best or worst score within which an arm's noise cannot be even on both sides."""
SPLIT = (
    "As where a run has made a transition or has not: the mean is of two kinds of run, and intervals from few seeds do not hold. A "
    "longer budget, or bits per byte, brings runs to one side."
)
BORROWING = {"moderated", "borrowed"}
"""Methods whose variance is in part that of other arms."""


@dataclass(frozen=True, eq=False)
class NoPairing(Finding):
    """Every arm has seeds of its own."""

    def __str__(self) -> str:
        return "**No pairing**: every arm has seeds of its own, so nothing that a seed does to several arms enters an interval."


@dataclass(frozen=True, eq=False)
class Pairing(Finding):
    """What arms that share a seed have in common, and how the next study of this kind should be planned.

    Attributes:
        correlation: between arms under one seed.
        unpaired: whether the gains here were planned unpaired.
    """

    correlation: SeedCorrelation
    unpaired: bool

    def __str__(self) -> str:
        planned = " The gains here were planned unpaired." if self.unpaired else ""
        return f"**Pairing by seed**: {advice(self.correlation)}{planned}"


@dataclass(frozen=True, eq=False)
class SeedsByStages(Finding):
    """How far gains vary between shared seeds beyond what the noise of all arms says.

    Attributes:
        name: the gain that does most.
        ratio: its variance between seeds over the pooled one.
        p_value: of no more than noise, corrected for the choice of that gain.
        gains: looked at.
        alone: those that stand on their own seeds for it.
    """

    name: str
    ratio: float
    p_value: float
    gains: int
    alone: tuple[str, ...]

    def __str__(self) -> str:
        shown = f"; on their own seeds alone stand {', '.join(self.alone)}" if self.alone else ""
        return (
            f"**Seeds and stages**: under shared seeds, gains should vary between seeds as the noise of all arms says. {self.name} has "
            f"{self.ratio:.1f} times that variance, the largest of {self.gains} (p = {p_text(self.p_value)}, Bonferroni). Above {SPHERICAL:g} times the pooled variance a gain keeps its own{shown}. "
            "That mends most of what a stage by seed interaction does, not all: give arms seeds of their own (design.own_seeds=true)."
        )


@dataclass(frozen=True, eq=False)
class SharedArm(Finding):
    """All gains are over some arm, and move together with its luck.

    Attributes:
        arms: that all gains have.
        correlation: between the gains' differences seed by seed, mean over pairs.
    """

    arms: tuple[str, ...]
    correlation: float

    def __str__(self) -> str:
        arms = ", ".join(f"`{arm}`" for arm in self.arms)
        return (
            f"**Gains share an arm** ({arms}), so they rise and fall together with its luck: correlation between the gains' "
            f"seed by seed differences {self.correlation:+.2f} on average."
        )


@dataclass(frozen=True, eq=False)
class FewSeeds(Finding):
    """Some gain has so few seeds that its interval says little, or nothing.

    Attributes:
        seeds: of the gain that has fewest, 1 to 3.
    """

    seeds: int

    def __str__(self) -> str:
        if self.seeds == 1:
            return "**One seed** in some gains: no spread, so no interval and no verdict."
        words = {2: "Two seeds", 3: "Three seeds"}[self.seeds]
        return (
            f"**{words}** say little about the shape of the noise. Tails that are heavy on both sides make intervals wider than they "
            "need to be; runs that split into two groups, or a reference whose runs lean to one side, make them too narrow, or "
            "leave them beside the truth."
            + (" A third seed makes every interval far narrower." if self.seeds == 2 else "")
        )


@dataclass(frozen=True, eq=False)
class TwoKindsOfRun(Finding):
    """An arm's runs split into two groups.

    Attributes:
        arm: which.
        low, high: the scores of either group.
        p_value: of one group, after Holm over the arms.
    """

    arm: str
    low: Floats
    high: Floats
    p_value: float

    def __str__(self) -> str:
        return (
            f"**Runs of arm `{self.arm}` split into two groups**: {self.low.size} near {self.low.mean():.3f}, {self.high.size} near "
            f"{self.high.mean():.3f} (p of one group {p_text(self.p_value)} after Holm over arms). {SPLIT}"
        )


@dataclass(frozen=True, eq=False)
class ManySplit(Finding):
    """More arms split into two groups of runs than normal noise explains, though none surely does.

    Attributes:
        p_value: of one group in every arm.
    """

    p_value: float

    def __str__(self) -> str:
        return f"**Runs split into two groups** in more arms than normal noise explains (p = {p_text(self.p_value)}, all arms together). {SPLIT}"


@dataclass(frozen=True, eq=False)
class NoiseLeans(Finding):
    """Runs are far off on one side.

    Attributes:
        worse: whether it is bad runs that are.
        skew: mean skewness of the arms' runs.
        p_value: of noise that leans to no side.
    """

    worse: bool
    skew: float
    p_value: float

    def __str__(self) -> str:
        return (
            f"**Noise leans to one side**: {'bad' if self.worse else 'good'} runs are far off (mean skewness {self.skew:+.1f}, p = {p_text(self.p_value)}). "
            "Alike in all arms it cancels in a gain; in the reference alone intervals are too narrow."
        )


@dataclass(frozen=True, eq=False)
class NoShapeSeen(Finding):
    """Neither two groups of runs nor a lean to one side can be seen, which says little of few runs.

    Attributes:
        split_p, skew_p: of one group in every arm, and of no lean; NaN where only single arms could be looked at.
    """

    split_p: float
    skew_p: float

    def __str__(self) -> str:
        if math.isnan(self.split_p):
            return "**Shape of the noise**: no sign of runs in two groups in any single arm. Few runs show little of it."
        return (
            f"**Shape of the noise**: no sign of runs in two groups (p = {p_text(self.split_p)}) nor of a lean to one side (p = "
            f"{p_text(self.skew_p)}). Few runs show little of it."
        )


@dataclass(frozen=True, eq=False)
class NearBound(Finding):
    """Scores crowd against the best or the worst there is.

    Attributes:
        arms: whose.
    """

    arms: tuple[str, ...]

    def __str__(self) -> str:
        return (
            f"**Scores near their bound**: those of {', '.join(f'`{arm}`' for arm in self.arms)} lie within {CROWDED:g} standard deviations of the best or "
            "the worst score there is, so their noise is squeezed on one side and gains over them have intervals that are too "
            "narrow. Bits per byte has no such bound; harder tasks, or a shorter budget, leave room."
        )


@dataclass(frozen=True, eq=False)
class Loudest(Finding):
    """One arm has most of the noise, which averages over few seeds do not allow for.

    Attributes:
        arm: which.
    """

    arm: str

    def __str__(self) -> str:
        return (
            f"Arm `{self.arm}` has most of it: with fewer than five seeds `ablate calibrate` does not claim gains that "
            "average over such an arm."
        )


@dataclass(frozen=True, eq=False)
class EqualNoise(Finding):
    """Whether all arms are as noisy as each other.

    Attributes:
        p_value: of equal noise; NaN where it cannot be tested.
        methods: that variances of gains were found by.
        loudest: an arm with most of the noise, where there is one.
    """

    p_value: float
    methods: tuple[str, ...]
    loudest: Loudest | None

    @property
    def differs(self) -> bool:
        """Whether arms differ in their noise."""
        return self.p_value <= DOUBT

    def __str__(self) -> str:
        used = f"; variances: {', '.join(self.methods)}" if self.methods else ""
        warning = f" {self.loudest}" if self.loudest else ""
        if math.isnan(self.p_value):
            return f"**Equal noise** cannot be tested (too few arms, or an arm without a spread){used}."
        if not self.differs:
            leans = ", ".join(sorted(BORROWING & {*self.methods}))
            return f"**Equal noise** in all arms, on which {leans} variances lean, is not contradicted (p = {p_text(self.p_value)}).{warning}"
        return (
            f"**Noise differs between arms** (p of equal noise {p_text(self.p_value)}), so gains between two arms stand on their own "
            f"seeds alone{used}. More seeds, or a factorial design, buy more than more arms.{warning}"
        )


def pairing(study: Study, table: Floats) -> list[Finding]:
    """Measure what arms that share a seed have in common."""
    if not study.shares_seeds:
        return [NoPairing()]
    found = seed_correlation(table[study.distinct])
    return [] if math.isnan(found.value) else [Pairing(found, study.plan.pairing == UNPAIRED)]


def seeds_by_stages(study: Study, table: Floats, rows: Sequence[Row]) -> list[Finding]:
    """Look whether seeds do something to a stage, which pooled intervals of averages under shared seeds leave out."""
    found = []
    for row in headline(rows, study):
        runs, (weights,) = distinct_arms(table, [*weight_matrix([row], study.arms)])
        pools = row.method in ("pooled", "paired") and weighs_alike(runs, weights)
        if study.shares_seeds and pools and not math.isnan((one := seed_dependence(runs, weights)).ratio):
            found.append((one.ratio, one.p_value, row))
    if not found:
        return []
    ratio, p_value, row = max(found, key=lambda entry: entry[0])
    alone = tuple(row.name for _, _, row in found if row.method == "paired")
    return [SeedsByStages(row.name, ratio, min(1.0, p_value * len(found)), len(found), alone)]


def shared_arm(study: Study, table: Floats, rows: Sequence[Row]) -> list[Finding]:
    """Measure how far gains over a common arm move together with its luck."""
    lead = [row for row in headline(rows, study) if row.tested and row.estimand not in PARTS]
    weights = weight_matrix(lead, study.arms)
    whole = np.isfinite(table).all(axis=1)
    if len(lead) < 2 or table.shape[1] < 2 or (weights[:, ~whole] != 0).any():
        return []
    shared = (weights != 0).all(axis=0)
    if shared.all():
        return []  # every gain uses every run, as in a factorial
    spread = np.cov(weights[:, whole] @ table[whole])
    if not shared.any() or not (np.diag(spread) > 0).all():
        return []
    sd = np.sqrt(np.diag(spread))
    pairs = np.triu_indices(len(lead), k=1)
    mean = float((spread / np.outer(sd, sd))[pairs].mean())
    return [SharedArm(tuple(study.arms[place] for place in np.flatnonzero(shared)), mean)]


def few_seeds(study: Study, rows: Sequence[Row]) -> list[Finding]:
    """Look for gains with fewer than four seeds."""
    counts = {row.n_seeds for row in headline(rows, study) if row.method != "identical"}
    fewest = min(counts - {0}, default=4)
    return [FewSeeds(fewest)] if fewest < 4 else []


def shape(study: Study, table: Floats) -> list[Finding]:
    """Look whether runs split into two groups or lean to one side, which intervals do not allow for."""
    found = noise_shape(table[study.distinct])
    if math.isnan(found.split_p) and np.isnan(found.split).all():
        return []
    seen: list[Finding] = []
    for place in found.split_arms:
        runs = table[study.distinct[place]]
        low, high = best_cut(runs[np.isfinite(runs)])
        seen.append(TwoKindsOfRun(study.arms[study.distinct[place]], low, high, float(found.split[place])))
    if not seen and found.splits:
        seen.append(ManySplit(found.split_p))
    if found.leans:
        worse = (found.skew < 0.0) == study.metrics[study.primary]
        seen.append(NoiseLeans(worse, found.skew, found.skew_p))
    return seen or [NoShapeSeen(found.split_p, found.skew_p)]


def bounds(study: Study, table: Floats) -> list[Finding]:
    """Look for arms whose scores crowd against the best or the worst score there is."""
    levels = study.chances(study.headline_tasks, study.primary)
    if levels is None:
        return []  # bits per byte: nothing comes near zero
    top, bottom = 1.0, float(rescale(np.zeros(len(levels)), levels).mean())
    near = []
    for place in study.distinct:
        runs = table[place][np.isfinite(table[place])]
        if runs.size >= 2:
            reach = CROWDED * float(runs.std(ddof=1))
            if runs.mean() + reach >= top or runs.mean() - reach <= bottom:
                near.append(study.arms[place])
    return [NearBound(tuple(near))] if near else []


def equal_noise(study: Study, table: Floats, rows: Sequence[Row]) -> list[Finding]:
    """Test whether all arms are as noisy as each other, and say so where a gain leans on it."""
    runs = table[study.distinct]
    methods = tuple(sorted({row.method for row in headline(rows, study)} - {"identical", "none"}))
    found = EqualNoise(homogeneity(runs), methods, _loudest(study, runs))
    if math.isnan(found.p_value) or found.differs or BORROWING & {*methods}:
        return [found]
    return [found.loudest] if found.loudest else []


def _loudest(study: Study, runs: Floats) -> Loudest | None:
    whole = np.isfinite(runs).all(axis=1)
    if whole.sum() < 4 or not 2 <= runs.shape[1] < 5:
        return None
    own = np.maximum(arm_variances(runs[whole]), 0.0)
    if own.max() <= DOMINANT * own.sum():
        return None
    return Loudest(study.arms[np.array(study.distinct)[whole][int(own.argmax())]])
