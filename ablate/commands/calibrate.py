"""Check the instrument itself: do intervals cover, do A/A tests stay quiet, are planted effects found?

Simulated: every design and estimand on scores whose truth is known, with equal and unequal noise, heavy
tails, interactions, 2 to 5 seeds, thousands of studies each. Trained, with calibrate.studies=[...]: studies
with many seeds (study=calibration makes one) are cut into small ones and checked against the rest.
Writes CALIBRATION.md, its tables and figures into calibrate.dir.

Example: ablate calibrate calibrate.replications=2000
"""

from __future__ import annotations

import time
from pathlib import Path

from hydra._internal.hydra import Hydra
from omegaconf import DictConfig

from ablate.calibrate.noise_patterns import PATTERNS
from ablate.config import plain
from ablate.errors import ConfigError, nearest
from ablate.progress import track
from ablate.store import write_text


def main(config: DictConfig, hydra: Hydra) -> int:
    """Calibrate; exit status 1 when a claimed cell is outside its band."""
    from ablate.calibrate import figure, near_full, page, simulate, trained
    from ablate.report.records import load_study

    settings = config.calibrate
    for pattern in settings.noise:
        if pattern not in PATTERNS:
            raise ConfigError(f"calibrate.noise: unknown noise {pattern!r}: {nearest(pattern, PATTERNS)}")
    folder = Path(settings.dir)
    parts, good = ["# Calibration"], True
    if settings.replications:
        started = time.monotonic()
        todo = simulate.tasks(
            plain(settings.noise), plain(settings.seeds), settings.replications, settings.seed
        )
        cells = list(track(simulate.run(todo, config.workers), "cells", total=len(todo)))
        parts.append(page.write_simulated(cells, folder))
        figure.coverage(cells, folder / "coverage")
        parts.append(
            page.economy_section(
                simulate.economy(settings.replications, settings.seed), "simulated, equal noise"
            )
        )
        good = page.held(cells)
        print(
            f"{len(cells)} simulated cells in {time.monotonic() - started:.0f} s: {'held' if good else 'NOT held'}"
        )
    if settings.studies:
        studies = {Path(path).name: load_study(Path(path)) for path in plain(settings.studies)}
        found = {
            name: trained.check(study, settings.small)
            for name, study in studies.items()
            if len(study.seeds) >= 4 * settings.small
        }
        if found:
            parts.append(page.write_trained(found, folder))
            parts += near_full.section(studies, settings.small)
            figure.trained(found, folder / "trained")
        economy = [
            entry
            for study in studies.values()
            for entry in trained.economy(
                study, range(settings.small, len(study.seeds) // 2 + 1, settings.small)
            )
        ]
        parts.append(page.economy_section(economy, "trained"))
        for name, one in found.items():
            print(f"{name}: coverage {one.coverage}; A/A rejected {one.false_positives}; signs {one.signs}")
    write_text(folder / "CALIBRATION.md", "\n\n".join(parts) + "\n")
    print(f"report: {folder / 'CALIBRATION.md'}")
    return 0 if good else 1
