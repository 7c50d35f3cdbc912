"""`check_libraries`: whether the slow half uses a library whose version is no part of its name."""

from __future__ import annotations

import ast
import builtins
import importlib.metadata
import inspect
import pickle
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any

from ablate.stages.base import Relation, SpanRelation, Stage, Transform
from ablate.testing.contract import ContractError, require

FREE = ("numpy", "scipy", "pyarrow", "pydivsufsort", "rapidfuzz", "hydra", "omegaconf")
"""Import names of libraries of arithmetic, of searches with one right answer, and of those that read the
configuration: their version names nothing."""


def check_libraries(step: Stage, texts: Sequence[str]) -> None:
    """Run the slow half in a process of its own and see whose code it imports.

    What counts are packages that functions of this package, or of the stage's own top-level package, import
    while the slow half runs, or name after their module has imported them.

    Raises:
        ContractError: for one whose distribution is not in `libraries`.
    """
    own = type(step).__module__.partition(".")[0]
    told = subprocess.run(
        [sys.executable, "-m", "ablate.testing.libraries"],
        input=pickle.dumps((sys.path, own, pickle.dumps(step), list(texts))),
        capture_output=True,
        check=False,
    )
    if told.returncode:
        raise ContractError(
            f"{type(step).__name__} cannot work in another process, where a worker would have to run it:\n"
            + told.stderr.decode(errors="replace")[-2000:]
        )
    used = set(pickle.loads(told.stdout)) - {own, "ablate", "__mp_main__", *FREE, *sys.stdlib_module_names}
    declared = {_normal(name) for name in step.libraries}
    owners = _owners()
    for name in sorted(used):
        distributions = owners.get(name, [name])
        require(
            declared & {_normal(one) for one in distributions},
            f"{type(step).__name__} uses {name}, and its version is no part of what names the output: the store "
            f"would give back what another version made. Add {distributions[0]!r} to {type(step).__name__}.libraries",
        )


@cache
def _owners() -> Mapping[str, list[str]]:
    """Import name -> the distributions that bring it; looking through all that is installed takes a second."""
    return importlib.metadata.packages_distributions()


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()


def _imports(path: str, named: set[str]) -> set[str]:
    """Top-level packages whose names a module imports when it is imported, and that `named` has among them."""
    found: set[str] = set()
    for node in ast.parse(Path(path).read_text(encoding="utf-8")).body:
        if isinstance(node, ast.Import):
            bound = {alias.name: alias.asname or alias.name.partition(".")[0] for alias in node.names}
            found |= {name.partition(".")[0] for name, here in bound.items() if here in named}
        elif (
            isinstance(node, ast.ImportFrom)
            and node.level == 0
            and node.module
            and named & {alias.asname or alias.name for alias in node.names}
        ):
            found.add(node.module.partition(".")[0])
    return found


def _watch(own: str, packed: bytes, texts: Sequence[str]) -> set[str]:
    ours = ("ablate", own)
    ran: dict[str, set[str]] = {}
    late: set[str] = set()
    honest = builtins.__import__

    def noting(name: str, globals: Any = None, *rest: Any, **more: Any) -> Any:
        importer = str((globals or {}).get("__name__", ""))
        level = more.get("level", rest[2] if len(rest) > 2 else 0)
        # What modules import at their top is looked at afterwards, of those whose functions ran.
        inside = sys._getframe(1).f_code.co_flags & inspect.CO_OPTIMIZED
        if inside and level == 0 and importer.partition(".")[0] in ours:
            late.add(name.partition(".")[0])
        return honest(name, globals, *rest, **more)

    def profile(frame: Any, event: str, _: Any) -> None:
        if event == "call" and frame.f_code.co_flags & inspect.CO_OPTIMIZED:
            name = str(frame.f_globals.get("__name__", ""))
            if name.partition(".")[0] in ours:
                ran.setdefault(name, set()).update(frame.f_code.co_names)

    builtins.__import__ = noting
    sys.setprofile(profile)
    try:
        step: Any = pickle.loads(packed)
        if isinstance(step, Transform):
            step.transform_many(texts)
        elif isinstance(step, (Relation, SpanRelation)):
            step.sketch_many(texts)
        else:
            step.measure_many(texts)
    finally:
        sys.setprofile(None)
        builtins.__import__ = honest
    for name, named in ran.items():
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and file.endswith(".py") and not name.startswith("ablate.testing"):
            late |= _imports(file, named)
    return late


if __name__ == "__main__":
    path, own_package, packed_step, given = pickle.load(sys.stdin.buffer)
    sys.path[:] = path
    out = sys.stdout.buffer
    sys.stdout = sys.stderr
    out.write(pickle.dumps(_watch(own_package, packed_step, given)))
