"""Compute every number of choosing_a_design.md and write it into the page, between `<!-- name -->` and `<!-- end -->`.

Forecasts and simulations use the code that runs a study; findings of trained runs are resampled from the scores in
results/calibration/trained and results/screening. `tests/test_docs.py` holds the page to it.

Run: python docs/choosing_a_design_numbers.py      (a few seconds)
"""

from __future__ import annotations

import csv
import re
from collections import defaultdict
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from scipy.special import stdtr
from scipy.stats import f_oneway

from ablate.design.base import Design, Factor
from ablate.design.fractional_factorial import FractionalFactorial
from ablate.design.leave_one_out import LeaveOneOut
from ablate.design.near_full import NearFull
from ablate.effects.detectable import forecast
from ablate.effects.estimate import Floats
from ablate.effects.many import estimate_many
from ablate.effects.multiplicity import holm
from ablate.estimand.base import contrasts_of
from ablate.render.tables import markdown

PAGE = Path(__file__).parent / "choosing_a_design.md"
RESULTS = Path(__file__).parent.parent / "results"
SEVEN = [Factor(name, ("on", "off")) for name in "abcdefg"]
DESIGNS: dict[str, tuple[Design, str, bool]] = {
    "leave_one_out": (LeaveOneOut(), "leave_one_out", False),
    "near_full": (NearFull(), "near_full", True),
    "fractional_factorial": (FractionalFactorial(resolution=4), "main_effect", True),
}
"""Design of seven stages, what it reports, and whether every arm has seeds of its own."""
STUDIES = 4000


def matrix_of(design: Design, estimand: str, factors: Sequence[Factor] = SEVEN) -> Floats:
    """Weights of a design's gains over its arms, shape (n_gains, n_arms)."""
    arms = design.arms(factors)
    specs = contrasts_of([estimand], arms, factors)
    return np.array([[spec.weights.get(arm, 0.0) for arm in arms] for spec in specs])


def short(value: float) -> str:
    """One digit after the point; whole numbers from 20."""
    return f"{value:.0f}" if value >= 20 else f"{value:.1f}"


def seeds() -> str:
    """Leave-one-out of seven stages: what each number of seeds sees."""
    weights = matrix_of(*DESIGNS["leave_one_out"][:2])
    rows = [
        [
            str(n),
            str(n * weights.shape[1]),
            short(forecast(weights, n, 1.0)),
            short(forecast(weights, n, 1.0, unpaired=True)),
        ]
        for n in (2, 3, 4, 5, 6, 8, 12)
    ]
    return markdown(
        ("seeds", "runs", "smallest effect, paired", "smallest effect, unpaired"), rows, remark=False
    )


def designs() -> str:
    """Three designs at about the same numbers of runs."""
    rows = []
    for name, (design, estimand, unpaired) in DESIGNS.items():
        weights = matrix_of(design, estimand)
        arms = weights.shape[1]
        for runs in (48, 80, 128):
            n = round(runs / arms)
            effect = forecast(weights, n, 1.0, unpaired=unpaired) if n > 1 else float("nan")
            rows.append(
                [
                    f"`{name}`",
                    str(arms),
                    str(n),
                    str(n * arms),
                    "–" if np.isnan(effect) else short(effect),
                ]
            )
    return markdown(("design", "arms", "seeds", "runs", "smallest effect"), rows, remark=False)


def _p(tables: Floats, weights: Floats, unpaired: bool) -> Floats:
    estimate, error, df = estimate_many(tables, weights, unpaired=unpaired)
    return np.asarray(2.0 * stdtr(df, -np.abs(estimate) / error))


def pairing() -> str:
    """How many of three real effects five seeds find, by what seeds do to all arms alike."""
    rng = np.random.default_rng(0)
    weights = matrix_of(*DESIGNS["leave_one_out"][:2])
    truth = np.zeros(8)
    truth[1:4] = -3.0
    rows = []
    for correlation in (0.0, 0.2, 0.4, 0.6):
        own = rng.normal(size=(STUDIES, 8, 5)) * np.sqrt(1 - correlation)
        tables = truth[:, None] + own + rng.normal(size=(STUDIES, 1, 5)) * np.sqrt(correlation)
        cells = []
        for unpaired in (False, True):
            found = holm(_p(tables, weights, unpaired)) <= 0.05
            cells += [f"{100 * found[:, :3].mean():.0f} %", f"{100 * found[:, 3:].any(axis=1).mean():.1f} %"]
        rows.append([f"{correlation:g}", *cells])
    header = (
        "seeds' correlation",
        "found, paired",
        "a false one, paired",
        "found, unpaired",
        "a false one, unpaired",
    )
    return markdown(header, rows, remark=False)


def looking() -> str:
    """Chance of any false claim where nothing does anything: looking once, and adding seeds until something holds."""
    rng = np.random.default_rng(1)
    weights = matrix_of(*DESIGNS["leave_one_out"][:2])
    tables = rng.normal(size=(STUDIES, 8, 8))
    held = {n: (holm(_p(tables[:, :, :n], weights, False)) <= 0.05).any(axis=1) for n in (3, 5, 8)}
    rows = [
        ["8 seeds, looked at once", f"{100 * held[8].mean():.1f} %"],
        [
            "3, then 5, then 8 seeds, until something holds",
            f"{100 * (held[3] | held[5] | held[8]).mean():.1f} %",
        ],
    ]
    return markdown(("study of seven stages that do nothing", "any false claim"), rows, remark=False)


def scores(path: Path, metric: str, task: str) -> tuple[list[str], Floats]:
    """Final scores of one task: arms, and a table of shape (n_arms, n_seeds)."""
    with path.open(newline="", encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if row["task"] == task and row["metric"] == metric]
    last = max(int(row["tokens"]) for row in rows)
    table: dict[str, dict[int, float]] = defaultdict(dict)
    for row in rows:
        if int(row["tokens"]) == last:
            table[row["arm"]][int(row["seed"])] = float(row["score"])
    return list(table), np.array([[table[arm][seed] for seed in sorted(table[arm])] for arm in table])


def presence(arms: Sequence[str], stages: Sequence[str]) -> Floats:
    """Which stages each trained arm has, by its name: shape (n_arms, n_stages), 1 or 0."""
    rows = []
    for arm in arms:
        # Such as `extraction=raw,without_language+pii`, `only_extraction=resiliparse+pii`, `bare`, `full_2`.
        named = {part.partition("=")[0] for part in re.split("[+,]", re.sub("without_|only_", "", arm))}
        kept = arm.startswith("only_")
        rows.append([0.0 if arm == "bare" else float((stage in named) == kept) for stage in stages])
    return np.array(rows)


def additive(arms: Sequence[str], stages: Sequence[str]) -> Floats:
    """Weights of the stages' gains over arms, by least squares where gains add up: shape (n_stages, n_arms).

    In leave-one-out these are the differences from the full recipe, in a fraction the main effects.
    """
    present = presence(arms, stages)
    return np.asarray(np.linalg.pinv(np.column_stack([np.ones(len(arms)), present]))[1:])


TRAINED = {"scores.csv": False, "scores_fractional.csv": False, "scores_near_full.csv": True}
"""Scores of leave-one-out, a fraction and near-full, and whether every arm had seeds of its own."""


def findings() -> str:
    """Stages that studies of about equal size find, drawn from the trained runs."""
    folder, rng, draws = RESULTS / "calibration" / "trained", np.random.default_rng(2), 200
    stages = [
        arm.removeprefix("without_").partition("=")[0]
        for arm in scores(folder / "scores.csv", "prob", "facts")[0][1:]
    ]
    rows = []
    for metric in ("prob", "bpb"):
        for runs in (48, 96):
            counts, sizes = [], []
            for name, unpaired in TRAINED.items():
                arms, table = scores(folder / name, metric, "facts")
                size = round(runs / len(arms))
                drawn = np.stack(
                    [table[:, rng.choice(table.shape[1], size, replace=False)] for _ in range(draws)]
                )
                found = holm(_p(drawn, additive(arms, stages), unpaired)) <= 0.05
                counts.append(float(found.sum(axis=1).mean()))
                sizes.append(size * len(arms))
            rows.append(
                [
                    metric,
                    str(runs),
                    f"{counts[0]:.1f}",
                    *(
                        f"{count:.1f}" + (f" ({size} runs)" if size != runs else "")
                        for count, size in zip(counts[1:], sizes[1:], strict=True)
                    ),
                ]
            )
    header = ("metric", "runs", "leave_one_out finds", "fractional_factorial finds", "near_full finds")
    return markdown(header, rows, remark=False)


def smooth() -> str:
    """Runs for one certainty in another metric, and what of bits per byte is format."""
    path = RESULTS / "calibration" / "trained" / "scores.csv"

    def runs(metric: str) -> Floats:
        table = scores(path, metric, "facts")[1]
        gains = table[0] - table[1:]
        return np.asarray(gains.var(axis=1, ddof=1) / gains.mean(axis=1) ** 2)

    rows = []
    for metric, name in (("bpb", "bits per byte of the right answers"), ("acc", "accuracy")):
        ratio = runs(metric) / runs("prob")
        rows.append([name, f"{np.exp(np.log(ratio).mean()):.2f}", f"{ratio.min():.2f} to {ratio.max():.2f}"])
    return markdown(("in place of probability", "runs needed", "over seven stages"), rows, remark=False)


def coin() -> str:
    """How far arms differ in bits per byte on a task that none of them can know."""
    arms, table = scores(RESULTS / "screening" / "scores.csv", "bpb", "coin")
    test = f_oneway(*table)
    means = dict(zip(arms, table.mean(axis=1), strict=True))
    return (
        f"On `coin`, whose answers no page tells, arms differ in bits per byte all the same (F = {test.statistic:.1f}, p = {test.pvalue:.4f}): "
        f"raw text has {means['extraction=raw']:.2f}, the full recipe {means['full']:.2f}, and neither knows an answer."
    )


BLOCKS: dict[str, Callable[[], str]] = {
    "seeds": seeds,
    "designs": designs,
    "pairing": pairing,
    "looking": looking,
    "findings": findings,
    "smooth": smooth,
    "coin": coin,
}
"""Name of a place in the page -> what stands there."""


def filled(page: str) -> str:
    """The page with every number computed anew.

    Raises:
        KeyError: for a place that no function fills.
    """
    place = r"(?s)(<!-- (\w+) -->\n)((?!<!-- ).)*?(<!-- end -->)"
    return re.sub(place, lambda found: found[1] + BLOCKS[found[2]]() + "\n" + found[4], page)


if __name__ == "__main__":
    PAGE.write_text(filled(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
