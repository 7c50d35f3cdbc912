"""The contrasts that a study's PREDICTIONS.md names, from its records: `python results/contrasts.py studies/scarcity`.

`results/<study>/contrasts.yaml` lists them: arms by their levels with weights, what is expected of each (above, below, within a margin of
zero, at most, at least), and how large it should be. Written before the runs, as the predictions are. Says of each whether it came.
"""

from __future__ import annotations

import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import yaml

import ablate
from ablate.effects.contrast import paired_contrast
from ablate.effects.equivalence import equivalence
from ablate.effects.estimate import Estimate
from ablate.effects.multiplicity import holm
from ablate.render.tables import markdown
from ablate.store import write_text

HEADER = ("", "what", "task, metric", "predicted", "found, 95 % interval", "p", "came true")


def scores(study: Any, task: str, metric: str) -> tuple[list[dict[str, str]], np.ndarray]:
    """Levels of each arm, and the final scores: shape (n_arms, n_seeds)."""
    frame = study.scores(task, metric=metric)
    frame = frame[frame["metric"] == metric]
    table = frame.pivot(index="arm", columns="seed", values="score").reindex(
        index=study.arms, columns=study.seeds
    )
    return list(study.summary.arms["levels"]), table.to_numpy(dtype=float)


def estimate_of(row: dict[str, Any], levels: list[dict[str, str]], table: np.ndarray) -> Estimate:
    """The weighted sum of arms; one whose weights do not sum to zero is the mean of a score less `less`."""
    weights = np.zeros(len(levels))
    for weight, wanted in row["arms"]:
        found = [
            n
            for n, has in enumerate(levels)
            if all(has[name] == str(value) for name, value in wanted.items())
        ]
        if not found:
            raise SystemExit(f"{row['name']}: no arm has the levels {wanted}")
        weights[found] += weight / len(found)
    if abs(weights.sum()) > 1e-9:  # a level, not a difference: against a constant
        table, weights = (
            np.vstack([table, np.full(table.shape[1], row["less"])]),
            np.append(weights, -weights.sum()),
        )
    values = weights[weights != 0] @ table[weights != 0]
    if np.isfinite(values).all() and np.ptp(values) == 0 and values[0] == 0:
        return Estimate(0.0, 0.0, 0.0, values.size, 0.0, math.nan, 1.0, "identical")
    return paired_contrast(table, weights)


def came(row: dict[str, Any], found: Estimate, adjusted: float, scale: float) -> str:
    """Whether what was predicted came: the sign after Holm, or equivalence within the margin."""
    if math.isnan(found.estimate):
        return "not measured: runs missing"
    if "within" in row:
        said = equivalence(found, row["within"] * scale)
        return "yes" if said.equivalent else f"not shown (p = {said.p_value:.2g})"
    right = (found.estimate > 0) == (row["expect"] == "above")
    if not row.get("claim", True):
        return "sign: yes" if right else "sign: no"
    return ("yes" if adjusted <= 0.05 else "sign only") if right else ("NO" if adjusted <= 0.05 else "no")


def main(folder: str) -> None:
    """Write CONTRASTS.md beside the list."""
    study = ablate.open_study(folder)
    place = Path(__file__).parent / study.name
    rows = yaml.safe_load((place / "contrasts.yaml").read_text(encoding="utf-8"))
    found, scales = [], []
    for row in rows:
        levels, table = scores(study, row["task"], row["metric"])
        found.append(estimate_of(row, levels, table))
        base = row.get("relative_to")
        scales.append(
            1.0
            if base is None
            else estimate_of(
                {"name": row["name"], "arms": [[1.0, base]], "less": 0.0}, levels, table
            ).estimate
        )
    claims = [n for n, row in enumerate(rows) if "within" not in row and row.get("claim", True)]
    adjusted = (
        dict(zip(claims, holm([found[n].p_value for n in claims]).tolist(), strict=True)) if claims else {}
    )
    cells = []
    for n, (row, one, scale) in enumerate(zip(rows, found, scales, strict=True)):
        unit, factor = (" %", 100.0 / scale) if row.get("relative_to") else ("", 1.0)
        wanted = f"within {row['within']:g}" if "within" in row else f"{row['expect']} {row.get('less', 0):g}"
        p = f"{one.p_value:.2g}" + (f" ({adjusted[n]:.2g} after Holm)" if n in adjusted else "")
        shown = (
            f"{factor * one.estimate:+.3g}{unit} [{factor * one.ci_low:+.3g}, {factor * one.ci_high:+.3g}]"
        )
        cells.append(
            [
                str(n + 1),
                row["name"],
                f"{row['task']}, {row['metric']}",
                f"{wanted}; {row.get('size', '')}",
                shown,
                p,
                came(row, one, adjusted.get(n, math.nan), scale),
            ]
        )
    text = (
        f"# What was predicted of {study.name}, and what came\n\n`python results/contrasts.py {folder}`, from {len(study.seeds)} seeds. Differences are paired by "
        "seed; signs count after Holm over all that are claimed, equivalence by two one-sided tests at 0.05.\n\n"
    )
    write_text(place / "CONTRASTS.md", text + markdown(HEADER, cells) + "\n")
    print(markdown(HEADER, cells))


if __name__ == "__main__":
    main(sys.argv[1])
