"""Look at one arm's corpus: its funnel, what each stage threw out, how well duplicates are found.

The arm is the recipe as configured, so `stages.language.enabled=false` shows the arm without it. The
ledger that it names holds the verdict, reason and measurements of every document, as Parquet.

A first bare word chooses a view; `ablate inspect VIEW --help` says more:

  ablate inspect [funnel]      documents, bytes and tokens after each stage; samples of what one dropped
  ablate inspect audit         whom each stage removes more often than others; its cost in diversity
  ablate inspect dose          what each value of a parameter keeps: retention, diversity, score
  ablate inspect contamination which benchmark items the documents give away, and where
  ablate inspect extraction    extractors beside known main texts: precision, recall, F1, pages a second
  ablate inspect duplicates    near-duplicate detection beside true similarities
  ablate inspect provenance    what an arm is made of: sources, how they came to be, tokens, share, epochs
  ablate inspect spike         what each stage makes of known defects that were planted
  ablate inspect tasks         what evaluate would score: items, chance levels, directions, digests

  inspect.stage=gopher_quality     also show samples of what this stage dropped
  inspect.reason=gopher_short_doc  only for this reason
  inspect.samples=5                how many per reason

Example: ablate inspect study=demo inspect.stage=gopher_quality
"""

from __future__ import annotations

import importlib
from pathlib import Path
from types import ModuleType

from omegaconf import DictConfig

from ablate.errors import ConfigError, nearest


def views() -> list[str]:
    """Names of the views: the modules of `ablate.inspect.views`."""
    return sorted(path.stem for path in (Path(__file__).parents[1] / "inspect/views").glob("[!_]*.py"))


def view(name: str) -> ModuleType:
    """The module of a view; its docstring is its help.

    Raises:
        ConfigError: for an unknown view; names the nearest.
    """
    if name not in views():
        raise ConfigError(f"inspect: unknown view {name!r}: {nearest(name, views())}")
    return importlib.import_module(f"ablate.inspect.views.{name}")


def main(config: DictConfig) -> int:
    """Show the funnel; returns the exit status."""
    status: int = view("funnel").main(config)
    return status
