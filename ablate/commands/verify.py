"""Check every file of a store, and of a study: is it as it was written?

Files of the store carry a sum (XXH3, beside each in a hidden .sum file) that is checked whenever one is read; what
is damaged is then made again. This command reads all of them, changes nothing, and lists

  damaged    its bytes are not those that were written
  gone       its sum is there, the file is not
  unknown    it has no sum: made by an earlier version, or put there by hand

and how many files killed processes left unfinished. It also reads the plan and the records of the study, when there
is one in study.dir. The exit status is 1 when anything is damaged, gone or unknown. To mend a store, run the command
that needs it again: it makes anew what is not whole. A record that is damaged is made again from the store by
`ablate sweep` once its file is deleted.

Example: ablate verify study=demo
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

from omegaconf import DictConfig

from ablate.errors import AblateError
from ablate.progress import track
from ablate.store import UNSEALED, fault, leftovers, read_json, sealed_files
from ablate.study.plan import folder_of


def main(config: DictConfig) -> int:
    """Verify; returns the exit status."""
    store, study = Path(config.store), folder_of(config)
    if not store.is_dir() and not study.is_dir():
        raise AblateError(f"nothing to verify: neither the store {store} nor the study {study} is there")
    counts = Counter[str]()
    for path in track(sealed_files(store), "verifying the store", unit="file"):
        counts[_told(path)] += 1
    for path in sealed_files(study, unsealed=False):
        counts[_told(path)] += 1
    counts["damaged"] += _study_faults(study)
    sound = counts.pop("whole", 0)
    said = ", ".join(f"{count} {state}" for state, count in sorted(counts.items()) if count)
    print(f"{sound:,} files whole, {said or 'none damaged'}")
    if unfinished := leftovers(store):
        print(
            f"{unfinished} unfinished files of killed processes; they go when their folder is next written to"
        )
    return 1 if said else 0


def _told(path: Path) -> str:
    """How a file is; one that is not whole is printed."""
    why = fault(path)
    if why is None:
        return "whole"
    state = "unknown" if why == UNSEALED else "damaged" if path.exists() else "gone"
    print(f"{state}: {path}" + (f" ({why})" if state == "damaged" else ""))
    return state


def _study_faults(study: Path) -> int:
    """How many of the plan and the records of a study cannot be believed; prints each."""
    from ablate.study.results import load_study

    readers: list[Callable[[], Any]] = []
    if (study / "plan.json").exists():
        readers = [partial(read_json, path) for path in sorted(study.glob("runs/*/*/record.json"))]
        readers.append(partial(load_study, study))
    faults: dict[str, None] = {}
    for read in readers:
        try:
            read()
        except AblateError as error:
            faults[str(error)] = None
    for told in faults:
        print(told if told.startswith("damaged: ") else f"damaged: {told}")
    return len(faults)
