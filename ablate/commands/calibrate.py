"""Check the instrument itself: do intervals cover, do A/A tests stay quiet, are planted effects found?

Simulated: every design and estimand on scores whose truth is known, with equal and unequal, skewed, bimodal and bounded
noise, noise that depends on stage and seed, 2 to 8 seeds, thousands of studies each; runs that fail, few items; a report's chance of
any false claim where nothing helps; what a report says it can see, and what it notices of the noise. What does not hold is listed as
not claimed. Trained, with calibrate.studies=[...]: studies with many seeds (study=calibration makes one) are cut into small ones and
checked against the rest. Writes CALIBRATION.md, its tables and figures into calibrate.dir.

Example: ablate calibrate calibrate.replications=2000
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ablate.calibrate.populations import POPULATIONS
from ablate.errors import ConfigError, nearest
from ablate.progress import track
from ablate.settings import CalibrateConfig, settings_of
from ablate.store import write_text


def main(config: DictConfig) -> int:
    """Calibrate; exit status 1 when intervals do not hold where they are derived."""
    from ablate.calibrate import figure, near_full, page, trained
    from ablate.study.results import load_study

    settings = settings_of(config).calibrate
    noises = settings.noise or list(POPULATIONS)
    for noise in noises:
        if noise not in POPULATIONS:
            raise ConfigError(f"calibrate.noise: unknown noise {noise!r}: {nearest(noise, POPULATIONS)}")
    folder = Path(settings.dir)
    parts, good = ["# Calibration"], True
    if settings.replications:
        sections, good = _simulated(noises, settings, folder, config.workers)
        parts += sections
    if settings.studies:
        studies = {Path(path).name: load_study(Path(path)) for path in settings.studies}
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


def _simulated(
    noises: Sequence[str], settings: CalibrateConfig, folder: Path, workers: int | None
) -> tuple[list[str], bool]:
    """Sections on everything that is simulated, and whether intervals hold where they are derived."""
    from ablate.calibrate import figure, page
    from ablate.calibrate import simulated_page as written
    from ablate.calibrate.economy import economy
    from ablate.calibrate.few_items import item_tasks
    from ablate.calibrate.missing import missing_tasks
    from ablate.calibrate.null_reports import null_tasks
    from ablate.calibrate.repeats import repeat_tasks
    from ablate.calibrate.shapes import shape_tasks
    from ablate.calibrate.simulate import run, tasks

    started = time.monotonic()
    seeds, studies, seed = settings.seeds, settings.replications, settings.seed
    # The longest first, so that no process is left alone with them.
    kinds: list[tuple[Sequence[Any], Callable[[Sequence[Any], Path], str]]] = [
        (repeat_tasks(noises, seeds, studies, seed), written.write_repeats),
        (shape_tasks(noises, seeds, studies, seed), written.write_shapes),
        (missing_tasks(seeds, studies, seed), written.write_missing),
        (item_tasks(seeds, studies, seed), written.write_items),
        (null_tasks(noises, seeds, studies, seed), written.write_null),
        (tasks(noises, seeds, studies, seed), written.write_cells),
    ]
    todo = [task for group, _ in kinds for task in group]
    found = iter(list(track(run(todo, workers), "cells", total=len(todo))))
    results = [[next(found) for _ in group] for group, _ in kinds]
    cells = results[-1]
    sections = [write(group, folder) for group, (_, write) in zip(results, kinds, strict=True) if group]
    figure.coverage(cells, folder / "coverage")
    good = written.held(cells)
    print(
        f"{len(todo)} simulated cells in {time.monotonic() - started:.0f} s: {'held' if good else 'NOT held'}"
    )
    return [*reversed(sections), page.economy_section(economy(studies, seed), "simulated, equal noise")], good
