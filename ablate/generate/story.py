"""Short stories for small children in which three given words must occur.

Source: TinyStories (Eldan and Li 2023, arXiv 2305.07759, section 2): a verb, a noun and an adjective of some 1,500 words that
children of three or four know, and features such as a dialogue or a bad ending, drawn for each story. The lists are our own.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.generate.recipe import OneByOne, Seed, fill


@dataclass(frozen=True, kw_only=True)
class Story(OneByOne):
    """One story for each draw of three words and of features.

    Attributes:
        features: chance of each feature, in [0, 1].
    """

    name: ClassVar[str] = "story"
    features: float = 0.3

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.features <= 1:
            raise ValueError(f"features must be in [0, 1], got {self.features}")

    def prompt(self, number: int, seeds: Sequence[Seed]) -> tuple[str, tuple[Seed, ...]]:
        """Words and features."""
        draw, texts = self.random(number), self.texts
        verb, noun, adjective = (draw.choice(texts[kind]) for kind in ("verbs", "nouns", "adjectives"))
        features = [one for one in texts["features"] if draw.random() < self.features]
        wanted = " ".join(features)
        return fill(texts["prompt"], verb=verb, noun=noun, adjective=adjective, features=wanted).strip(), ()
