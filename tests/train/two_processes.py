"""Run by torchrun in test_parallel.py: one process of a small run; writes what it saw."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from conftest import Runner

folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
runner = Runner(folder)
stop_at = settings.pop("stop_at", None)


def evaluate(model: Any, tokens: int) -> None:
    if tokens == stop_at:
        raise RuntimeError("told to stop")
    runner._evaluate(model, tokens)


result = runner(**settings, evaluate=evaluate)
outcome = {"losses": result.losses, "evaluated": runner.evaluated, "logged": len(runner.logged)}
(folder / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(outcome))
