"""Errors a user can mend: what was expected, what came, what to do."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class AblateError(Exception):
    """Base of every error whose message is meant for the user; the command line prints no trace."""


class ConfigError(AblateError):
    """The configuration asks for something that does not exist or is out of range."""


class DataError(AblateError):
    """A file, pool, task or record is missing, empty or malformed."""


class FieldError(DataError):
    """What a field of a class names is not there; the message begins with the field.

    Whoever knows where in the configuration the object stands puts that before it, with `under`.
    """


class DocumentError(DataError):
    """What is wrong with one text of a batch; whoever knows which document that is puts its name before it.

    Attributes:
        position: of the text in the batch.
    """

    def __init__(self, position: int, said: str) -> None:
        super().__init__(said)
        self.position = position


@contextmanager
def under(where: str) -> Iterator[None]:
    """Put a path of the configuration before the field that a `FieldError` of the block names."""
    try:
        yield
    except FieldError as error:
        raise FieldError(f"{where}.{error}") from error


def nearest(name: str, known: Iterable[str]) -> str:
    """A clause for an error message: the nearest known name, or all of them when none is near."""
    options = sorted(known)
    close = difflib.get_close_matches(name, options, n=1, cutoff=0.5)
    return f"did you mean {close[0]!r}?" if close else f"known: {', '.join(options) or '(none)'}"
