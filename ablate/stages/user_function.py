"""A function named in the configuration: found, named by its source, called, and asked twice.

`python -m ablate.stages.user_function` calls one in a process of its own, with texts on standard input.
"""

from __future__ import annotations

import ast
import importlib
import importlib.metadata
import importlib.util
import json
import os
import subprocess
import sys
import types
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ablate.errors import ConfigError, DocumentError, nearest
from ablate.fingerprint import digest, file_digest, file_stamp
from ablate.user_file import line_of, run_file

FREE = ("numpy", "scipy", "pyarrow")
"""Imports whose version names nothing, as for every other stage."""
SAMPLE = (
    "The committee met on Tuesday to discuss the new plans for the harbour and the old town.\n\nIt adjourned at noon.",
    "Home | About | Contact | Login\nClick here and win a prize!!! 100 % free, 24/7.",
    "Le héron se tenait au bord de l'étang.\r\nEr stand dort, bis es dunkel war: groß und grau.",
    "夕方、サギは池のほとりに立っていました。 وقف مالك الحزين بجانب البركة. 😀",
    "def main():\n    return {'key': [1, 2.5, None]}\n",
    "word",
)
"""Texts that a function is asked about before anything is measured."""


@dataclass(frozen=True, eq=False)
class Function:
    """A function of the user's.

    Attributes:
        named: as the configuration names it.
        path: the file it stands in.
        source: digest of that file, or of all of an installed package's.
        call: the function.
        batched: whether it takes a list of texts.
    """

    named: str
    path: Path
    source: str
    call: Callable[[Any], Any]
    batched: bool

    def identity(self) -> dict[str, str]:
        """Name the function by its own name, and by what its source holds."""
        return {"name": self.named.rpartition(":")[2], "source": self.source}

    def __call__(self, texts: Sequence[str], positions: Sequence[int] | None = None) -> list[Any]:
        """What it gives for each text.

        Args:
            positions: of the texts in the caller's batch; None where they are the batch.
        Raises:
            DocumentError: for an exception, which it names with its line, and for a list of another length.
        """
        places = range(len(texts)) if positions is None else positions
        if not self.batched:
            return [self._one(text, place, text) for text, place in zip(texts, places, strict=True)]
        if not texts:
            return []
        try:
            given = self.call(list(texts))
        except (Exception, SystemExit) as error:
            if len(texts) > 1:
                for text, place in zip(texts, places, strict=True):
                    self._one([text], place, text)
            raise DocumentError(places[0], self._raised(error)) from error
        if not isinstance(given, (list, tuple)) or len(given) != len(texts):
            got = f"{len(given)}" if isinstance(given, (list, tuple)) else type(given).__name__
            raise DocumentError(
                places[0],
                f"{self.named} was given a list of {len(texts)} texts and must give a list as long, got {got}",
            )
        return list(given)

    def _one(self, given: Any, place: int, text: str) -> Any:
        try:
            return self.call(given)
        except (Exception, SystemExit) as error:
            raise DocumentError(
                place, f"{self._raised(error)}, of the text that begins {text[:40]!r}"
            ) from error

    def _raised(self, error: BaseException) -> str:
        return f"{self.named} raised {type(error).__name__}: {error}{line_of(error, self.path)}"


def load(named: str, *, batched: bool) -> Function:
    """Find a function; its file is read again when it has changed.

    Args:
        named: `path/to/file.py:name` or `package.module:name`.
    Raises:
        ConfigError: when it cannot be found or its file cannot be run; names file and line.
    """
    where, colon, name = named.rpartition(":")
    if not colon or not where or not name:
        raise ConfigError(f"function: expected path/to/file.py:name or package.module:name, got {named!r}")
    path = Path(where) if where.endswith(".py") or "/" in where else _module_file(where)
    if not path.is_file():
        raise ConfigError(
            f"function: {path} is not a file; give path/to/file.py:{name} or package.module:{name}"
        )
    return _load(named, path, file_stamp(path), batched)


@lru_cache(maxsize=64)
def _load(named: str, path: Path, _: tuple[int, ...], batched: bool) -> Function:
    where, _colon, name = named.rpartition(":")
    is_file = Path(where) == path
    module = run_file(path, "function") if is_file else _import(where, path)
    call = getattr(module, name, None)
    if not callable(call):
        there = [key for key, value in vars(module).items() if callable(value) and not key.startswith("_")]
        raise ConfigError(f"function: {path} has no function {name!r}: {nearest(name, there)}")
    source = file_digest(path) if is_file else _package_digest(where, path)
    return Function(named, path, source, call, batched)


def _import(name: str, path: Path) -> types.ModuleType:
    try:
        return importlib.import_module(name)
    except (Exception, SystemExit) as error:
        said = f"{type(error).__name__}: {error}{line_of(error, path)}"
        raise ConfigError(f"function: {name} cannot be imported: {said}") from error


def _module_file(name: str) -> Path:
    try:
        spec = importlib.util.find_spec(name)
    except (ImportError, ValueError, AttributeError):
        spec = None
    if spec is None or not spec.origin or not spec.origin.endswith(".py"):
        raise ConfigError(
            f"function: no module {name!r} is installed; a file is named with its ending, {name}.py"
        )
    return Path(spec.origin)


def _package_digest(name: str, path: Path) -> str:
    """Of every source file of the package that a module belongs to."""
    spec = importlib.util.find_spec(name.partition(".")[0])
    folders = list(spec.submodule_search_locations or ()) if spec else []
    if not folders:
        return file_digest(path)
    return digest(
        {
            file.relative_to(folder).as_posix(): file_digest(file)
            for folder in folders
            for file in sorted(Path(folder).rglob("*.py"))
        }
    )


# Before anything is measured --------------------------------------------------------------------------------


def check_function(function: Function, uses: Sequence[str]) -> None:
    """Refuse a function whose output its identity does not name.

    Raises:
        ConfigError: for imports that are not declared, and for other answers to the same texts: at a second call, or
            in another process.
    """
    _check_imports(function, tuple(uses))
    _check_twice(function)


@lru_cache(maxsize=64)
def _check_imports(function: Function, uses: tuple[str, ...]) -> None:
    tree = ast.parse(function.path.read_bytes())
    names = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.level == 0 and node.module:
            names.add(node.module.partition(".")[0])
    own = function.named.partition(":")[0].partition(".")[0]
    names -= {*sys.stdlib_module_names, *FREE, own}
    owners = importlib.metadata.packages_distributions() if names else {}
    for name in sorted(names & set(owners)):
        if not {_normal(one) for one in owners[name]} & {_normal(one) for one in uses}:
            raise ConfigError(
                f"uses: {function.path} imports {name}, and its version is no part of what names the stage's output; "
                f"add {owners[name][0]}: uses=[{', '.join([*uses, owners[name][0]])}]"
            )


def _normal(name: str) -> str:
    return name.replace("_", "-").replace(".", "-").lower()


@lru_cache(maxsize=64)
def _check_twice(function: Function) -> None:
    first = _answers(function, SAMPLE)
    again = _answers(function, SAMPLE[::-1])[::-1]
    seed = "1" if os.environ.get("PYTHONHASHSEED") != "1" else "2"
    told = subprocess.run(
        [sys.executable, "-m", "ablate.stages.user_function", function.named, str(int(function.batched))],
        input=json.dumps(SAMPLE),
        capture_output=True,
        check=False,
        text=True,
        encoding="utf-8",
        env=os.environ | {"PYTHONHASHSEED": seed, "PYTHONPATH": os.pathsep.join(sys.path)},
    )
    if told.returncode:
        said = (told.stderr.strip().splitlines() or ["no message"])[-1]
        raise ConfigError(
            f"function: {function.named} cannot be run in another process, where workers are: {said}"
        )
    elsewhere = json.loads(told.stdout)
    for what, others in (("at a second call", again), ("in another process", elsewhere)):
        for text, one, other in zip(SAMPLE, first, others, strict=True):
            if one != other:
                raise ConfigError(
                    f"function: {function.named} is not deterministic: of {text[:40]!r} it gave {one[:60]}, and "
                    f"{what} {other[:60]}. What it gives must depend on the text alone: no random numbers, clock, "
                    "hash() of a text, or memory of other texts"
                )


def _answers(function: Function, texts: Sequence[str]) -> list[str]:
    """What it gives for each text alone, in words; an exception by its kind, since texts of a pool may be others."""
    found = []
    for text in texts:
        try:
            (value,) = function([text])
            found.append(repr(value))
        except DocumentError as error:
            found.append(f"an error ({type(error.__cause__).__name__})")
    return found


if __name__ == "__main__":
    out, sys.stdout = sys.stdout, sys.stderr  # what the function prints is no answer
    json.dump(_answers(load(sys.argv[1], batched=sys.argv[2] == "1"), json.load(sys.stdin)), out)
