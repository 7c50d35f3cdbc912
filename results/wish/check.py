"""Hold plans made from a wish against what then happened, on shipped runs; nothing is trained.

python results/wish/check.py        # writes cases.csv, laws.csv, reversals.csv and README's table (printed)
"""

from __future__ import annotations

import csv
from collections.abc import Iterable
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy.special import expit
from scipy.stats import beta

import ablate
from ablate.effects.decision import agreement, clear_pairs, seed_means
from ablate.effects.gain_slope import gain_slope
from ablate.effects.noise import run_noise, sphericity
from ablate.effects.ranking import noise_df, ranking_distance, seeds_to_rank
from ablate.errors import DataError
from ablate.wish.noise import RunNoise, noise_law, rungs
from ablate.wish.transfer import reversal_law

ROOT = Path(__file__).resolve().parents[2]
OUT = Path(__file__).parent
CHANCE = 0.25
PILOT = 6
"""Seeds of a pilot on the calibration's proxy."""
WIDTHS = (1.0, 1.4, 2.0, 2.8)
"""Wishes, in times the noise of all seeds: from about thirteen seeds to about three."""


def records(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def share(hits: int, n: int) -> str:
    """A share with its exact binomial interval (Clopper & Pearson 1934)."""
    if not n:
        return "none"
    low = 0.0 if hits == 0 else float(beta.ppf(0.025, hits, n - hits + 1))
    high = 1.0 if hits == n else float(beta.ppf(0.975, hits + 1, n - hits))
    return f"{hits} of {n} = {100 * hits / n:.1f} % [{100 * low:.1f}, {100 * high:.1f}]"


def write(name: str, header: Iterable[str], rows: list[tuple[object, ...]]) -> None:
    with (OUT / name).open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(header)
        writer.writerows(rows)


def measured(pilot: np.ndarray, name: str) -> RunNoise:
    """What a pilot, shape (arms, seeds), tells of the noise."""
    return RunNoise.measured(run_noise(pilot), noise_df(*pilot.shape), name, sphericity=sphericity(pilot))


def against_first(n_arms: int) -> np.ndarray:
    """Weights of the gains of the first arm over each other one."""
    return np.hstack([np.ones((n_arms - 1, 1)), -np.eye(n_arms - 1)])


def calibration(metric: str) -> np.ndarray:
    """Scores of the calibration's 54 seeds, shape (8, 54), full recipe first; accuracies centred."""
    cells = {
        (row["arm"], int(row["seed"])): float(row["score"])
        for row in records(ROOT / "results/calibration/trained/scores.csv")
        if (row["task"], row["metric"]) == ("facts", metric)
    }
    arms = sorted({arm for arm, _ in cells}, key=lambda arm: (arm != "full", arm))
    seeds = sorted({seed for _, seed in cells})
    table = np.array([[cells[arm, seed] for seed in seeds] for arm in arms])
    return table if metric == "bpb" else table / (1 - CHANCE)


def out_of_order(gains: np.ndarray, truth: np.ndarray, within: float) -> tuple[int, int]:
    """Pairs that the truth puts more than `within` apart, and those of them that the gains put the wrong way."""
    apart = [(i, j) for i, j in combinations(range(len(truth)), 2) if abs(truth[i] - truth[j]) > within]
    return len(apart), sum((gains[i] - gains[j]) * (truth[i] - truth[j]) <= 0 for i, j in apart)


def cases_of(
    name: str,
    metric: str,
    known: RunNoise,
    rest: np.ndarray,
    truth: np.ndarray | None,
    within: float,
    confidence: float,
) -> list[tuple[object, ...]]:
    """One wish: seeds from what is known of the noise, then every study of so many seeds that the rest of the seeds holds."""
    weights = against_first(len(rest))
    seeds = seeds_to_rank(
        weights, known.sd, known.df, within, confidence=confidence, sphericity=known.sphericity
    )
    if seeds is None or seeds > rest.shape[1]:
        return [(name, metric, f"{within:.4g}", confidence, seeds or "", "", "", "", "")]
    rows: list[tuple[object, ...]] = []
    for start in range(0, rest.shape[1] - seeds + 1, seeds):
        study = rest[:, start : start + seeds]
        stated = run_noise(study) * ranking_distance(weights, seeds, confidence=confidence)
        apart, wrong = (
            ("", "") if truth is None else out_of_order(weights @ study.mean(axis=1), truth, within)
        )
        rows.append(
            (
                name,
                metric,
                f"{within:.4g}",
                confidence,
                seeds,
                f"{stated:.4g}",
                int(stated <= within),
                apart,
                wrong,
            )
        )
    return rows


def on_the_testbed() -> list[tuple[object, ...]]:
    """Pilots of six seeds from one half of the calibration's seeds, studies and truth apart from each other."""
    rows = []
    for metric in ("prob", "acc", "bpb"):
        table = calibration(metric)
        noise = run_noise(table)
        for half, other in ((table[:, :27], table[:, 27:]), (table[:, 27:], table[:, :27])):
            truth = against_first(len(half)) @ half.mean(axis=1)
            for start in range(0, 27 - PILOT + 1, PILOT):
                for width in WIDTHS:
                    for confidence in (0.8, 0.95):
                        pilot = half[:, start : start + PILOT]
                        known = measured(pilot, "pilot")
                        rows += cases_of("testbed", metric, known, other, truth, width * noise, confidence)
    return rows


def table_of(name: str, metric: str) -> np.ndarray | None:
    """Headline scores of a shipped study, shape (arms, seeds), without arms that share their runs."""
    try:
        found = ablate.open_study(ROOT / "results" / name).scores("aggregate", metric=metric)
    except DataError:
        return None
    table = found.pivot_table(index="arm", columns="seed", values="score", sort=False).to_numpy()
    table = table[:, np.isfinite(table).all(axis=0)]
    return np.array([table[place] for place in sorted(np.unique(table, axis=0, return_index=True)[1])])


def on_real_pages() -> list[tuple[object, ...]]:
    """The noise of one study of real pages plans the others, which have other pages, spikes, budgets or controls."""
    names, rows = ("web_loo", "web_loo/controls", "web_loo/pools", "spike/dose"), []
    for metric in ("prob", "acc", "bpb"):
        tables = {name: table for name in names if (table := table_of(name, metric)) is not None}
        for first, pilot in tables.items():
            for second, rest in tables.items():
                if first != second:
                    known = measured(pilot, first)
                    law = noise_law("web", metric, without=second)
                    known = law.from_measured(known, 1.0, 1.0, alike=False)
                    for width in (2.8, 4.0, 6.0):
                        rows += cases_of(
                            f"{first} for {second}", metric, known, rest, None, width * run_noise(pilot), 0.95
                        )
    return rows


def laws() -> list[tuple[object, ...]]:
    """Each noise of the ladder against the law through the others."""
    rows = []
    for row in rungs():
        told = noise_law(row.family, row.metric, without=row.study).at(row.flops)
        rows.append(
            (
                row.family,
                row.study,
                row.metric,
                f"{row.sd:.4g}",
                f"{told.sd:.4g}",
                f"{told.low:.4g}",
                f"{told.high:.4g}",
                int(told.low <= row.sd <= told.high),
                int(row.sd <= told.high),
            )
        )
    return rows


def all_pairs() -> list[tuple[object, ...]]:
    """The decision accuracies of shipped reports, which ask early points and full runs of different seeds, over all pairs of arms."""
    rows = []
    for path in sorted((ROOT / "results").rglob("decisions.csv")):
        for row in records(path):
            if (
                row.get("metric") in ("acc", "prob", "bpb")
                and row["accuracy"]
                and row["cheap"].endswith("% of the budget")
            ):
                ratio = 100 / float(row["cheap"].split()[0])
                low, high = (float(expit(side)) for side in reversal_law().interval(np.log10(ratio)))
                wrong = 1 - float(row["accuracy"])
                rows.append(
                    (
                        str(path.parent.relative_to(ROOT / "results")),
                        row["task"],
                        row["metric"],
                        f"{ratio:.3g}",
                        row["n_pairs"],
                        f"{wrong:.3f}",
                        f"{low:.3f}",
                        f"{high:.3f}",
                        int(low <= wrong <= high),
                        int(wrong <= high),
                    )
                )
    return rows


def between_sizes() -> list[tuple[object, ...]]:
    """The calibration's proxy against the demo's, six times the parameters and three times the tokens, on the arms that both have."""
    rows = []
    large = records(ROOT / "results/demo/scores.csv")
    end = max(int(row["tokens"]) for row in large)
    ratio = (319_968 * 479_232) / (52_368 * 159_744)
    for metric in ("prob", "acc", "bpb"):
        parts = []
        for scores in (records(ROOT / "results/calibration/trained/scores.csv"), large):
            cells = {
                (row["arm"], int(row["seed"])): float(row["score"])
                for row in scores
                if (row["task"], row["metric"]) == ("facts", metric) and int(row["tokens"]) in (159_744, end)
            }
            parts.append(cells)
        arms = sorted({arm for arm, _ in parts[0]} & {arm for arm, _ in parts[1]})
        one, two = (
            np.array([[cells[arm, seed] for seed in sorted({seed for _, seed in cells})] for arm in arms])
            for cells in parts
        )
        found, slope = agreement(seed_means(one), seed_means(two)), gain_slope(one, two)
        low, high = (float(expit(side)) for side in reversal_law().interval(np.log10(ratio)))
        wrong = 1 - found.accuracy
        rows.append(
            (metric, f"{ratio:.3g}", len(arms), found.n_pairs, f"{wrong:.3f}", f"{low:.3f}", f"{high:.3f}",
             f"{slope.slope:.2f}", f"{slope.low:.2f}", f"{slope.high:.2f}")
        )  # fmt: skip
    return rows


def reversals() -> list[tuple[object, ...]]:
    """Pairs that the full runs of half of the seeds tell apart, and what earlier points of the other half say of them."""
    rows = []
    for name in ("demo", "screening", "epochs", "web_loo", "web_loo/controls", "spike/dose"):
        study = ablate.open_study(ROOT / "results" / name)
        for metric in dict.fromkeys(study.summary.metrics["metric"]):
            if metric not in ("acc", "prob", "bpb"):
                continue
            for task in study.tasks:
                curve = study.curves(task, metric=metric)
                if curve.empty:
                    continue
                end = curve["tokens"].max()
                at = {
                    point: part.pivot_table(index="arm", columns="seed", values="score", sort=False)
                    for point, part in curve.groupby("tokens")
                }
                seeds = list(at[end].columns)
                half = [seeds[place::2] for place in (0, 1)]
                for point, table in at.items():
                    if point == end or table.shape != at[end].shape:
                        continue
                    wrong = n = 0
                    for cheap, full in (half, half[::-1]):
                        if len(full) < 2:
                            continue
                        large = at[end][full].to_numpy()
                        one, two = seed_means(table[cheap].to_numpy()), seed_means(large)
                        apart = np.triu(clear_pairs(large), k=1)
                        n += int(apart.sum())
                        wrong += int((apart & ((one[:, None] - one) * (two[:, None] - two) <= 0)).sum())
                    if n:
                        ratio = end / point
                        low, high = (float(expit(side)) for side in reversal_law().interval(np.log10(ratio)))
                        rows.append(
                            (
                                name,
                                task,
                                metric,
                                f"{ratio:.3g}",
                                n,
                                wrong,
                                f"{wrong / n:.3f}",
                                f"{low:.3f}",
                                f"{high:.3f}",
                                int(low <= wrong / n <= high),
                                int(wrong / n <= high),
                            )
                        )
    return rows


def main() -> None:
    header = (
        "study",
        "metric",
        "within",
        "confidence",
        "seeds",
        "stated",
        "kept",
        "pairs_apart",
        "pairs_wrong",
    )
    testbed, pages, law, reversed_ = on_the_testbed(), on_real_pages(), laws(), reversals()
    write("cases.csv", header, testbed + pages)
    write(
        "laws.csv",
        ("family", "study", "metric", "measured", "foretold", "low", "high", "inside", "at_most_high"),
        law,
    )
    write(
        "reversals.csv",
        (
            "study",
            "task",
            "metric",
            "budget_ratio",
            "clear_pairs",
            "reversed",
            "share",
            "low",
            "high",
            "inside",
            "at_most_high",
        ),
        reversed_,
    )
    for what, rows in (("testbed", testbed), ("real pages", pages)):
        for metric in ("prob", "acc", "bpb"):
            mine = [row for row in rows if row[1] == metric]
            done = [row for row in mine if row[5] != ""]
            print(
                f"{what} {metric}: {len(mine) - len(done)} wishes need more seeds than there are; distance kept {share(sum(int(str(row[6])) for row in done), len(done))}"
            )
            for confidence in (0.8, 0.95):
                told = [row for row in done if row[3] == confidence and row[7] not in ("", 0)]
                if told:
                    print(
                        f"   {100 * confidence:.0f} %: whole order right {share(sum(row[8] == 0 for row in told), len(told))}; {sum(int(str(row[7])) for row in told)} pairs apart"
                    )
    for family in ("web", "testbed"):
        mine = [row for row in law if row[0] == family]
        print(
            f"law {family}: in the 80 % interval {share(sum(int(str(row[7])) for row in mine), len(mine))}; at most its upper end (90 %) {share(sum(int(str(row[8])) for row in mine), len(mine))}"
        )
    print(
        f"reversals: in the 95 % interval {share(sum(int(str(row[9])) for row in reversed_), len(reversed_))}; at most its upper end {share(sum(int(str(row[10])) for row in reversed_), len(reversed_))}"
    )
    for name in dict.fromkeys(row[0] for row in reversed_):
        mine = [row for row in reversed_ if row[0] == name]
        print(
            f"   {name}: {sum(int(str(row[5])) for row in mine)} of {sum(int(str(row[4])) for row in mine)} clear pairs reversed; rows inside {sum(int(str(row[9])) for row in mine)} of {len(mine)}"
        )
    pairs = all_pairs()
    write(
        "all_pairs.csv",
        (
            "study",
            "task",
            "metric",
            "budget_ratio",
            "pairs",
            "share",
            "low",
            "high",
            "inside",
            "at_most_high",
        ),
        pairs,
    )
    print(
        f"all pairs: in the 95 % interval {share(sum(int(str(row[8])) for row in pairs), len(pairs))}; at most its upper end {share(sum(int(str(row[9])) for row in pairs), len(pairs))}"
    )
    for name in dict.fromkeys(row[0] for row in pairs):
        mine = [row for row in pairs if row[0] == name]
        print(
            f"   {name}: rows inside {sum(int(str(row[8])) for row in mine)} of {len(mine)}, median share {np.median([float(str(row[5])) for row in mine]):.3f}"
        )
    sizes = between_sizes()
    write(
        "sizes.csv",
        (
            "metric",
            "flops_ratio",
            "arms",
            "pairs",
            "reversed",
            "low",
            "high",
            "slope",
            "slope_low",
            "slope_high",
        ),
        sizes,
    )
    for row in sizes:
        print("two sizes:", *row)


if __name__ == "__main__":
    main()
