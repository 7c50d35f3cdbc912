"""The noise of a run, as an earlier study measured it."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike

from ablate.effects.noise import run_noise, sphericity
from ablate.study.results import AGGREGATE, Study, headline_scores, score_table


def seed_noise(study: Study) -> float:
    """Return the noise of a run of the headline, beyond what its seed gives to all arms alike; NaN without seeds.

    Pooled over all arms. Not read off the errors of the gains: those of a leave-one-out share their
    reference, and whether its few seeds lie close together is luck.
    """
    table = headline_scores(study)
    return math.nan if table is None else run_noise(table[study.distinct])


def seed_sphericity(study: Study) -> float:
    """Share of its degrees of freedom that `seed_noise` keeps, since arms differ in noise; 1 without seeds."""
    table = headline_scores(study)
    return 1.0 if table is None else sphericity(table[study.distinct])


def checkpoint_noise(study: Study) -> float:
    """Spread of the headline over each run's last checkpoints, mean over runs: what one seed has to offer."""
    points = sorted({point.tokens for record in study.records.values() for point in record.curve})
    tail = points[len(points) // 2 :]
    if len(tail) < 2:
        return math.nan
    task = AGGREGATE if study.aggregated(study.primary) else next(iter(study.tasks))
    runs = np.stack([score_table(study, task, study.primary, point) for point in tail])[:, study.distinct]
    runs = runs.reshape(len(tail), -1)
    return typical(runs[:, np.isfinite(runs).all(axis=0)].std(axis=0, ddof=1))


def typical(values: ArrayLike) -> float:
    """Return the median of what was measured; NaN without any."""
    array = np.asarray(values, dtype=np.float64)
    array = array[np.isfinite(array)]
    return float(np.median(array)) if array.size else math.nan
