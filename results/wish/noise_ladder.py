"""Write `ablate/wish/data/noise.csv`: the noise of a run in the shipped studies, and in published replicates, by size.

    python results/wish/noise_ladder.py

Headline scores, and the other metrics' aggregate over the same tasks. Accuracies are centred: chance is 0, all right is 1.
"""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np

import ablate
from ablate.effects.noise import run_noise
from ablate.effects.ranking import noise_df
from ablate.errors import DataError

ROOT = Path(__file__).resolve().parents[2]
OUT = ROOT / "ablate" / "wish" / "data" / "noise.csv"
HEADER = ("family", "study", "metric", "parameters", "tokens", "sd", "df", "source")
STUDIES = {
    "demo": ("testbed", 319_968), "screening": ("testbed", 319_968), "epochs": ("testbed", 319_968),
    "web_loo": ("web", 1_315_968), "web_loo/controls": ("web", 1_315_968), "web_loo/pools": ("web", 1_315_968),
    "spike/dose": ("web", 1_315_968),
}  # fmt: skip
"""Study of `results` -> whose tasks, and its proxy's parameters with embeddings (its README or report)."""
METRICS = ("acc", "prob", "bpb")
CHANCE_OF_FACTS = 0.25


def records(path: Path) -> list[dict[str, str]]:
    """Rows of a CSV file."""
    with path.open(newline="", encoding="utf-8") as file:
        return list(csv.DictReader(file))


def noise_of(scores: np.ndarray) -> tuple[float, int]:
    """Noise of a run and its degrees of freedom; arms that share their runs count once, seeds with a gap are left out."""
    table = np.unique(scores[:, np.isfinite(scores).all(axis=0)], axis=0)
    return run_noise(table), noise_df(*table.shape)


def shipped() -> list[tuple[object, ...]]:
    """Rows of this project's own studies."""
    rows: list[tuple[object, ...]] = []
    for name, (family, parameters) in STUDIES.items():
        study = ablate.open_study(ROOT / "results" / name)
        tokens = int(np.median(study.runs()["tokens"].dropna()))
        for metric in METRICS:
            task = "facts" if name == "epochs" else None  # its headline is a held-out text
            try:
                found = study.scores(task or "aggregate", metric=metric)
            except DataError:
                continue
            if found.empty:
                continue
            table = found.pivot_table(index="arm", columns="seed", values="score").to_numpy()
            if task == "facts" and metric != "bpb":
                table = (table - CHANCE_OF_FACTS) / (1 - CHANCE_OF_FACTS)
            sd, df = noise_of(table)
            rows.append((family, name, metric, parameters, tokens, f"{sd:.3g}", df, f"results/{name}"))
    scores = records(ROOT / "results/calibration/trained/scores.csv")
    for metric in METRICS:
        cells = {
            (row["arm"], row["seed"]): float(row["score"])
            for row in scores
            if (row["task"], row["metric"]) == ("facts", metric)
        }
        arms, seeds = (sorted({key[place] for key in cells}) for place in (0, 1))
        table = np.array([[cells[arm, seed] for seed in seeds] for arm in arms])
        sd, df = noise_of(table if metric == "bpb" else table / (1 - CHANCE_OF_FACTS))
        rows.append(
            (
                "testbed",
                "calibration",
                metric,
                52_368,
                159_744,
                f"{sd:.3g}",
                df,
                "results/calibration/trained",
            )
        )
    return rows


def published() -> list[tuple[object, ...]]:
    """Rows of replicates that others published, all of DCLM's Core (22 tasks, centred)."""
    core: dict[str, list[float]] = {}
    for row in records(ROOT / "results/published/dclm_replicates.csv"):
        if row["core"]:
            core.setdefault(row["data"], []).append(float(row["core"]))
    nanochat = {"r7.125": [0.2571, 0.2472, 0.2406], "record 4": [0.2729, 0.2626]}
    rows: list[tuple[object, ...]] = []
    for name, groups, parameters, tokens, source in (
        ("DCLM", core, 1_439_795_200, 28_795_904_000, "results/published/dclm_replicates.csv, column core"),
        (
            "nanochat d26", nanochat, 918_376_000, 6_658_457_600,
            "karpathy/nanochat, dev/LEADERBOARD.md, run 4, at commit 00932d1: 12,700 steps of 524,288 tokens, 7.25 a parameter",
        ),
    ):  # fmt: skip
        several = [np.array(group) for group in groups.values() if len(group) > 1]
        df = sum(len(group) - 1 for group in several)
        sd = float(np.sqrt(sum(((group - group.mean()) ** 2).sum() for group in several) / df))
        rows.append(("web", name, "acc", parameters, tokens, f"{sd:.3g}", df, source))
    return rows


if __name__ == "__main__":
    with OUT.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(HEADER)
        writer.writerows(shipped() + published())
    print(OUT.read_text())
