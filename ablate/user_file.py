"""A Python file of the user's, run as a module where it lies."""

from __future__ import annotations

import sys
import traceback
from pathlib import Path
from types import ModuleType

from ablate.errors import ConfigError
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


def line_of(error: BaseException, path: Path) -> str:
    """Where in the user's file an exception came up; nothing where it did not pass through it."""
    lines = [at.lineno for at in traceback.extract_tb(error.__traceback__) if at.filename == str(path)]
    return f", line {lines[-1]} of {path}" if lines else ""
