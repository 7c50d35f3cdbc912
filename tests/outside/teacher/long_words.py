"""A teacher of one's own: a rule that counts long words."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar

from ablate.label.teacher import Answer, Document, Teacher
from ablate.plain import Plain


@dataclass(frozen=True, kw_only=True)
class LongWords(Teacher):
    """Gives a point for each long word, five at most.

    Attributes:
        letters: that make a word a long one.
    """

    name: ClassVar[str] = "long_words"
    letters: int = 7

    def identity(self) -> dict[str, Plain]:
        """Its name and what counts as long."""
        return {"teacher": self.name, "letters": self.letters}

    def key(self, document: Document) -> str:
        """By the text, so that repeats are scored once."""
        return hashlib.blake2b(document.text.encode(), digest_size=16).hexdigest()

    def ask(self, documents: Sequence[Document]) -> list[Answer]:
        """Count."""
        counts = [sum(len(word) >= self.letters for word in document.text.split()) for document in documents]
        return [Answer(f"Score: {min(5, count)}") for count in counts]
