"""Findings about whether gains add up, and about what averages over arms then mean."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.design.base import Assignment, Factor
from ablate.design.controls import without_controls
from ablate.effects.best_subset import BestSubset, best_subset
from ablate.effects.estimate import Floats
from ablate.effects.lack_of_fit import LackOfFit, lack_of_fit, size_of_columns
from ablate.estimand.aliases import Aliases, alias_table, aliases
from ablate.estimand.base import Estimand, NotIdentified, load_estimand
from ablate.estimand.linear_model import linear_model
from ablate.estimand.near_full import Leaning, NearFull, leaning
from ablate.render.tables import interval, markdown, p_text, unsigned
from ablate.report.findings.base import DOUBT, Finding
from ablate.report.row import Row
from ablate.study.results import Study


@dataclass(frozen=True, eq=False)
class Additivity(Finding):
    """Whether gains add up, as averages over arms take them to.

    Attributes:
        fit: of the model in which they do.
        mixed: factors whose main effects are mixed with interactions in these arms.
        average: whether the gains are averages over recipes.
        suspects: interactions that explain most of what the model leaves, which the arms cannot tell apart.
    """

    fit: LackOfFit
    mixed: tuple[str, ...]
    average: bool
    suspects: tuple[str, ...]

    @property
    def testable(self) -> bool:
        """Whether the arms leave anything over, and the seeds have a spread."""
        return self.fit.df >= 1 and not math.isnan(self.fit.p_value)

    @property
    def doubted(self) -> bool:
        """Whether gains do not add up."""
        return self.testable and self.fit.p_value <= DOUBT

    def __str__(self) -> str:
        warning = (
            f" In these arms the main effects of {', '.join(self.mixed)} are mixed with interactions (table below), so "
            "they may be those and not the stages' own; resolution IV or V, or a fold-over, tells them apart."
            if self.mixed
            else ""
        )
        fit = self.fit
        if fit.df < 1:
            return f"**Do gains add up?** Cannot be tested: these arms leave nothing over once main effects are fitted.{warning}"
        if not self.testable:
            return f"**Do gains add up?** Cannot be tested: no spread between seeds was measured.{warning}"
        if not self.doubted:
            return f"**Gains add up** as far as can be seen (lack of fit p = {p_text(fit.p_value)}, {fit.df} degrees of freedom).{warning}"
        average = ", so an average over them is not what any single recipe gains" if self.average else ""
        pointed = " or ".join(self.suspects[:6])
        pointed += " or others that these arms cannot tell apart" if len(self.suspects) > 6 else ""
        return (
            f"**Lack of fit: gains do not add up** (p = {p_text(fit.p_value)}; arms are off the additive model by "
            f"{unsigned(fit.left_sd)} on top of noise). A stage's worth depends on which others are there{average}. Points to {pointed}.{warning}"
        )


@dataclass(frozen=True, eq=False)
class NearFullLeans(Finding):
    """What near-full gains are off by where gains do not add up.

    Attributes:
        leaning: the coefficients of the interactions.
        size: standard deviation of interactions as the arms show it; NaN where unknown, 0 where none is seen.
        off: what a gain would be off by were interactions of that size.
    """

    leaning: Leaning
    size: float
    off: float

    def __str__(self) -> str:
        estimate = (
            ""
            if math.isnan(self.size)
            else " Interactions look like none beyond noise."
            if self.size == 0.0
            else f" Were interactions of the size that the arms show (standard deviation {unsigned(self.size)}), gains would be off by {unsigned(self.off)}, either way; "
            "no interval here holds that."
        )
        return f"**Near full, not leave-one-out**: where gains do not add up {self.leaning.said()}.{estimate}"


@dataclass(frozen=True, eq=False)
class Aliased(Finding):
    """Effects that the arms cannot tell apart.

    Attributes:
        aliases: which.
    """

    listed: ClassVar[bool] = False
    aliases: Aliases

    def __str__(self) -> str:
        text = "Aliases, up to interactions of two stages: a main effect is off by the coefficient times the interaction."
        return f"{text}\n\n{markdown(('effect', 'is mixed with'), alias_table(self.aliases))}"


@dataclass(frozen=True, eq=False)
class PredictedBest(Finding):
    """The subset of stages that the additive model predicts to be best.

    Attributes:
        without: stages that it lacks.
        found: its score and the interval of its gain.
        was_run: the arm that is this subset; None where none is.
        doubted: whether gains do not add up, so that neither score nor interval is given.
    """

    listed: ClassVar[bool] = False
    without: tuple[str, ...]
    found: BestSubset
    was_run: str | None
    doubted: bool

    def __str__(self) -> str:
        recipe = f"the full recipe without {', '.join(self.without)}" if self.without else "the full recipe"
        state = (
            f"It was run, as `{self.was_run}`."
            if self.was_run
            else "It was not run: run it before you believe it."
        )
        if self.doubted:
            return (
                f"**Best subset of an additive model**: {recipe}. Gains do not add up here (above), so neither its score nor an interval "
                f"is given. {state}"
            )
        gain = (
            f": between {interval(self.found.ci_low, self.found.ci_high)} over the full recipe, simultaneously for all "
            "subsets; the middle of it flatters, since the subset was picked for its luck too"
            if self.without
            else ""
        )
        return f"**Best subset predicted**: {recipe}{gain}. {state}"


def additivity(study: Study, table: Floats, rows: Sequence[Row]) -> list[Finding]:
    """Test whether gains add up, where averages over arms are reported."""
    asked = [one for one in _estimands(rows) if one.averages]
    factors, arms = study.plan.factors, _levels(study)
    if not asked or len(factors) < 2:
        return []
    here = [n for n, row in enumerate(table) if np.isfinite(row).any() and study.arms[n] in arms]
    there = {study.arms[number]: arms[study.arms[number]] for number in here}
    model = linear_model(there, factors, min(one.order for one in asked))
    fit = lack_of_fit(table[here], model.matrix)
    mixed = sorted(name for name, others in aliases(arms, factors).main.items() if others)
    found = Additivity(
        fit,
        tuple(mixed) if any(one.main_effects for one in asked) else (),
        average=not all(one.stands_for for one in asked),
        suspects=(),
    )
    if not found.doubted:
        return [found]
    return [Additivity(fit, found.mixed, found.average, _suspects(fit.residual, there, factors))]


def _suspects(residual: Floats, arms: Mapping[str, Assignment], factors: Sequence[Factor]) -> tuple[str, ...]:
    """The interaction that explains most of what the additive model leaves, with those it cannot be told from."""
    plain, full = linear_model(arms, factors).matrix, linear_model(arms, factors, 2)
    explained = []
    for number, term in enumerate(full.terms):
        if len(term) == 2:
            column = full.matrix[:, number]
            column = column - plain @ (np.linalg.pinv(plain) @ column)
            size = float(column @ column)
            share = float(column @ residual) ** 2 / size if size > 1e-9 else 0.0
            explained.append((share, " x ".join(name for name, _ in term)))
    best = max(explained)[0]
    return tuple(dict.fromkeys(name for share, name in explained if share > 0.999 * best))


def near_full_leans(study: Study, table: Floats, rows: Sequence[Row]) -> list[Finding]:
    """Work out what near-full gains are off by where gains do not add up, in coefficients and as an estimate."""
    if not any(isinstance(one, NearFull) for one in _estimands(rows)):
        return []
    factors, arms = study.plan.factors, _levels(study)
    here = [study.arms[number] for number, row in enumerate(table) if np.isfinite(row).any()]
    there = {arm: arms[arm] for arm in here}
    try:
        found = leaning(there, factors)
    except NotIdentified:
        return []
    model = linear_model(there, factors).matrix
    fit = lack_of_fit(table[[study.arms.index(arm) for arm in here]], model)
    size = size_of_columns(fit, model, found.columns)
    off = float(np.sqrt((found.coefficients**2).sum(axis=1)).max()) * size
    return [NearFullLeans(found, size, off)]


def aliased(study: Study, rows: Sequence[Row]) -> list[Finding]:
    """Look for what the arms of averaged gains cannot tell apart."""
    if not any(one.main_effects for one in _estimands(rows)):
        return []
    found = aliases(_levels(study), study.plan.factors)
    return [] if found.clear else [Aliased(found)]


def best(study: Study, table: Floats, rows: Sequence[Row]) -> list[Finding]:
    """Predict the best subset of the stages, where main effects are reported and the arms determine them all."""
    factors, arms = study.plan.factors, _levels(study)
    several = any(len(factor.levels) > 2 for factor in factors)
    if several or not any(one.main_effects for one in _estimands(rows)):
        return []
    combined = np.array([arm in arms for arm in study.arms])
    table, names = table[combined], list(arms)
    absent = np.array([[float(levels[f.name] != f.full) for f in factors] for levels in arms.values()])
    here = np.isfinite(table).any(axis=1)
    if np.linalg.matrix_rank(np.hstack([np.ones((int(here.sum()), 1)), absent[here]])) < len(factors) + 1:
        return []
    found = best_subset(table[here], absent[here], higher_is_better=study.metrics[study.primary])
    without = tuple(factor.name for factor, keep in zip(factors, found.keep, strict=True) if not keep)
    wanted = {f.name: f.full if keep else f.bare for f, keep in zip(factors, found.keep, strict=True)}
    was_run = next((arm for arm, levels in arms.items() if levels == wanted), None)
    model = linear_model({names[i]: arms[names[i]] for i in np.flatnonzero(here)}, factors)
    fit = lack_of_fit(table[here], model.matrix)
    return [PredictedBest(without, found, was_run, fit.p_value < DOUBT)]


def _levels(study: Study) -> dict[str, Assignment]:
    """Levels of the arms that are combinations of the factors'; controls are none."""
    return without_controls(study.plan.levels)


def _estimands(rows: Sequence[Row]) -> list[Estimand]:
    return [load_estimand(name) for name in dict.fromkeys(row.estimand for row in rows)]
