"""Real pages said anew in another style.

Sources: WRAP (Maini et al. 2024, arXiv 2401.16380: easy, medium, hard, question and answer; synthetic to real 1 to 1);
Nemotron-CC (Su et al. 2024, arXiv 2412.02595: distil, extract knowledge, knowledge list); FinePhrase (Hugging Face 2026: FAQ,
tutorial, table). Prompts are in our own words.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.generate.recipe import OneByOne, Seed, extract, fill
from ablate.pool.digital_source import MODEL_REWORKED


@dataclass(frozen=True, kw_only=True)
class Rephrase(OneByOne):
    """One rephrasing for each draw of a document and a style.

    Attributes:
        styles: those that are drawn from, by their name in the prompts' file.
        max_characters: of a document that are shown; WRAP takes some 300 tokens.
    """

    name: ClassVar[str] = "rephrase"
    needs: ClassVar[str] = "documents"
    term: ClassVar[str] = MODEL_REWORKED
    styles: tuple[str, ...] = ("medium",)
    max_characters: int = 1500

    def __post_init__(self) -> None:
        super().__post_init__()
        unknown = sorted(set(self.styles) - set(self.texts["styles"]))
        if unknown or not self.styles:
            raise ValueError(
                f"styles must be some of {', '.join(self.texts['styles'])}, got {list(self.styles)}"
            )

    def prompt(self, number: int, seeds: Sequence[Seed]) -> tuple[str, tuple[Seed, ...]]:
        """The document and how it is to be said."""
        seed = self.drawn(number, seeds)
        style = self.texts["styles"][self.random(number).choice(self.styles)]
        shown = Seed(seed.key, extract(seed.text, self.max_characters))
        return fill(self.texts["prompt"], style=style, text=shown.text), (shown,)
