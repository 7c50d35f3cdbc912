"""Coverage over pools: intervals from seeds in one pool, and from seeds with a shard of the pool each.

One testbed of many pages (one set of facts) is cut by host into disjoint pools; `ablate sweep` trains the calibration's
proxy in each of them under several seeds, which `randomness.pool=shard` does by itself when there are more seeds than
shards: seed s has shard s modulo the number of shards. The gain over pools is then known from the other pools, and small studies
are cut from the runs: seeds of one pool, or seeds of as many pools.

Run: python results/calibration/pools.py FOLDER     (192 runs of 160,000 tokens; about 11 minutes of two quiet cores)
     python results/calibration/pools.py            (the page again, from pools.csv)
     python results/calibration/pools.py --study studies/NAME --out FOLDER    (of any study with two seeds or more in every shard)
Writes: pools.csv (the score of every run), pools.md
"""

from __future__ import annotations

import argparse
import csv
import subprocess
import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
from scipy import stats

from ablate.calibrate.trained import headline_scores
from ablate.effects.contrast import estimate_contrasts
from ablate.render.tables import markdown
from ablate.study.chance import chance_of
from ablate.study.plan import load_plan
from ablate.study.results import load_study

HERE = Path(__file__).parent
STAGES = ("language", "gopher_quality")
DRAWS = 4_000
"""Small studies over pools that are drawn at random from all there are."""
PREDICTION = (
    "Written before the runs (2026-11-26). Language: pools differ by 0.4 to 1.5 times the variance of a run, so that intervals of 3 and 4 seeds in "
    "one pool cover the gain over pools in 78 to 92 % and 72 to 90 %, while sharded ones cover 93 to 97 % and are 1.2 to 1.6 times "
    "as wide. Gopher quality: pools differ by less than 0.4 times the variance of a run; both kinds of interval cover 91 to 97 %."
)


TESTBED = "The pools are of one testbed: the same facts and press releases, other pages and hosts. Budget, proxy and recipe are those of `study=calibration`."


def arguments() -> argparse.Namespace:
    """Of the command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "folder", nargs="?", help="where store and study go; without it pools.csv is read again"
    )
    parser.add_argument("--pools", type=int, default=16)
    parser.add_argument("--runs", type=int, default=4, help="seeds in each pool")
    parser.add_argument("--pages", type=int, default=2_500, help="in each pool, on average")
    parser.add_argument("--out", default=str(HERE), help="where pools.csv and pools.md go")
    parser.add_argument(
        "--study", help="folder of a finished study, leave-one-out with shards, instead of doing the runs"
    )
    parser.add_argument("overrides", nargs="*", help="more for ablate sweep")
    asked = parser.parse_intermixed_args()
    if asked.folder and (asked.pools < 2 * asked.runs or asked.runs < 3):
        parser.error(
            "the gain over pools comes from pools that a study does not use: give 3 runs or more, and twice as many pools"
        )
    return asked


def sweep(asked: argparse.Namespace) -> tuple[list[str], float]:
    """Do the runs; the overrides and the seconds they took."""
    overrides = [
        "study=calibration",
        "study.name=pools",
        f"pool.world.pages={asked.pools * asked.pages}",
        f"seeds=[{','.join(map(str, range(asked.pools * asked.runs)))}]",
        "randomness.pool=shard",
        f"randomness.shards={asked.pools}",
        f"design.factors=[{','.join(STAGES)}]",
    ]
    places = [f"study.dir={asked.folder}/study", f"store={asked.folder}/store"]
    started = time.monotonic()
    command = [sys.executable, "-m", "ablate", "sweep", *overrides, *places, *asked.overrides]
    subprocess.run(command, check=True)
    return overrides, time.monotonic() - started


def write_scores(folder: Path, path: Path) -> None:
    """pools.csv: one line per seed, with the headline's score of every arm."""
    study = load_study(folder)
    table = headline_scores(study)
    shards = study.plan.reference_arm.config["randomness"]["shards"]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["pool", "seed", *study.arms])
        for place, seed in enumerate(study.seeds):
            writer.writerow([seed % shards, seed, *(f"{score:.8g}" for score in table[:, place])])


@dataclass(frozen=True, eq=False)
class Gains:
    """One stage's gain in every run.

    Attributes:
        stage: whose.
        scores: shape (pools, runs, 2): the full recipe, and without the stage.
    """

    stage: str
    scores: np.ndarray

    @property
    def values(self) -> np.ndarray:
        """Shape (pools, runs)."""
        return self.scores[..., 0] - self.scores[..., 1]


def read_scores(path: Path) -> list[Gains]:
    """The gains of pools.csv."""
    with path.open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    pools = sorted({int(row["pool"]) for row in rows})
    found = []
    for stage in [name.removeprefix("without_") for name in rows[0] if name.startswith("without_")]:
        both = [
            [
                [float(row[arm]) for arm in ("full", f"without_{stage}")]
                for row in rows
                if int(row["pool"]) == pool
            ]
            for pool in pools
        ]
        found.append(Gains(stage, np.array(both)))
    return found


@dataclass(frozen=True)
class Components:
    """What a gain varies by.

    Attributes:
        mean, error: over pools, with its standard error.
        between, within: standard deviation between pools, beyond that of the runs, and between runs of a pool.
        ratio, low, high: of the two variances, with its 95 % interval.
        p: of no difference between pools.
    """

    mean: float
    error: float
    between: float
    within: float
    ratio: float
    low: float
    high: float
    p: float


def components(values: np.ndarray) -> Components:
    """One-way analysis of variance, pools at random (Searle, Casella & McCulloch 1992, section 3.6)."""
    pools, runs = values.shape
    means = values.mean(axis=1)
    df = pools - 1, pools * (runs - 1)
    between, within = runs * means.var(ddof=1), values.var(axis=1, ddof=1).mean()
    f = between / within
    low, high = (((f / stats.f.ppf(q, *df)) - 1) / runs for q in (0.975, 0.025))
    ratio = (f - 1) / runs
    return Components(
        float(means.mean()),
        float(means.std(ddof=1) / np.sqrt(pools)),
        float(np.sqrt(max(0.0, ratio) * within)),
        float(np.sqrt(within)),
        float(ratio),
        float(low),
        float(high),
        float(stats.f.sf(f, *df)),
    )


def studies(gains: Gains, seeds: int, sharded: bool) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    """Small studies: which pools they use, and their scores, shape (2, seeds)."""
    pools, runs, _ = gains.scores.shape
    if not sharded:
        for pool in range(pools):
            for chosen in combinations(range(runs), seeds):
                yield np.array([pool]), gains.scores[pool, list(chosen)].T
        return
    rng = np.random.default_rng(0)
    for _ in range(DRAWS):
        chosen_pools = rng.choice(pools, seeds, replace=False)
        yield chosen_pools, gains.scores[chosen_pools, rng.integers(runs, size=seeds)].T


@dataclass(frozen=True)
class Coverage:
    """Of the gain over pools, by the intervals of one kind of study.

    Attributes:
        share, error: of studies whose interval holds it, with a jackknife standard error over pools.
        half: mean half width.
    """

    share: float
    error: float
    half: float

    def __str__(self) -> str:
        return f"{100 * self.share:.0f} % ± {100 * self.error:.0f}"


def coverage(gains: Gains, seeds: int, sharded: bool) -> Coverage:
    """Count intervals that hold the mean of the pools that the study did not use, allowing for that mean's own error."""
    means = gains.values.mean(axis=1)
    found = [
        (pools, *estimate_contrasts(scores, [[1.0, -1.0]]))
        for pools, scores in studies(gains, seeds, sharded)
    ]
    # One factor for all, so that an interval that is narrow by luck stays so.
    typical = np.mean([estimate.seed_error**2 for _, estimate in found])
    hit, half, used = [], [], []
    for pools, estimate in found:
        others = np.delete(means, pools)
        width = estimate.ci_high - estimate.estimate
        wider = width * np.sqrt(1.0 + others.var(ddof=1) / others.size / typical)
        hit.append(abs(estimate.estimate - others.mean()) <= wider)
        half.append(width)
        used.append(np.isin(np.arange(means.size), pools))
    hits, taken = np.array(hit), np.array(used)
    without = np.array([hits[~taken[:, pool]].mean() for pool in range(means.size)])
    n = means.size
    error = np.sqrt((n - 1) / n * ((without - without.mean()) ** 2).sum())
    return Coverage(float(hits.mean()), float(error), float(np.mean(half)))


def promised(ratio: float, seeds: int) -> float:
    """Coverage over pools of a 95 % interval of `seeds` runs in one pool, by theory."""
    critical = stats.t.ppf(0.975, seeds - 1)
    return float(1 - 2 * stats.t.sf(critical / np.sqrt(1 + seeds * max(0.0, ratio)), seeds - 1))


def page(all_gains: list[Gains], about: Sequence[str]) -> str:
    """pools.md.

    Args:
        all_gains: of every stage.
        about: paragraphs on what was run.
    """
    pools, runs, _ = all_gains[0].scores.shape
    parts = {gains.stage: components(gains.values) for gains in all_gains}
    cells = [
        [
            stage,
            f"{c.mean:+.3f} ± {c.error:.3f}",
            f"{c.between:.3f}",
            f"{c.within:.3f}",
            f"{c.ratio:.2f} [{c.low:.2f}, {c.high:.2f}]",
            f"{c.p:.3f}",
        ]
        for stage, c in parts.items()
    ]
    lines = [
        "# Coverage over pools",
        f"{pools} disjoint shards of a pool, {runs} seeds in each, {pools * runs * (1 + len(all_gains))} runs.",
        *about,
        "## What gains vary by",
        markdown(
            (
                "gain of",
                "over pools",
                "sd between pools",
                "sd between runs of a pool",
                "ratio of variances [95 %]",
                "p of no difference",
            ),
            cells,
        ),
    ]
    if runs < 3:
        wider = ", ".join(f"{stage} {np.sqrt(1 + max(0.0, c.ratio)):.2f}" for stage, c in parts.items())
        lines.append(
            f"Intervals over seeds with a shard each are, by theory at these ratios, this many times as wide as those in one pool: {wider}."
        )
        return "\n\n".join(lines) + "\n"
    lines += [
        "## What intervals cover",
        "Small studies cut from these runs, 95 % intervals by the rule of every report (paired t), against the mean of the pools that the study did not use. "
        "± is a jackknife standard error over pools. *By theory*: from the ratio above, an interval of so many seeds in one pool.",
    ]
    rows, told = [], []
    for gains in all_gains:
        for seeds in range(3, runs + 1):
            one, each = (coverage(gains, seeds, sharded) for sharded in (False, True))
            ratio = parts[gains.stage].ratio
            rows.append(
                [
                    gains.stage,
                    str(seeds),
                    str(one),
                    f"{100 * promised(ratio, seeds):.0f} %",
                    str(each),
                    f"{one.half:.3f}",
                    f"{each.half:.3f}",
                    f"{each.half / one.half:.2f}",
                ]
            )
        far = {seeds: promised(parts[gains.stage].ratio, seeds) for seeds in (3, 5, 8)}
        told.append(
            f"- **{gains.stage}**: with {runs} seeds, intervals of one pool cover the gain over pools in {100 * one.share:.0f} % of studies, those over shards in "
            f"{100 * each.share:.0f} %, at {each.half / one.half:.2f} times the width. More seeds in the one pool, by theory at the ratio measured here: "
            + ", ".join(f"{100 * share:.0f} % with {seeds}" for seeds, share in far.items())
            + "."
        )
    header = (
        "gain of", "seeds", "one pool", "by theory", "a shard each", "half width, one pool", "a shard each", "times as wide",
    )  # fmt: skip
    lines += [markdown(header, rows), *(["## What it says", "\n".join(told)] if told else [])]
    lines.append(
        "Not covered: another generator or source of pages. The tokenizer is trained once, on all pools together, and the items are the same in all runs. "
        "A shard is a pool of its own size: gains, deduplication's above all, are those of pools of so many pages."
    )
    return "\n\n".join(lines) + "\n"


def main() -> None:
    """Run, and write the page; or write the page alone."""
    asked = arguments()
    path, told = Path(asked.out) / "pools.csv", Path(asked.out) / "pools.md"
    path.parent.mkdir(parents=True, exist_ok=True)
    about = []
    if asked.folder:
        overrides, took = sweep(asked)
        write_scores(Path(asked.folder) / "study", path)
        about = [
            TESTBED,
            f"```\npython results/calibration/pools.py FOLDER      # {took / 60:.0f} minutes; it runs\nablate sweep {' '.join(overrides)}\n```",
            f"**Prediction.** {PREDICTION}",
        ]
    elif asked.study:
        write_scores(Path(asked.study), path)
        about = [str(chance_of(load_plan(Path(asked.study)))).capitalize() + "."]
    elif told.exists():  # the paragraphs on what was run stay as they are
        about = told.read_text(encoding="utf-8").split("\n\n## What gains vary by")[0].split("\n\n")[2:]
    told.write_text(page(read_scores(path), about), encoding="utf-8")
    print(told.read_text(encoding="utf-8"))


if __name__ == "__main__":
    main()
