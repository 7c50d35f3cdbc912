"""The testbed's tasks and a control: `coin` asks for the facts of another world, which no page tells.

    python results/screening/make_tasks.py screening_tasks

Its questions look like those of `facts` and have as many items and choices, but nobody can know the answers: the
towns and names of `World(seed + 1)` do not occur in the pages.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path

from omegaconf import OmegaConf

from ablate.config import CONF, make
from ablate.pool.testbed.world import World


def main() -> None:
    pool = OmegaConf.load(CONF / "pool" / "testbed.yaml")
    asked = make(OmegaConf.to_container(pool["world"]), "pool.world")
    here, elsewhere = (
        World(asked.seed + shift, asked.towns, asked.values, asked.islands) for shift in (0, 1)
    )
    known = {*here.facts, *(name for names in here.options.values() for name in names)}
    for task, items in (
        ("facts", here.fact_items()),
        ("leaked", here.leaked_items()),
        ("coin", [item for item in elsewhere.fact_items() if str(item["id"]).split("-")[0] not in known]),
    ):
        folder = Path(sys.argv[1]) / task
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "test.jsonl").write_text("".join(json.dumps(item) + "\n" for item in items))


if __name__ == "__main__":
    main()
