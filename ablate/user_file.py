"""Parts that a user keeps in a Python file or a module of their own, run or imported where they lie."""

from __future__ import annotations

import importlib
import sys
import traceback
from pathlib import Path
from types import ModuleType

from ablate.errors import ConfigError, nearest
from ablate.fingerprint import file_digest


def module_of(path: Path) -> ModuleType:
    """A file as a module, whatever it raises; never from compiled code kept beside it, which may be older."""
    source = path.read_bytes()
    module = ModuleType(f"ablate_user_{file_digest(path)}")
    module.__file__ = str(path)
    sys.modules[module.__name__] = module  # dataclasses look themselves up there
    exec(compile(source, str(path), "exec"), module.__dict__)
    return module


def run_file(path: Path, where: str) -> ModuleType:
    """A file as a module.

    Args:
        path: of the file.
        where: key of the configuration that names it, for messages.
    Raises:
        ConfigError: when it cannot be run; names file and line.
    """
    try:
        return module_of(path)
    except (Exception, SystemExit) as error:
        line = (
            f", line {error.lineno}"
            if isinstance(error, SyntaxError) and error.lineno
            else line_of(error, path)
        )
        said = error.msg if isinstance(error, SyntaxError) else error
        raise ConfigError(f"{where}: {path} cannot be run: {type(error).__name__}: {said}{line}") from error


def class_of(named: str, where: str) -> object:
    """Return what stands under a name of the user's own.

    Args:
        named: path/to/file.py:Class, or package.module.Class.
        where: key of the configuration that names it, for messages.
    Raises:
        ConfigError: for a file that is not there, a file or module that cannot be run, and a name that is not in it.
    """
    if named.endswith(".py"):
        raise ConfigError(f"{where}: {named} names no class; give {named}:Class")
    place, colon, name = named.rpartition(":") if ":" in named else named.rpartition(".")
    if colon == ":":
        if not Path(place).is_file():
            raise ConfigError(f"{where}: {place} is not a file; give path/to/file.py:{name}")
        module = run_file(Path(place), where)
    else:
        try:
            module = importlib.import_module(place)
        except (Exception, SystemExit) as error:  # whatever stands in it
            raise ConfigError(
                f"{where}: {place} of {named} cannot be imported: {type(error).__name__}: {error}"
            ) from error
    if not hasattr(module, name):
        defined = [key for key, value in vars(module).items() if isinstance(value, type)]
        raise ConfigError(f"{where}: {place} has no {name!r}: {nearest(name, defined)}")
    found: object = getattr(module, name)
    return found


def line_of(error: BaseException, path: Path) -> str:
    """Where in the user's file an exception came up; nothing where it did not pass through it."""
    lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == str(path)]
    return f", line {lines[-1]} of {path}" if lines else ""
