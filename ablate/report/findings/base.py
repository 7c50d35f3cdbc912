"""What a finding is."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

DOUBT = 0.05
"""P-value at or below which what intervals lean on is doubted."""


@dataclass(frozen=True, eq=False)
class Finding(ABC):
    """Something that a study's scores say about themselves; its class says what, its attributes how much.

    Attributes:
        listed: whether it is a line of the list of findings; else it has paragraphs, or a table, of its own.
    """

    listed: ClassVar[bool] = True

    @abstractmethod
    def __str__(self) -> str:
        """Put it into words, in Markdown; paragraphs are a blank line apart."""
