"""Does a small proxy decide like a large one, and what is left of its gains there? Compare two studies of the same arms.

Prints, per task, the share of pairs of arms that both rank alike (decision accuracy), the rank correlation and the
slope of gain on gain (errors in both), with intervals, then each gain in both; writes comparison.csv into the folder of this study, the smaller one.
Arms are matched by name. While planned runs of either wait, no interval and no clear pairs are given.
Budgets within one study are compared in its own report.

Example: ablate compare study.name=small compare.to=studies/large
"""

from __future__ import annotations

from pathlib import Path

from omegaconf import DictConfig

from ablate.errors import ConfigError
from ablate.settings import settings_of
from ablate.store import write_text
from ablate.study.plan import folder_of


def main(config: DictConfig) -> int:
    """Compare; returns the exit status."""
    from ablate.render.tables import aligned
    from ablate.report.decision import (
        CARRIED,
        EXPLAINED,
        HEADER,
        SLOPE_EXPLAINED,
        SLOPE_HEADER,
        between,
        cells,
        gain_cells,
        slope_cells,
        to_csv,
    )
    from ablate.study.results import load_study

    other = settings_of(config).compare.to
    if other is None:
        raise ConfigError("give the folder of the other study: compare.to=studies/<name>")
    small, large = load_study(folder_of(config)), load_study(Path(other))
    rows = between(small, large)
    print(f"{small.plan.title} against {large.plan.title}, {large.primary}\n")
    shown = [row for row in rows if row.metric == large.primary] or rows
    print(aligned(HEADER, cells(shown), left=2))
    print(f"\n{EXPLAINED}\n")
    print(aligned(SLOPE_HEADER, slope_cells(shown), left=1))
    print(f"\n{SLOPE_EXPLAINED}")
    if gains := gain_cells(small, large):
        head = ("gain of", small.plan.study, "95 % interval", large.plan.study, "95 % interval", "same sign")
        print(f"\n{aligned(head, gains, left=1)}")
    if small.waiting or large.waiting:
        print("Intervals and clear pairs are withheld until both plans are complete.")
    write_text(small.folder / "comparison.csv", to_csv(rows, CARRIED))
    print(f"\nall metrics: {small.folder / 'comparison.csv'}")
    return 0
