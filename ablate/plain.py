"""Plain data: what JSON can hold, and so what is written down, digested and sent to another process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

Plain: TypeAlias = "bool | int | float | str | Sequence[Plain] | Mapping[str, Plain] | None"
"""A value of identities, requests and records; a checker follows it to the leaves."""
