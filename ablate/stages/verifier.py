"""Drop documents that state what is not so, as a verifier with known errors would: a gate with a known truth, for the testbed.

It reads statements about the testbed's towns, in all their phrasings and in the dialect, and compares them with the world's
facts. How often it is wrong is set and not learned, so that what a verifier of some quality is worth can be asked (Feng et al.
2024, arXiv 2406.07515: above a breakdown point of its quality an imperfect verifier keeps training on model text from
collapse).
"""

from __future__ import annotations

import hashlib
import re
from dataclasses import dataclass
from functools import cached_property
from typing import ClassVar

import numpy as np

from ablate.fingerprint import mix64
from ablate.pool.testbed.dialect import in_dialect
from ablate.pool.testbed.world import PHRASINGS, World
from ablate.stages.base import Filter, Table, Verdict

NAME = "([A-Z][a-z]+)"


@dataclass(frozen=True, kw_only=True)
class Verifier(Filter):
    """Drop documents with a false statement; some are missed and some are blamed without any, at rates that are exact.

    Of n documents with a false statement that reach it, `recall` times n are dropped, to the nearest whole one, and as many
    others that `precision` of all that it drops state something false; which, is drawn by a hash of their words. A higher
    recall drops what a lower one does, and more. Statements about towns that the world does not have are not judged.

    Attributes:
        world_seed, towns, values: of the testbed, see `World`.
        recall: share of the documents with a false statement that are dropped, in [0, 1].
        precision: share of what is dropped that states something false, in (0, 1]; as far as there are others to blame.
        seed: of the draw.
    """

    name: ClassVar[str] = "verifier"
    decide_only: ClassVar[tuple[str, ...]] = ("recall", "precision", "seed")
    counts: ClassVar[tuple[str, ...]] = ("statements", "false")
    world_seed: int = 0
    towns: int = 30
    values: int = 16
    recall: float = 1.0
    precision: float = 1.0
    seed: int = 0

    def __post_init__(self) -> None:
        for name, least in (("towns", 2), ("values", 4)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, got {getattr(self, name)}")
        if not 0 <= self.recall <= 1:
            raise ValueError(f"recall must be in [0, 1], got {self.recall}")
        if not 0 < self.precision <= 1:
            raise ValueError(f"precision must be in (0, 1], got {self.precision}")

    @cached_property
    def facts(self) -> dict[str, dict[str, str]]:
        """Town -> attribute -> value, as it is."""
        return World(self.world_seed, self.towns, self.values, islands=1).facts

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """Fill columns `statements` and `false` (how many), and `draw`, uint64: a hash of the words."""
        statements = false = 0
        for attribute, pattern, town_first in PATTERNS:
            for found in pattern.findall(text):
                town, value = found if town_first else reversed(found)
                if town in self.facts:
                    statements += 1
                    false += self.facts[town][attribute] != value
        hashed = hashlib.blake2b(
            " ".join(text.split()).encode("utf-8", "surrogatepass"), digest_size=8
        ).digest()
        return {"statements": statements, "false": false, "draw": np.frombuffer(hashed, dtype="<u8")[0]}

    def decide(self, measured: Table) -> Verdict:
        """Drop for reasons `false_statement` and `blamed` (without one)."""
        order = np.argsort(mix64(measured["draw"], self.seed), kind="stable")
        false = np.asarray(measured["false"]) > 0
        caught = _first(order, false, round(self.recall * int(false.sum())))
        others = round(int(caught.sum()) * (1 - self.precision) / self.precision)
        return Verdict.first_of(false_statement=caught, blamed=_first(order, ~false, others))


def _first(order: np.ndarray, among: np.ndarray, count: int) -> np.ndarray:
    """The first `count` documents in an order among those of a kind: shape (n,), bool."""
    chosen = np.zeros(among.size, dtype=bool)
    chosen[order[among[order]][:count]] = True
    return chosen


def _patterns() -> list[tuple[str, re.Pattern[str], bool]]:
    """Attribute, pattern with two names, and whether the first of them is the town's."""
    found = []
    for attribute, ways in PHRASINGS.items():
        for form in [*ways, *map(in_dialect, ways)]:
            town_first = form.index("{e}") < form.index("{v}")
            pattern = re.escape(form).replace(r"\{e\}", NAME).replace(r"\{v\}", NAME)
            found.append((attribute, re.compile(pattern), town_first))
    return found


PATTERNS = _patterns()
