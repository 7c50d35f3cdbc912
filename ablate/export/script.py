"""A recipe as a script of another tool, and what of it that tool has."""

from __future__ import annotations

from dataclasses import dataclass

SAME, CLOSE, NONE = "same", "close", "none"
"""Same decisions; an equivalent that may decide otherwise; no equivalent."""


@dataclass(frozen=True)
class Translated:
    """A stage in another tool.

    Attributes:
        name: of the stage in the recipe.
        claim: `SAME`, `CLOSE` or `NONE`.
        remark: what differs, or why there is none.
        code: an expression that makes the tool's step; "" for none.
    """

    name: str
    claim: str
    remark: str = ""
    code: str = ""


@dataclass(frozen=True)
class Script:
    """A script.

    Attributes:
        text: Python.
        stages: of the recipe, in order.
    """

    text: str
    stages: tuple[Translated, ...]
