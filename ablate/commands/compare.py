"""Does a small proxy decide like a large one? Compare two studies of the same arms.

Prints, per task, the share of pairs of arms that both rank alike (decision accuracy) and the rank
correlation, with intervals; writes comparison.csv into the folder of this study, the smaller one.
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
    from ablate.report.decision import EXPLAINED, HEADER, between, cells, to_csv
    from ablate.study.results import load_study

    other = settings_of(config).compare.to
    if other is None:
        raise ConfigError("give the folder of the other study: compare.to=studies/<name>")
    small, large = load_study(folder_of(config)), load_study(Path(other))
    rows = between(small, large)
    print(f"{small.plan.title} against {large.plan.title}, {large.primary}\n")
    print(aligned(HEADER, cells([row for row in rows if row.metric == large.primary] or rows), left=2))
    print(f"\n{EXPLAINED}")
    if small.waiting or large.waiting:
        print("Intervals and clear pairs are withheld until both plans are complete.")
    write_text(small.folder / "comparison.csv", to_csv(rows))
    print(f"\nall metrics: {small.folder / 'comparison.csv'}")
    return 0
