"""Recipes as scripts of other tools: one file each, with `script(arm, stages)`."""

from __future__ import annotations

import importlib
from collections.abc import Sequence
from pathlib import Path

from ablate.errors import ConfigError, nearest
from ablate.export.script import Script
from ablate.stages.base import Stage


def pipelines() -> list[str]:
    """Names of the tools."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[!_]*.py"))


def script_of(tool: str, arm: str, stages: Sequence[Stage]) -> Script:
    """The script of a tool.

    Raises:
        ConfigError: for an unknown tool; names the nearest.
    """
    if tool not in pipelines():
        raise ConfigError(f"export.pipeline={tool}: {nearest(tool, pipelines())}")
    made: Script = importlib.import_module(f"{__name__}.{tool}").script(arm, stages)
    return made
