"""Reports in which no stage does anything: how often does one say `helps` all the same?

Each report has five tasks, their aggregate and up to three estimands, and its words come from where a study's do: the rule for
estimates, `multiplicity.correct_claims`, `verdict`. Where seeds were added, what a study's journal leaves of its plan
decides the boundaries (`study.journal.standing`).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from scipy.special import stdtr

from ablate.calibrate.cases import Case, several, shipped, weights_of
from ablate.calibrate.populations import Floats, Runs, draw
from ablate.calibrate.share import Share
from ablate.calibrate.simulate import estimated, stream
from ablate.effects.aggregate import aggregate
from ablate.effects.estimate import Estimate
from ablate.effects.multiplicity import correct_claims
from ablate.effects.sequential import sequential_many
from ablate.effects.verdict import Kind, verdict
from ablate.study.journal import Entry, standing
from ablate.study.results import Study
from ablate.study.schema import Arm, Headline, Plan

CHANCE = (0.25, 0.25, 0.5, 0.2, 0.5)
"""Score of a guess in each of the five tasks."""
COMMON = 0.5
"""Share of a run's variance that its tasks have in common."""
SCALE = 0.02
"""Noise of a run, in the units of a score."""
NOISES = ("equal", "loud_reference", "one_stage_by_seed", "lognormal_reference")
SEEDS = ((3,), (5,), (8,), (3, 5, 8))
"""Seeds at each look at the results; where there are several, seeds were added."""


@dataclass(frozen=True)
class NullReports:
    """What reports without any effect say.

    Attributes:
        case, noise, looks: of the cell; `looks` is seeds at each report, the last being counted.
        shared: whether arms shared their seeds.
        default: whether that is what the design does unless asked.
        gains, estimands, studies: sizes.
        helps: reports with a `helps`.
        claims: reports with a `helps` or `hurts`.
        ever: studies in whose first report, or in a later one after seeds were added, something helps.
        ever_claims: ... helps or hurts.
    """

    case: str
    noise: str
    looks: tuple[int, ...]
    shared: bool
    default: bool
    gains: int
    estimands: int
    studies: int
    helps: int
    claims: int
    ever: int
    ever_claims: int

    @property
    def any_helps(self) -> Share:
        """Reports with a false `helps`."""
        return Share(self.helps, self.studies)

    @property
    def any_claim(self) -> Share:
        """Reports with a false `helps` or `hurts`."""
        return Share(self.claims, self.studies)

    @property
    def ever_helps(self) -> Share:
        """Studies with a false `helps` in any of the reports that were made of them."""
        return Share(self.ever, self.studies)

    @property
    def ever_claim(self) -> Share:
        """Studies with a false `helps` or `hurts` in any of the reports that were made of them."""
        return Share(self.ever_claims, self.studies)

    @property
    def held(self) -> bool:
        """Whether no more than 5 % of reports, give or take their binomial error, have a false claim."""
        return not self.any_claim.surely_above(0.05)


@dataclass(frozen=True)
class NullTask:
    """The arguments of one cell."""

    case: Case
    noise: str
    looks: tuple[int, ...]
    shared: bool
    studies: int
    seed: int

    def __call__(self) -> NullReports:
        """Simulate it."""
        case = self.case
        rng = stream(self.seed, "null", case.name, self.noise, self.looks, self.shared)
        specs = several(case)
        weights = weights_of(specs, case.arms)
        tasks = null_scores(case, self.noise, self.looks[-1], self.studies, rng, shared=self.shared)
        ever, ever_claims = np.zeros((2, self.studies), dtype=bool)
        for number, seeds in enumerate(self.looks, start=1):
            seen = looks_of(self.looks[:number])
            helps, hurts = words(tasks[..., :seeds], weights, seen, shared=self.shared)
            ever |= helps
            ever_claims |= helps | hurts
        return NullReports(
            case.name,
            self.noise,
            self.looks,
            self.shared,
            self.shared != case.own_seeds,
            len(specs),
            len({spec.estimand for spec in specs}),
            self.studies,
            int(helps.sum()),
            int((helps | hurts).sum()),
            int(ever.sum()),
            int(ever_claims.sum()),
        )


def null_scores(
    case: Case, noise: str, seeds: int, studies: int, rng: np.random.Generator, *, shared: bool
) -> Floats:
    """Scores of five tasks when no stage does anything, shape (n_tasks, n_studies, n_arms, n_seeds)."""
    runs = Runs(studies, seeds, case.present, shared)
    common = draw(noise, rng, runs)
    own = np.stack([draw(noise, rng, runs) for _ in CHANCE])
    levels = np.array(CHANCE)[:, None, None, None]
    return np.asarray(0.3 * (1 + levels) + SCALE * (COMMON**0.5 * common + (1 - COMMON) ** 0.5 * own))


def looks_of(seeds: Sequence[int]) -> tuple[int, ...]:
    """How often results were looked at, by the journal of a study whose seeds were added to."""
    headline = Headline(primary="prob", aggregate=None)
    entries = [
        Entry(str(number), tuple(range(n)), headline, (), tuple(range(seeds[number - 1])) if number else ())
        for number, n in enumerate(seeds)
    ]
    plan = Plan(
        study="null",
        title="",
        question="",
        prediction="",
        design="single",
        arms={"full": Arm(name="full", levels={}, config={})},
        reference="full",
        factors=(),
        seeds=tuple(range(seeds[-1])),
        contrasts=(),
        metrics=headline,
        stages=(),
        tracker={},
    )
    rule = Study(Path(), plan, {}, {}, history=standing(plan, entries)).looks
    return (seeds[-1],) if rule is None else rule.seeds


def words(
    tasks: Floats, weights: Floats, looks: tuple[int, ...], *, shared: bool
) -> tuple[np.ndarray, np.ndarray]:
    """What reports say.

    Args:
        tasks: shape (n_tasks, n_studies, n_arms, n_seeds), scores for which higher is better.
        weights: shape (n_gains, n_arms), of all planned estimands.
        looks: seeds at each look, the last with all.
        shared: whether arms share their seeds.
    Returns:
        Whether each report has any `helps`, and any `hurts`: both of shape (n_studies,).
    """
    tables = [aggregate(tasks, CHANCE), *tasks]
    found = [_tested(table, weights, looks, shared=shared) for table in tables]
    ahead, within = correct_claims(found[0][3], np.stack([p for *_, p in found[1:]], axis=-1))
    said = {
        Kind.HELPS: np.zeros(tasks.shape[1], dtype=bool),
        Kind.HURTS: np.zeros(tasks.shape[1], dtype=bool),
    }
    for number, (estimate, error, df, p) in enumerate(found):
        adjusted = ahead if number == 0 else within[..., number - 1]
        for study, gain in np.argwhere(p <= 0.05):
            place = study, gain
            one = Estimate(
                float(estimate[place]),
                np.nan,
                np.nan,
                tasks.shape[3],
                float(error[place]),
                float(df[place]),
                float(p[place]),
                "paired",
            )
            kind = verdict(one, p_adjusted=float(adjusted[place]), higher_is_better=True).kind
            if kind in said:
                said[kind][study] = True
    return said[Kind.HELPS], said[Kind.HURTS]


def _tested(
    table: Floats, weights: Floats, looks: tuple[int, ...], *, shared: bool
) -> tuple[Floats, Floats, Floats, Floats]:
    """Estimates, errors, degrees of freedom and p-values, each of shape (n_studies, n_gains)."""
    if len(looks) > 1:
        estimate, error, p = sequential_many(table, weights, looks)
        return estimate, error, np.full_like(p, looks[-1] - 1.0), p
    estimate, error, df = estimated(table, weights, shared=shared)
    return estimate, error, df, np.asarray(2.0 * stdtr(df, -np.abs(estimate) / error))


def null_tasks(noises: Sequence[str], seeds: Sequence[int], studies: int, seed: int = 0) -> list[NullTask]:
    """One cell for each shipped design, noise and number of seeds that is asked for; seeds added with equal noise alone."""
    designs = {case.name: case for case in reversed(shipped())}
    return [
        NullTask(case, noise, looks, shared, studies, seed)
        for case in reversed(designs.values())
        for shared in (True, False)
        for noise in NOISES
        if noise in noises
        for looks in SEEDS
        if set(looks) <= set(seeds) and (len(looks) == 1 or noise == "equal")
    ]
