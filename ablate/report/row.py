"""A row of the effects table: one gain in one metric on one task, made once and never changed."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from operator import attrgetter

from ablate.design.base import gain_name
from ablate.effects.detectable import Detectable
from ablate.effects.estimate import Estimate
from ablate.effects.verdict import Verdict, short
from ablate.report.branching import AT_END


class Correction(StrEnum):
    """What p-values are corrected by, and so which words a verdict may use; the value is its name in a report."""

    HOLM = "Holm"
    BH = "Benjamini-Hochberg"


@dataclass(frozen=True, eq=False, kw_only=True)
class Row(Estimate):
    """A gain: an estimate, with what it is a gain of, in what, and what can be said of it. NaN was not measured.

    Attributes:
        number: position of its contrast among the study's.
        factor, level, versus: what it is a gain of: this level of this factor over that one.
        estimand: the kind of gain.
        weights: arm -> weight in the gain.
        task, metric: in what it is a gain.
        higher_is_better: direction of the metric.
        item_error: standard error of the estimate over test items, in the metric's units.
        ci_low_items, ci_high_items: interval over seeds and items together.
        noise_floor: standard deviation of a run on this task, in the metric's units.
        correction: of the family that the gain is tested in; Holm's is that of claims.
        tests: how many tests the family has.
        p_adjusted: the p-value after the correction.
        detectable: which effect the table that the row stands in can see.
        runs_failed: which arms of the gain lack runs, in words; "" where none is missing.
        at_end: whether it is a gain between branches alone, so one at the end of training.
        verdict: what is said of it.
    """

    number: int
    factor: str
    level: str
    versus: str
    estimand: str
    weights: Mapping[str, float]
    task: str
    metric: str
    higher_is_better: bool
    item_error: float
    ci_low_items: float
    ci_high_items: float
    noise_floor: float
    correction: Correction
    tests: int
    p_adjusted: float
    detectable: Detectable
    runs_failed: str
    at_end: bool
    verdict: Verdict

    @property
    def tested(self) -> bool:
        """Whether there was something to test; arms with the same texts are one arm."""
        return self.method != "identical" and not math.isnan(self.p_value)

    @property
    def claim(self) -> bool:
        """Whether it was planned before any run, and corrected together with all others that were."""
        return self.correction is Correction.HOLM

    @property
    def arms(self) -> tuple[str, ...]:
        """Names of the arms that the gain is made of, in the order of its weights."""
        return tuple(arm for arm, weight in self.weights.items() if weight)

    @property
    def name(self) -> str:
        """What the gain is called in a table."""
        return gain_name(self.factor, self.level, self.versus)

    @property
    def kind(self) -> str:
        """What the gain is called: its estimand, and whether it is one at the end of training."""
        return f"{self.estimand} gain" + (f" {AT_END}" if self.at_end else "")


Column = Callable[[Row], object]
COLUMNS: Mapping[str, Column] = {
    **{
        name: attrgetter(name)
        for name in (
            "factor",
            "level",
            "versus",
            "estimand",
            "task",
            "metric",
            "higher_is_better",
            "estimate",
            "ci_low",
            "ci_high",
            "ci_low_items",
            "ci_high_items",
            "n_seeds",
            "seed_error",
            "item_error",
            "p_value",
            "p_adjusted",
        )
    },
    "verdict": lambda row: str(row.verdict),
    "mde": lambda row: row.detectable.effect,
    "mde_upper": lambda row: row.detectable.upper,
    "tests": attrgetter("tests"),
    "df": attrgetter("df"),
    "method": attrgetter("method"),
    "correction": lambda row: row.correction.value,
    "noise_floor": attrgetter("noise_floor"),
    "runs_failed": attrgetter("runs_failed"),
}
"""Column of `effects.csv` -> its value in a row."""


def columns(rows: Sequence[Row]) -> dict[str, Column]:
    """Columns of `effects.csv`; where runs branch, one more says which gains are those at the end of training."""
    more: dict[str, Column] = {"gain": lambda row: AT_END if row.at_end else None}
    return {**COLUMNS, **(more if any(row.at_end for row in rows) else {})}


def as_mappings(rows: Sequence[Row]) -> list[dict[str, object]]:
    """Return what `effects.csv` holds, a mapping for each row, for whoever shows it elsewhere."""
    shown = columns(rows)
    return [{name: value(row) for name, value in shown.items()} for row in rows]


def figure_name(number: int, estimand: str) -> str:
    """What the figure of an estimand's gains is called; `number` in the order of `by_estimand`, 0 for the plan's first."""
    if number == 0:
        return "gains"
    # One that the user keeps is named by its place, which is no file's name; its number tells classes of one name apart.
    return (
        f"gains_{estimand}" if estimand.isidentifier() else f"gains_{number}_{re.split('[.:]', estimand)[-1]}"
    )


def by_estimand(rows: Sequence[Row]) -> dict[str, list[Row]]:
    """Rows of each estimand, the plan's own first."""
    found: dict[str, list[Row]] = {}
    for row in rows:
        found.setdefault(row.estimand, []).append(row)
    return found


def sees(row: Row) -> str:
    """Say which effect the table that a row stands in can see; "" where nothing was measured."""
    seen = row.detectable
    if math.isnan(seen.effect):
        return ""
    if row.claim:
        corrected = f"after Holm over {row.tests} tests" if row.tests > 1 else "the only test"
        called = f"called `helps` or `hurts` ({corrected})"
    else:
        called = f"called `may help` or `may hurt` (after Benjamini and Hochberg over {row.tests} tests)"
    return (
        f"An effect of {short(seen.effect)} in one stage is {called} by 80 % of repeats of this study, as its noise was measured; one of "
        f"{short(seen.upper)} by at least as many, with 95 % confidence. Noise of a run {short(seen.noise)}, from "
        f"{seen.df:.0f} degrees of freedom."
    )
