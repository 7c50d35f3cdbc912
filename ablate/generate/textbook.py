"""Textbook-like pages: a topic from an extract of a real page, for an audience, in a style.

Sources: phi-1 (Gunasekar et al. 2023, arXiv 2306.11644, section 2.1: variety by constraining topic and audience, not by
temperature); Cosmopedia (huggingface/cosmopedia, prompts/web_samples and its blog: extracts of at most 1,000 characters, four
styles, no title and no greeting; temperature 0.6, top_p 0.95, top_k 50, repetition penalty 1.2, at most 2,500 new tokens).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.generate.recipe import OneByOne, Seed, extract, fill


@dataclass(frozen=True, kw_only=True)
class Textbook(OneByOne):
    """One page for each draw of an extract, an audience and a style.

    Attributes:
        max_characters: of an extract.
    """

    name: ClassVar[str] = "textbook"
    needs: ClassVar[str] = "documents"
    max_characters: int = 1000

    def prompt(self, number: int, seeds: Sequence[Seed]) -> tuple[str, tuple[Seed, ...]]:
        """The extract and what is to be written of its topic."""
        draw, seed = self.random(number), self.drawn(number, seeds)
        shown = Seed(seed.key, extract(seed.text, self.max_characters))
        text = fill(
            self.texts["prompt"],
            audience=draw.choice(self.texts["audiences"]),
            style=draw.choice(self.texts["styles"]),
            extract=shown.text,
        )
        return text, (shown,)
