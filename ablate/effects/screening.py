"""Early-signal screening: which tasks can be believed at this scale, judged by the study's own curves.

A benchmark that says nothing about a 1B model may say much about a 7B one, and the other way round, so
the question is asked of the runs at hand. The four criteria and their cut-offs are FineWeb2's; the
ratio of signal to noise beside them, from the last checkpoints alone, is Signal and Noise's.

Where FineWeb2 has one model per corpus and four more of one unfiltered corpus, whose spread between seeds
is its noise, every arm here has several seeds: scores are means over all runs, variances means over arms,
always between runs of one arm.

FineWeb2's scores are accuracies. Bits per byte have no chance level and their zero means nothing, so that their mean over
their noise says nothing either: add a constant, and it changes. What can be asked of them is whether they tell arms apart:
Signal and Noise's signal, the range of the arms, over the noise between seeds. It must be more than equal arms would show
by luck (Tukey's studentized range, 5 % over all tasks screened together, Bonferroni; equal arms of which one has nine times
the variance pass in 13 % for one task). A choice of tasks by such a
criterion looks at what is tested afterwards, so what is built from such tasks in the same study is no claim (`study/results.py`).

Sources: Penedo et al. 2025 (FineWeb2, arXiv 2506.20920), selection of evaluation tasks, with the formulas in
words in its authors' Evaluation Guidebook (Hugging Face 2025); Heineman et al. 2025 (Signal and Noise,
arXiv 2508.13144), section 3; Tukey 1949 and, for unequal numbers of seeds, Kramer 1956.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy.stats import spearmanr, studentized_range

from ablate.effects.estimate import Floats

MONOTONICITY, SNR, NON_RANDOM = 0.5, 20.0, 3.0
"""FineWeb2's cut-offs. Ordering consistency has none."""
CHANCE_RANGE = 0.05
"""Chance that arms without any difference pass for different in any of the tasks screened together."""
FEWEST_POINTS = 3
"""Points of a curve below which a rank correlation says nothing: with two it is 1 or -1."""
LAST = 5
"""Checkpoints whose spread is Signal and Noise's noise; a shorter curve gives what it has after its first half."""


@dataclass(frozen=True)
class Screening:
    """One task and metric. Whatever could not be measured is NaN.

    Attributes:
        monotonicity: rank correlation of score and tokens, mean over runs; 1 is always better.
        snr: mean final score over the noise between seeds, which is a mean over all points; NaN without a chance level.
        non_random: distance of the best final score from chance, in units of the noise at the last point.
        signal: range of the arms' final means over the noise at the last point.
        signal_p: chance of such a range or a larger one between equal arms, times the number of tasks screened together.
        ordering: agreement of the arms' order between consecutive points, -1 to 1.
        signal_noise: spread of the arms over the spread of a run's last checkpoints, both relative.
        noise: seed standard deviation, mean over points, in the metric's units.
        has_chance: whether the metric has a score of a guess; bits per byte has none.
    """

    monotonicity: float
    snr: float
    non_random: float
    signal: float
    signal_p: float
    ordering: float
    signal_noise: float
    noise: float
    has_chance: bool

    @property
    def failed(self) -> list[str]:
        """The criteria that are not met or could not be measured; empty for a task to be believed."""
        asked = {"monotonicity": self.monotonicity >= MONOTONICITY}
        if self.has_chance:
            asked |= {"signal to noise": self.snr >= SNR, "non-random": self.non_random >= NON_RANDOM}
        else:
            asked["signal between arms"] = self.signal_p <= CHANCE_RANGE
        return [name for name, met in asked.items() if not met]

    @property
    def measured(self) -> bool:
        """Whether every criterion with a cut-off has a number."""
        needed = (self.snr, self.non_random) if self.has_chance else (self.signal_p,)
        return not any(map(math.isnan, (self.monotonicity, *needed)))


def screen(
    curves: ArrayLike, *, higher_is_better: bool, chance: float | None = None, tests: int = 1
) -> Screening:
    """Screen one task and metric.

    Args:
        curves: shape (n_points, n_arms, n_seeds), scores at the same points for every run, in order of
            tokens; NaN for a missing run. Arms must be different runs.
        higher_is_better: direction of the metric.
        chance: score of a guess; None for a metric without one.
        tests: tasks that are screened together.
    Raises:
        ValueError: for another number of dimensions, or an infinite score.
    """
    table = np.asarray(curves, dtype=np.float64)
    if table.ndim != 3:
        raise ValueError(f"curves must have shape (n_points, n_arms, n_seeds), got {table.shape}")
    if np.isinf(table).any():
        raise ValueError("scores must be finite, or NaN for a missing run; got an infinity")
    noise = seed_noise(table)
    signal, p = signal_between_arms(table)
    return Screening(
        monotonicity(table, higher_is_better),
        math.nan if chance is None else signal_to_noise(table, noise),
        math.nan if chance is None else non_randomness(table, chance, higher_is_better),
        signal,
        float(np.minimum(1.0, p * tests)),
        ordering_consistency(table),
        signal_and_noise(table),
        noise,
        chance is not None,
    )


def monotonicity(curves: Floats, higher_is_better: bool = True) -> float:
    """Return the mean over runs of Spearman's rank correlation between points and score, turned so that 1 is good.

    Args:
        curves: shape (n_points, n_arms, n_seeds).
    Returns:
        In [-1, 1]; NaN with fewer than three points. A run that scores the same at every point has no
        order and is left out; NaN when all do.
    """
    runs = _whole(curves.reshape(len(curves), -1))
    moving = runs[:, np.ptp(runs, axis=0) > 0.0] if runs.size else runs
    if len(runs) < FEWEST_POINTS or moving.shape[1] == 0:
        return math.nan
    points = np.arange(len(runs))
    found = np.mean([spearmanr(points, run).statistic for run in moving.T])
    return float(found if higher_is_better else -found)


def seed_noise(curves: Floats) -> float:
    """Return the standard deviation between seeds (divisor n - 1) at each point, then the mean over points.

    FineWeb2 measures it on one arm; here variances are averaged over the arms with two runs or more.
    """
    arms = [runs for arm in np.moveaxis(curves, 1, 0) if (runs := _whole(arm)).shape[1] > 1]
    if not arms:
        return math.nan
    variance = np.mean([runs.var(axis=1, ddof=1) for runs in arms], axis=0)
    return float(np.sqrt(variance).mean())


def signal_to_noise(curves: Floats, noise: float) -> float:
    """Return the mean final score over all runs, divided by the seed noise; NaN where no noise was measured."""
    final = curves[-1][np.isfinite(curves[-1])] if len(curves) else np.empty(0)
    return float(final.mean() / noise) if final.size and noise > 0.0 else math.nan


def non_randomness(curves: Floats, chance: float, higher_is_better: bool = True) -> float:
    """Return (best final score of an arm - chance) / seed noise at the last point; an arm's score is its mean over seeds."""
    means, noise = _arm_means(curves[-1:]), seed_noise(curves[-1:])
    if means.size == 0 or not noise > 0.0:
        return math.nan
    gains = (means[0] - chance) * (1.0 if higher_is_better else -1.0)
    return float(gains.max() / noise)


def signal_between_arms(curves: Floats) -> tuple[float, float]:
    """Compare the range of the arms' final means with the standard deviation of a run, and say how likely equal arms have such a one.

    The deviation is pooled over arms at the last point. Seeds that move all arms alike are part of it, so the
    probability is on the safe side where arms share seeds.

    Returns:
        NaN with fewer than two arms, or no spread between the seeds of an arm. The probability is Tukey's, with Kramer's
        harmonic mean where arms have different numbers of seeds; reference in tests: scipy.stats.tukey_hsd.
    """
    final = [arm[np.isfinite(arm)] for arm in curves[-1]] if len(curves) else []
    final = [runs for runs in final if runs.size]
    df = sum(runs.size - 1 for runs in final)
    if len(final) < 2 or df < 1:
        return math.nan, math.nan
    sd = math.sqrt(sum(((runs - runs.mean()) ** 2).sum() for runs in final) / df)
    if not sd > 0.0:
        return math.nan, math.nan
    means = np.array([runs.mean() for runs in final])
    ends = final[int(means.argmax())].size, final[int(means.argmin())].size
    signal = float(np.ptp(means) / sd)
    each = 2.0 / (1.0 / ends[0] + 1.0 / ends[1])
    return signal, float(studentized_range.sf(signal * math.sqrt(each), len(final), df))


def ordering_consistency(curves: Floats) -> float:
    """Return the mean Kendall tau-a of the arms' order at consecutive points in the second half of training.

    Tau-a counts a tie as neither agreement nor disagreement. FineWeb2 starts at 15 of 30 billion tokens,
    since orders before are noise.

    Returns:
        In [-1, 1]; NaN with fewer than two arms or two points in the second half.
    """
    means = _arm_means(curves)
    late = means[(len(means) - 1) // 2 :]
    n = means.shape[1]
    if n < 2 or len(late) < 2:
        return math.nan
    above = np.sign(late[:, :, None] - late[:, None, :])
    agreement = (above[1:] * above[:-1]).sum(axis=(1, 2)) / 2
    return float((agreement / (n * (n - 1) / 2)).mean())


def signal_and_noise(curves: Floats, last: int = LAST) -> float:
    """Return the relative dispersion of the arms over the relative standard deviation of the last checkpoints.

    Signal: the largest difference of two arms over the mean of all, each arm's score the mean of its last
    checkpoints. Noise: standard deviation over those checkpoints (divisor n) over their mean, averaged
    over runs. A curve that still climbs counts its climb as noise.

    Returns:
        NaN with fewer than two arms or two such checkpoints, or without any spread.
    """
    count = min(last, len(curves) // 2)
    tail = curves[len(curves) - count :]
    runs = _whole(tail.reshape(count, -1)) if count >= 2 else np.empty((0, 0))
    means = _arm_means(tail)
    if runs.size == 0 or means.shape[1] < 2:
        return math.nan
    arms = means.mean(axis=0)
    level = np.abs(runs.mean(axis=0))
    if not level.all():  # a score that stays at zero has no relative spread
        return math.nan
    noise = float((runs.std(axis=0) / level).mean())
    return float(np.ptp(arms) / abs(arms.mean()) / noise) if noise > 0.0 else math.nan


def _whole(runs: Floats) -> Floats:
    """The columns (runs) of a table (n_points, n_runs) that have a score at every point."""
    return runs[:, np.isfinite(runs).all(axis=0)]


def _arm_means(curves: Floats) -> Floats:
    """Mean over seeds, shape (n_points, arms with a whole run)."""
    arms = [runs.mean(axis=1) for arm in np.moveaxis(curves, 1, 0) if (runs := _whole(arm)).shape[1]]
    return np.stack(arms, axis=1) if arms else np.empty((len(curves), 0))
