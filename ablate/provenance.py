"""Where a result comes from: code, versions, machine. Recorded beside results, never compared."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import subprocess
from functools import cache
from pathlib import Path
from typing import TypedDict

PACKAGES = (
    "ablate", "torch", "transformers", "tokenizers", "datasets", "lm-eval", "hydra-core", "numpy",
    "pyarrow", "trafilatura", "resiliparse", "fastwarc",
)  # fmt: skip


def _git(*arguments: str) -> str | None:
    here = Path(__file__)
    try:
        done = subprocess.run(
            ["git", *arguments], cwd=here.parent, capture_output=True, text=True, check=True
        )
    except (OSError, subprocess.CalledProcessError):
        return None
    return done.stdout.strip()


def _tracked() -> bool:
    """Whether git keeps this very file: an environment inside somebody else's repository says nothing of us."""
    return _git("ls-files", "--error-unmatch", Path(__file__).name) is not None


class Provenance(TypedDict):
    """Where a result comes from; None where that is not known.

    Attributes:
        commit, dirty: of this package's repository, and whether files differ from it.
        versions: distribution -> its installed version.
        python, platform, cores: of the machine.
    """

    commit: str | None
    dirty: bool | None
    versions: dict[str, str | None]
    python: str
    platform: str
    cores: int | None


@cache
def provenance() -> Provenance:
    """Commit, dirty flag, package versions, platform and core count; None where unknown."""
    versions: dict[str, str | None] = {}
    for name in PACKAGES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:
            versions[name] = None
    ours = _tracked()
    status = _git("status", "--porcelain") if ours else None
    return {
        "commit": _git("rev-parse", "HEAD") if ours else None,
        "dirty": None if status is None else bool(status),
        "versions": versions,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "cores": os.cpu_count(),
    }
