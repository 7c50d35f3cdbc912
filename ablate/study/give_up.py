"""Cutting a study short: the runs that are still waiting are given up, in writing, so that every reader knows."""

from __future__ import annotations

from pathlib import Path

from ablate.store import lock, write_json
from ablate.study.plan import run_folder
from ablate.study.results import GIVEN_UP, load_study


def give_up(folder: Path) -> list[tuple[str, int]]:
    """Note of each planned run that nothing has tried that it will not be made; `ablate sweep` makes it all the same.

    Returns:
        Arm and seed of each.
    Raises:
        Busy: while a sweep of the study is running.
    """
    with lock(folder / ".lock", f"a sweep of {folder}"):
        study = load_study(folder)
        for arm, seed in study.waiting:
            place = run_folder(folder, arm, seed)
            place.mkdir(parents=True, exist_ok=True)
            told = f"{GIVEN_UP}: the study was cut short when {len(study.records)} of its runs were done"
            write_json(place / "failed.json", {"status": GIVEN_UP, "error": told})
        return study.waiting
