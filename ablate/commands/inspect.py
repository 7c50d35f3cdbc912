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
  ablate inspect sample        what a sampled pool says of its source; how many copies a run meets
  ablate inspect spike         what each stage makes of known defects that were planted
  ablate inspect tasks         what evaluate would score: items, chance levels, directions, digests
  ablate inspect my_view.py    a view of your own: a file, or a module by its dotted name

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
from ablate.user_file import module_of


def views() -> list[str]:
    """Names of the views: the modules of `ablate.inspect.views`."""
    return sorted(path.stem for path in (Path(__file__).parents[1] / "inspect/views").glob("[!_]*.py"))


def view(name: str) -> ModuleType:
    """The module of a view; its docstring is its help, and its `main(config)` shows it.

    Args:
        name: of one of ours; a file of the user's that ends in .py; or the dotted name of a module.
    Raises:
        ConfigError: for an unknown view (names the nearest), and for what is none.
    """
    if name in views():
        return importlib.import_module(f"ablate.inspect.views.{name}")
    if "." not in name:
        raise ConfigError(
            f"inspect: unknown view {name!r}: {nearest(name, views())}; one of your own is a file, NAME.py"
        )
    try:
        module = module_of(Path(name)) if name.endswith(".py") else importlib.import_module(name)
    except (Exception, SystemExit) as error:  # whatever stands in it
        raise ConfigError(
            f"inspect: the view {name} cannot be loaded: {type(error).__name__}: {error}"
        ) from error
    if not callable(getattr(module, "main", None)):
        raise ConfigError(f"inspect: the view {name} has no function main(config)")
    return module


def main(config: DictConfig) -> int:
    """Show the funnel; returns the exit status."""
    status: int = view("funnel").main(config)
    return status
