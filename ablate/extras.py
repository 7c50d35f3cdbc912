"""Parts of ablate that a bare install leaves out: extras of the package, named where one of them is missing."""

from __future__ import annotations

import importlib.metadata
import re

NOT_NAMED = {"all", "dev", "bench"}
"""Extras that hold others or are for work on ablate itself."""
REQUIREMENT = re.compile(r"""([\w.-]+)[^;]*;.*extra\s*==\s*['"]([\w-]+)['"]""")
"""A distribution and the extra that brings it, in the package's metadata."""


def extra_of(name: str) -> str | None:
    """Return the first extra that brings a library, by the package's own metadata; None when no extra does.

    Args:
        name: of the distribution, or the name that it is imported by.
    """
    try:
        lines = importlib.metadata.requires("ablate") or []
    except importlib.metadata.PackageNotFoundError:  # run from its source alone
        return None
    wanted = _normal(name)
    for distribution, extra in [match.groups() for line in lines if (match := REQUIREMENT.match(line))]:
        if extra not in NOT_NAMED and f"{_normal(distribution)}-".startswith(f"{wanted}-"):
            return extra
    return None


def not_installed(name: str) -> str:
    """Say in a sentence that a library is missing, and what installs it."""
    extra = extra_of(name)
    wanted = name if extra is None else f"'ablate[{extra}]'"
    return f"{name} is not installed; pip install {wanted}"


def missing_extra(error: BaseException) -> str | None:
    """Say what to install where an import failed for want of an extra; None for any other error."""
    name = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    return not_installed(name) if name and extra_of(name) else None


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
