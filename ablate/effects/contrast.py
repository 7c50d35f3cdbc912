"""Contrasts between arms: paired by seed, pooled over arms, and the rule that chooses.

Scores near a ceiling have almost no seed noise while broken arms have much, so one pooled variance can be
wrong for every contrast: where one of 8 arms has ten times the variance of the others, pooled 95 %
intervals of its contrast cover 77 %. A plain paired t is right for any variances, but has 2 degrees of
freedom with 3 seeds. The rule (`method="auto"`) takes more only where that is safe:

- a contrast that weighs all arms alike, as main effects and interactions of a factorial design do: its
  variance is the mean of the arms' variances, which the pooled residual estimates without bias whatever
  they are; only its degrees of freedom are fewer where they differ (`balanced.py`);
- any other, where the arms' noise looks equal (`noise.homogeneity` above 0.5): moderated, see `moderate.py`;
- any other: paired.

`ablate calibrate` measures the coverage of the rule. None of the methods mends a noise that is far from normal in one arm of
a contrast and not in the other: runs of two kinds, a reference whose runs lean to one side, scores that crowd against 0 or 1.
`results/calibration` lists where intervals are then too narrow, and `shape.py` looks for such noise.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike

from ablate.effects.balanced import balanced_contrast, weighs_alike
from ablate.effects.estimate import (
    Estimate,
    Floats,
    check_level,
    check_scores,
    check_weights,
    seed_differences,
    spread,
    t_estimate,
    unmeasured,
)
from ablate.effects.moderate import moderate
from ablate.effects.noise import homogeneity

METHODS = ("auto", "paired", "pooled", "unpaired")
LOOKS_EQUAL = 0.5
"""P-value of equal noise in all arms above which contrasts borrow from each other. So large, because with
three seeds the test sees little: at 0.05 it lets a control with ten times the variance pass four times in
five, and coverage falls to 0.925; at 0.5 the worst contrast of every pattern that was tried keeps 0.937."""


def paired_contrast(scores: ArrayLike, weights: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Estimate a contrast from the seeds in which all its arms have a score.

    A shared seed fixes data order and initial weights, so whatever it adds equally to every arm
    cancels in the weighted sum. Right whatever the arms' variances are.

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a missing run.
        weights: shape (n_arms,), summing to zero; arms of weight zero are not looked at.
        level: two-sided coverage of the interval, in (0, 1).
    Returns:
        Mean over seeds of the weighted sum, with n_seeds - 1 degrees of freedom. No interval with
        fewer than two seeds, nor when all seeds give the same difference.
    Raises:
        ValueError: for shapes that do not fit, weights that do not sum to zero, or a bad level.
    Source: Student (1908). Reference in tests: scipy.stats.ttest_rel.
    """
    check_level(level)
    table = check_scores(scores)
    vector = check_weights(weights, len(table))
    estimate, n = _mean(table, vector)
    return t_estimate(
        estimate,
        variance=spread(table, vector) / max(n, 1),
        df=n - 1,
        n_seeds=n,
        method="paired",
        level=level,
    )


def pooled_contrast(scores: ArrayLike, weights: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Estimate a contrast in the additive model score = arm + seed + noise of one common variance.

    Narrower than a paired interval because every arm informs the variance, and wrong when arms differ
    in theirs: look at `noise.noise_floor(...).homogeneity_p` first. Missing runs are left out of the
    least-squares fit, so an arm with a gap is corrected for the seeds that it lacks.

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a missing run.
        weights: shape (n_arms,), summing to zero.
        level: two-sided coverage of the interval, in (0, 1).
    Returns:
        Least-squares estimate, with (number of runs - rank of the model) degrees of freedom; for a
        full table (n_arms - 1) * (n_seeds - 1). No interval with fewer than two seeds in which all
        arms of the contrast have a score; all NaN but `n_seeds` when an arm of it has no run at all.
    Raises:
        ValueError: for shapes that do not fit, weights that do not sum to zero, or a bad level.
    Source: two-way analysis of variance, Fisher (1925); Searle, "Linear Models" (1971), chapter 7.
    Reference in tests: the normal equations written out, and scipy.stats.ttest_rel for two arms.
    """
    check_level(level)
    table = check_scores(scores)
    vector = check_weights(weights, len(table))
    n_arms, n_seeds = table.shape
    arm, seed = np.nonzero(np.isfinite(table))
    model = np.hstack([np.eye(n_arms)[arm], np.eye(n_seeds)[seed]])
    inverse = np.linalg.pinv(model)
    wanted = np.concatenate([vector, np.zeros(n_seeds)])
    n = seed_differences(table, vector).size
    if not np.allclose(wanted @ inverse @ model, wanted, atol=1e-9):
        return unmeasured(float("nan"), n)
    coefficients = inverse @ table[arm, seed]
    estimate = float(wanted @ coefficients)
    residual = table[arm, seed] - model @ coefficients
    df = arm.size - int(np.linalg.matrix_rank(model))
    rounding = 1e-24 * float((table[arm, seed] ** 2).sum())
    squares = float(residual @ residual)
    if n < 2 or df < 1 or squares <= rounding:
        return unmeasured(estimate, n)
    variance = squares / df * float(((wanted @ inverse) ** 2).sum())
    return t_estimate(estimate, variance=variance, df=df, n_seeds=n, method="pooled", level=level)


def unpaired_contrast(scores: ArrayLike, weights: ArrayLike, *, level: float = 0.95) -> Estimate:
    """Estimate a contrast from all runs of each of its arms, whatever their seeds.

    For arms that share no seeds, and for shared seeds that bring nothing: pairing halves the degrees of
    freedom and pays where arms correlate under a seed at more than about 0.3. With a positive correlation
    the interval is too wide, never too narrow. Right whatever the arms' variances are.

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a missing run.
        weights: shape (n_arms,), summing to zero; arms of weight zero are not looked at.
        level: two-sided coverage of the interval, in (0, 1).
    Returns:
        Weighted sum of the arms' means, with Welch's degrees of freedom; `n_seeds` is that of the arm with
        fewest runs. No interval when an arm has fewer than two runs, or none has a spread.
    Raises:
        ValueError: for shapes that do not fit, weights that do not sum to zero, or a bad level.
    Source: Welch, Biometrika 34 (1947); Satterthwaite (1946). Reference in tests: scipy.stats.ttest_ind.
    """
    check_level(level)
    table = check_scores(scores)
    vector = check_weights(weights, len(table))
    used = np.flatnonzero(vector)
    runs = [table[arm][np.isfinite(table[arm])] for arm in used]
    fewest = min(one.size for one in runs)
    if fewest == 0:
        return unmeasured(float("nan"), 0)
    estimate = float(sum(w * one.mean() for w, one in zip(vector[used], runs, strict=True)))
    if fewest < 2:
        return unmeasured(estimate, fewest)
    parts = np.array([w**2 * one.var(ddof=1) / one.size for w, one in zip(vector[used], runs, strict=True)])
    own_df = np.array([one.size - 1.0 for one in runs])
    total = float(parts.sum())
    df = total**2 / float((parts**2 / own_df).sum()) if total > 0.0 else 0.0
    return t_estimate(estimate, variance=total, df=df, n_seeds=fewest, method="unpaired", level=level)


def estimate_contrasts(
    scores: ArrayLike,
    weights: ArrayLike,
    *,
    method: str = "auto",
    identical: Sequence[bool] | None = None,
    level: float = 0.95,
) -> list[Estimate]:
    """Estimate every contrast of a study for one metric.

    Args:
        scores: shape (n_arms, n_seeds), the metric, NaN for a missing run.
        weights: shape (n_contrasts, n_arms), each row summing to zero.
        method: "paired", "pooled", "unpaired", or "auto", the rule above.
        identical: shape (n_contrasts,), True where the contrast's arms have the same corpus, so that
            their runs are the same run. Equal scores then mean no effect, known without error. Where
            the scores differ all the same (a device that is not deterministic), the flag has no effect.
        level: two-sided coverage of the intervals, in (0, 1).
    Returns:
        One `Estimate` per contrast, in order. With "auto" a contrast whose seeds all give the same
        difference without being flagged identical (both arms at 100 %) takes the mean variance of the
        other contrasts, with its own n_seeds - 1 degrees of freedom ("borrowed"): a spread below what
        the metric resolves is not certainty. With nothing to borrow from it has no interval. Where fewer
        than two seeds are shared by its arms, whatever the method, it is "unpaired".
    Raises:
        ValueError: for shapes that do not fit, weights that do not sum to zero, a bad level, or an
            unknown method.
    """
    check_level(level)
    if method not in METHODS:
        raise ValueError(f"method must be one of {', '.join(METHODS)}, got {method!r}")
    table = check_scores(scores)
    matrix = np.asarray(weights, dtype=np.float64)
    if matrix.ndim != 2 or matrix.shape[1] != len(table):
        raise ValueError(f"weights must have shape (n_contrasts, {len(table)}), got {matrix.shape}")
    vectors = [check_weights(row, len(table)) for row in matrix]
    flags = [False] * len(vectors) if identical is None else [bool(flag) for flag in identical]
    if len(flags) != len(vectors):
        raise ValueError(f"identical must have one flag per contrast, {len(vectors)}, got {len(flags)}")

    same = [flag and _all_zero(table, row) for flag, row in zip(flags, vectors, strict=True)]
    if method == "auto":
        estimates = _auto(table, vectors, level)
    else:
        one = {"paired": paired_contrast, "pooled": pooled_contrast, "unpaired": unpaired_contrast}[method]
        estimates = [one(table, row, level=level) for row in vectors]
    return [
        Estimate(0.0, 0.0, 0.0, found.n_seeds, 0.0, float("nan"), 1.0, "identical")
        if is_same
        else unpaired_contrast(table, row, level=level)
        if found.n_seeds < 2
        else found
        for found, is_same, row in zip(estimates, same, vectors, strict=True)
    ]


def distinct_arms(table: Floats, vectors: Sequence[Floats]) -> tuple[Floats, list[Floats]]:
    """Take arms that are the same runs as one arm, with the sum of their weights.

    The same runs have the same scores to the last bit; arms without a spread are at a ceiling, which
    does not make them one.

    Args:
        table: shape (n_arms, n_seeds).
        vectors: weights of each contrast, shape (n_arms,).
    Returns:
        The distinct arms' scores, and the contrasts over them.
    """
    moves = np.ptp(table, axis=1) > 0.0
    first = [
        next((i for i in range(a) if moves[a] and np.array_equal(table[i], table[a])), a)
        for a in range(len(table))
    ]
    kept = sorted(set(first))
    if len(kept) == len(table):
        return table, list(vectors)
    matrix = np.zeros((len(table), len(vectors)))
    np.add.at(matrix, first, np.array(vectors).T)
    return table[kept], list(matrix[kept].T)


def _auto(table: Floats, vectors: list[Floats], level: float) -> list[Estimate]:
    runs, summed = distinct_arms(table, vectors)
    equal = homogeneity(runs)
    alike = [weighs_alike(runs, row) for row in summed]
    rest = [row for row, use in zip(vectors, alike, strict=True) if not use]
    others = iter(_moderated(table, rest, level, equal > LOOKS_EQUAL))
    return [
        balanced_contrast(runs, row, equal=equal, level=level) if use else next(others)
        for row, use in zip(summed, alike, strict=True)
    ]


def _moderated(table: Floats, vectors: list[Floats], level: float, borrow: bool) -> list[Estimate]:
    if not vectors:
        return []
    means = [_mean(table, row) for row in vectors]
    # On the scale of one arm, so that contrasts with different weights can be compared.
    size = np.array([float(row @ row) for row in vectors])
    own = np.array([spread(table, row) for row in vectors]) / size
    df = np.array([n - 1.0 for _, n in means])
    variance, total_df, methods = moderate(own, df, borrow=borrow)
    return [
        t_estimate(
            estimate, variance=float(v * k) / max(n, 1), df=float(d), n_seeds=n, method=name, level=level
        )
        for (estimate, n), v, k, d, name in zip(means, variance, size, total_df, methods, strict=True)
    ]


def _mean(table: Floats, weights: Floats) -> tuple[float, int]:
    differences = seed_differences(table, weights)
    return (float(differences.mean()) if differences.size else float("nan")), differences.size


def _all_zero(table: Floats, weights: Floats) -> bool:
    differences = seed_differences(table, weights)
    return differences.size >= 2 and not differences.any()
