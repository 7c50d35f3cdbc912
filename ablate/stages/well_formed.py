"""Drop generated documents that are broken in form: cut off, not what was asked for, refused, looping.

The generator records what only it can know (why an answer ended, whether it could be read, whether it repeats the question)
and drops nothing; this stage decides. What a text shows by itself is looked for in the text, so that it is found in files made
elsewhere too. Whether what a document says is true, no rule of this kind can tell.

Sources: Self-Instruct (Wang et al. 2022, arXiv 2212.10560) and its code for the rules on instructions and instances,
Cosmopedia's code (huggingface/cosmopedia, boilerplate_cleanup.py) for openings; both in our own words.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from ablate.pool.digital_source import DEFECTS
from ablate.stages.base import Filter, Stage, Table, Verdict
from ablate.text.model_text import is_canned, is_refusal, loop_share


@dataclass(frozen=True, kw_only=True)
class WellFormed(Stage):
    """Documents with a recorded defect, then those whose text shows one.

    Attributes:
        drop: recorded defects that drop a document, see `ablate.pool.digital_source.DEFECTS`.
        refusal: drop texts that open with a refusal or with "As an AI".
        canned: drop texts that open with talk to whoever asked, or with an opening that very many generated texts share.
        max_loop: largest share of the words that may stand in a piece said three times or more in a row.
    """

    name: ClassVar[str] = "well_formed"
    only: Literal["synthetic", "real"] | None = "synthetic"
    drop: tuple[str, ...] = tuple(DEFECTS)
    refusal: bool = True
    canned: bool = True
    max_loop: float = 0.3

    def __post_init__(self) -> None:
        unknown = sorted(set(self.drop) - set(DEFECTS))
        if unknown:
            raise ValueError(f"drop: unknown defects {unknown}; there are {', '.join(DEFECTS)}")
        if not 0 <= self.max_loop <= 1:
            raise ValueError(f"max_loop must be in [0, 1], got {self.max_loop}")

    def steps(self) -> tuple[RecordedDefects, TextDefects]:
        """Judge what was recorded, then what the text shows."""
        return (
            RecordedDefects(drop=self.drop),
            TextDefects(refusal=self.refusal, canned=self.canned, max_loop=self.max_loop),
        )


@dataclass(frozen=True, kw_only=True)
class RecordedDefects(Filter):
    """Drop documents whose maker recorded a defect.

    Attributes:
        drop: the defects that count.
    """

    name: ClassVar[str] = "well_formed_recorded"
    reads: ClassVar[str] = "metadata"
    decide_only: ClassVar[tuple[str, ...]] = ("drop",)
    drop: tuple[str, ...] = tuple(DEFECTS)

    def measure_many(self, texts: Sequence[str]) -> Table:
        """Fill a column of bool for each defect there is."""
        said = [set(str(json.loads(text).get("defects") or "").split()) for text in texts]
        return {name: np.array([name in one for one in said], dtype=bool) for name in DEFECTS}

    def decide(self, measured: Table) -> Verdict:
        """Drop for the defects by name."""
        return Verdict.first_of(**{name: measured[name] & (name in self.drop) for name in DEFECTS})


@dataclass(frozen=True, kw_only=True)
class TextDefects(Filter):
    """Drop texts that refuse, talk to whoever asked, or loop.

    Attributes:
        refusal, canned, max_loop: as for `WellFormed`.
    """

    name: ClassVar[str] = "well_formed_text"
    decide_only: ClassVar[tuple[str, ...]] = ("refusal", "canned", "max_loop")
    refusal: bool = True
    canned: bool = True
    max_loop: float = 0.3

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """Measure what a text shows."""
        return {"refusal": is_refusal(text), "canned": is_canned(text), "loop": loop_share(text)}

    def decide(self, measured: Table) -> Verdict:
        """Drop for reasons `refusal`, `canned_opening`, `loop`."""
        return Verdict.first_of(
            refusal=measured["refusal"] & self.refusal,
            canned_opening=measured["canned"] & self.canned,
            loop=measured["loop"] > self.max_loop,
        )
