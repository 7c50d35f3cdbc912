"""Run by torchrun in test_parallel.py: one process of a small run; writes what it saw."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from conftest import Runner

folder, settings = Path(sys.argv[1]), json.loads(sys.argv[2])
runner = Runner(folder)
result = runner(**settings)
outcome = {"losses": result.losses, "evaluated": runner.evaluated, "logged": len(runner.logged)}
(folder / f"rank-{os.environ['RANK']}.json").write_text(json.dumps(outcome))
