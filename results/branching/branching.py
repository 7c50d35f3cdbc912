"""Do branches rank stages as runs from scratch do, and at what price? Two studies of the same arms, held against each other.

Run: python results/branching/branching.py studies/SCRATCH studies/BRANCHED results/branching/NAME [METRIC]
Writes: NAME.md, NAME.csv; of the primary metric, or of another that both have, such as bpb

The cheap ranking comes from one half of the seeds and the full one from the other, averaged over the ways to halve them:
a branch shares its seed's initial weights and most of its text with the run from scratch under that seed, and with it
its luck. Beside it stands what runs from scratch agree with themselves that way, which no cheap run can be asked to beat.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from itertools import combinations
from operator import attrgetter
from pathlib import Path

import numpy as np

from ablate.effects.decision import MOST_SPLITS, Agreement, agreement_across_seeds
from ablate.effects.estimate import Floats
from ablate.render.csv_text import csv_text
from ablate.render.tables import interval, markdown, signed
from ablate.report.branching import meaning, trunks
from ablate.report.effects_table import effects_table
from ablate.report.row import Row
from ablate.report.tables import direction
from ablate.study.results import Study, load_study, score_table, tasks_with

DRAWS = 2_000
"""Bootstrap samples of the seeds."""


def table_of(study: Study, metric: str, seeds: list[int], arms: list[str]) -> Floats:
    """Scores of the aggregate, or of the task that has the metric: shape (n_arms, n_seeds)."""
    table = score_table(study, tasks_with(study, metric)[0], metric)
    return table[np.ix_([study.arms.index(arm) for arm in arms], [study.seeds.index(seed) for seed in seeds])]


def gains_of(scores: Floats) -> Floats:
    """Reference (the first arm) minus each other arm, mean over seeds: shape (n_arms - 1,)."""
    return np.asarray((scores[:1] - scores[1:]).mean(axis=1))


def gains_in(study: Study, metric: str) -> list[Row]:
    """Rows of effects on what `table_of` takes."""
    task = tasks_with(study, metric)[0]
    return [row for row in effects_table(study) if (row.metric, row.task) == (metric, task)]


def halves(n_seeds: int) -> Iterator[tuple[list[int], list[int]]]:
    """Ways to cut the seeds in two, at most `MOST_SPLITS`."""
    found = list(combinations(range(n_seeds), n_seeds // 2))
    places = np.unique(np.linspace(0, len(found) - 1, min(MOST_SPLITS, len(found))).astype(int))
    for half in (found[place] for place in places):
        yield list(half), [seed for seed in range(n_seeds) if seed not in half]


def correlation(cheap: Floats, full: Floats) -> tuple[float, float]:
    """Correlation of gains, and the slope of the cheap on the full ones through zero; each from other seeds."""
    r, slope = [], []
    for half, rest in halves(full.shape[1]):
        one, two = gains_of(cheap[:, half]), gains_of(full[:, rest])
        other = gains_of(full[:, half])  # free of the noise in `two`, so the slope is not dampened by it
        r.append(np.corrcoef(one, two)[0, 1] if one.size > 2 else math.nan)
        slope.append(float(one @ two) / float(other @ two))
    return float(np.mean(r)), float(np.median(slope))


def bootstrapped(cheap: Floats, full: Floats, seed: int = 0) -> list[tuple[float, float]]:
    """95 % intervals of both, over the seeds: seeds are drawn anew, halves of distinct ones are cut."""
    rng, found = np.random.default_rng(seed), []
    n = full.shape[1]
    for _ in range(DRAWS):
        order = rng.permutation(n)
        half, rest = order[: n // 2], order[n // 2 :]
        half, rest = rng.choice(half, half.size), rng.choice(rest, rest.size)
        one, two, other = gains_of(cheap[:, half]), gains_of(full[:, rest]), gains_of(full[:, half])
        found.append((np.corrcoef(one, two)[0, 1], float(one @ two) / float(other @ two)))
    low, high = np.nanpercentile(np.array(found), [2.5, 97.5], axis=0)
    return [(float(a), float(b)) for a, b in zip(low, high, strict=True)]


def took(study: Study, seeds: list[int]) -> dict[str, float]:
    """FLOPs, tokens and seconds of all distinct runs under some seeds, trunks counted once."""
    runs = {record.run: record for (_, seed), record in study.records.items() if seed in seeds}
    stems = [trunk for trunk in trunks(study).values() if trunk.seed in seeds]
    return {
        "tokens": sum(one.own_tokens or 0 for one in runs.values()) + sum(trunk.tokens for trunk in stems),
        "FLOPs": sum(one.model.flops for one in runs.values() if one.model)
        + sum(trunk.flops for trunk in stems),
        "training, s": sum(float(one.cost["train_s"]) for one in (*runs.values(), *stems)),
        "training and evaluation, s": sum(float(one.cost["run_s"]) for one in (*runs.values(), *stems)),
    }


def agreed(name: str, found: Agreement) -> list[str]:
    """Cells of a line about agreement."""
    return [
        name,
        str(found.n_pairs),
        f"{100 * found.accuracy:.0f} % [{100 * found.ci_low:.0f}, {100 * found.ci_high:.0f}]",
        f"{found.spearman:.2f} [{found.spearman_low:.2f}, {found.spearman_high:.2f}]",
    ]


def main(scratch_folder: str, branched_folder: str, out: str, metric: str | None = None) -> None:
    """Write the page and the table."""
    scratch, branched = load_study(Path(scratch_folder)), load_study(Path(branched_folder))
    arms = [arm for arm in scratch.arms if arm in branched.arms]
    both = [scratch.arms.index(arm) for arm in arms]
    arms = [arm for arm, place in zip(arms, both, strict=True) if place in scratch.distinct]
    seeds = [
        seed
        for seed in scratch.seeds
        if all((arm, seed) in study.records for study in (scratch, branched) for arm in arms)
    ]
    if len(seeds) < 4 or len(arms) < 4:
        sys.exit(
            f"expected 4 arms and 4 seeds that both studies have run, found {len(arms)} and {len(seeds)}"
        )
    metric = metric or scratch.primary
    if any(metric not in study.metrics for study in (scratch, branched)):
        sys.exit(
            f"expected a metric that both have, got {metric}; of {', '.join({*scratch.metrics} & {*branched.metrics})}"
        )
    full, cheap = (table_of(study, metric, seeds, arms) for study in (scratch, branched))
    rows = {
        name: {row.name: row for row in gains_in(study, metric)}
        for name, study in (("scratch", scratch), ("branch", branched))
    }
    shared = [name for name in rows["scratch"] if name in rows["branch"]]
    lines = [
        [
            name,
            signed(one.estimate),
            interval(one.ci_low, one.ci_high),
            one.verdict.kind.value,
            signed(two.estimate),
            interval(two.ci_low, two.ci_high),
            two.verdict.kind.value,
            "",
        ]
        for name in shared
        for one, two in [(rows["scratch"][name], rows["branch"][name])]
    ]
    (r, slope), (r_self, _) = correlation(cheap, full), correlation(full, full)
    r_range, slope_range = bootstrapped(cheap, full)
    pairs, clear = agreement_across_seeds(cheap, full)
    own, own_clear = agreement_across_seeds(full, full)
    prices = [took(study, seeds) for study in (scratch, branched)]
    sharp = [
        np.mean([abs(row.estimate) / row.seed_error for row in some.values() if row.seed_error > 0])
        for some in rows.values()
    ]
    text = [
        f"# {branched.plan['title']}: branches against runs from scratch",
        meaning(branched.plan),
        f"{len(arms)} arms x {len(seeds)} seeds of `{scratch.plan['study']}` and `{branched.plan['study']}`; gains in **{metric}** "
        f"({direction(metric, scratch)}).",
        markdown(
            (
                "stage",
                "gain from scratch",
                "95 % interval",
                "verdict",
                "gain at the end",
                "95 % interval",
                "verdict",
                "",
            ),
            lines,
        ),
        "## Agreement, other seeds on each side",
        markdown(
            ("", "pairs", "ranked alike", "rank correlation"),
            [
                agreed("branches, all pairs", pairs),
                agreed("branches, clear pairs", clear),
                agreed("from scratch against itself, all pairs", own),
                agreed("from scratch against itself, clear pairs", own_clear),
            ],
            remark=False,
        ),
        f"Correlation of the {len(arms) - 1} gains: {r:.2f}, 95 % over seeds [{r_range[0]:.2f}, {r_range[1]:.2f}] (from scratch against itself "
        f"{r_self:.2f}). A gain at the end is {slope:.2f} [{slope_range[0]:.2f}, {slope_range[1]:.2f}] of the one from scratch. Gain over its error, mean "
        f"over stages: {sharp[0]:.1f} from scratch, {sharp[1]:.1f} at the end.",
        "## Price of these runs",
        markdown(
            ("", "from scratch", "branches, trunks among them", "ratio"),
            [
                [name, f"{a:.3g}", f"{b:.3g}", f"{b / a:.2f}"]
                for (name, a), b in zip(prices[0].items(), prices[1].values(), strict=True)
            ],
            remark=False,
        ),
    ]
    Path(out).parent.mkdir(parents=True, exist_ok=True)
    Path(f"{out}.md").write_text("\n\n".join(text) + "\n", encoding="utf-8")
    names = ("estimate", "ci_low", "ci_high", "seed_error", "p_adjusted")
    header = ["stage", *(f"{kind}_{name}" for kind in rows for name in (*names, "verdict"))]
    cells = [
        [
            stage,
            *(c for some in rows.values() for c in (*attrgetter(*names)(some[stage]), some[stage].verdict)),
        ]
        for stage in shared
    ]
    Path(f"{out}.csv").write_text(csv_text(header, cells), encoding="utf-8")
    print(f"{out}.md")


if __name__ == "__main__":
    main(*sys.argv[1:])
