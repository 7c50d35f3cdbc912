"""Near-full gains against leave-one-out's on the same proxies: what adding up costs where gains do not add up."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from ablate.calibrate.share import Share
from ablate.calibrate.trained import groups_of, headline_scores
from ablate.design.base import weight_matrix
from ablate.effects.estimate import Estimate
from ablate.render.tables import markdown
from ablate.report.effects_table import planned_estimates
from ablate.study.results import Study


@dataclass(frozen=True)
class Against:
    """One stage's gain by two designs.

    Attributes:
        factor: the stage.
        near: its near-full gain, from all seeds.
        truth: its leave-one-out gain, from all seeds of that study.
        covered: of small near-full studies, those whose interval, widened by the truth's own, holds the truth.
    """

    factor: str
    near: Estimate
    truth: Estimate
    covered: Share

    @property
    def difference(self) -> float:
        """Near-full minus leave-one-out, in their joint standard errors."""
        return (self.near.estimate - self.truth.estimate) / math.hypot(
            self.near.seed_error, self.truth.seed_error
        )


def against(near: Study, other: Study, seeds: int) -> list[Against]:
    """Compare two finished studies of the same stages, one of design `near_full` and one of `leave_one_out`.

    Args:
        near, other: with every run done.
        seeds: of the small studies that `near` is cut into.
    Raises:
        DataError: when a run is missing.
    """
    mine, theirs = headline_scores(near), headline_scores(other)
    weights, truths = _weights(near), dict(zip(_factors(other), _estimates(other, theirs), strict=True))
    whole = _estimates(near, mine)
    small = [planned_estimates(near, mine[:, group], weights) for group in groups_of(mine.shape[1], seeds)]
    found = []
    for number, factor in enumerate(_factors(near)):
        truth = truths[factor]
        hits = [
            abs(one[number].estimate - truth.estimate)
            <= math.hypot(one[number].ci_high - one[number].estimate, truth.ci_high - truth.estimate)
            for one in small
        ]
        found.append(Against(factor, whole[number], truth, Share(sum(hits), len(hits))))
    return found


def section(studies: Mapping[str, Study], seeds: int) -> list[str]:
    """The comparison of each pair of such studies as Markdown; nothing without a pair."""
    parts = []
    for name, near in studies.items():
        for other_name, other in studies.items():
            alike = near.plan.factors == other.plan.factors
            if (near.plan.design, other.plan.design) == ("near_full", "leave_one_out") and alike:
                parts += [
                    "## Near full against leave-one-out",
                    _told(name, other_name, against(near, other, seeds), seeds),
                ]
    return parts


def _told(name: str, other: str, found: list[Against], seeds: int) -> str:
    cells = [
        [
            a.factor,
            *(f"{e.estimate:+.4f} ± {e.seed_error:.4f}" for e in (a.near, a.truth)),
            f"{a.difference:+.1f}",
            str(a.covered),
        ]
        for a in found
    ]
    rms = math.sqrt(np.mean([(a.near.estimate - a.truth.estimate) ** 2 for a in found]))
    own = math.sqrt(np.mean([a.near.seed_error**2 + a.truth.seed_error**2 for a in found]))
    total = Share(sum(a.covered.hits for a in found), sum(a.covered.n for a in found))
    text = (
        f"`{name}` against `{other}`, the same stages: gains ± seed error over all seeds. They differ by {rms:.4f} (root mean square) where their seeds "
        f"alone would make it {own:.4f}; what is beyond that comes of interactions. Intervals of {seeds} seeds of near-full hold leave-one-out's gain in {total}."
    )
    header = ("stage", "near full", "leave-one-out", "difference / error", f"covered by {seeds} seeds")
    return f"{text}\n\n{markdown(header, cells)}"


def _weights(study: Study) -> np.ndarray:
    return weight_matrix(study.claims, study.arms)


def _estimates(study: Study, table: np.ndarray) -> list[Estimate]:
    return planned_estimates(study, table, _weights(study))


def _factors(study: Study) -> list[str]:
    return [contrast.factor for contrast in study.claims]
