"""A section of REPORT.md that lives outside the package: what it must be, how it is found, and where it stands."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from pathlib import Path
from typing import ClassVar

from ablate.errors import ConfigError
from ablate.report.row import Row
from ablate.study.results import Study
from ablate.user_file import class_of, line_of

KEY = "study.sections"


class Section(ABC):
    """A section of the report, made of a study's records and its gains.

    Attributes:
        title: its heading, words without a full stop.
    """

    title: ClassVar[str]

    @abstractmethod
    def paragraphs(self, study: Study, rows: Sequence[Row]) -> list[str]:
        """Return its paragraphs in Markdown, tables among them (`ablate.render.tables.markdown`); none leaves it out.

        The same records must give the same paragraphs, and neither argument is to be changed.

        Args:
            study: complete, or with runs that failed or were given up; its scores may be NaN. In mid-sweep no section is asked.
            rows: the gains, estimated, corrected and judged, as `effects.csv` has them; empty where the arms have none.
        """


def load_section(named: str) -> Section:
    """Build a section.

    Args:
        named: path/to/file.py:Class, or package.module.Class.
    Raises:
        ConfigError: for a file or module that cannot be run, and what is no section.
    """
    if "." not in named:
        raise ConfigError(
            f"{KEY}: {named!r} names no section; give path/to/file.py:Class or package.module.Class"
        )
    cls = class_of(named, KEY)
    if not (isinstance(cls, type) and issubclass(cls, Section)):
        raise ConfigError(f"{KEY}: {named} is no class that derives from ablate.report.section.Section")
    try:
        return cls()
    except TypeError as error:
        raise ConfigError(f"{KEY}: {named} cannot be built: {error}") from error


def own_sections(names: Sequence[str], study: Study, rows: Sequence[Row]) -> list[str]:
    """Return headings and paragraphs of the sections that a study names, in that order.

    One that cannot be made says so in its place: the rest of the report does not depend on it.
    """
    parts: list[str] = []
    for named in names:
        title = named
        try:
            section = load_section(named)
            title = section.title
            paragraphs = section.paragraphs(study, rows)
        except Exception as error:
            at = line_of(error, Path(named.rpartition(":")[0]))
            paragraphs = [f"This section could not be made: {type(error).__name__}: {error}{at}"]
        if paragraphs:
            parts += [f"## {title}", *paragraphs]
    return parts
