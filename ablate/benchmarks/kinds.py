"""The task kinds that a snapshot's files have by their fields alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ablate.benchmarks.task_kind import Asked, TaskKind, a_list, a_place, a_text, choice, last_word, partial
from ablate.reading.records import Row


@dataclass(frozen=True, kw_only=True)
class MinimalPair(TaskKind):
    """Two sentences, of which the good one is to be likelier (BLiMP)."""

    fields: ClassVar = ("sentence_good", "sentence_bad")

    def read(self, row: Row) -> Asked:
        """Ask for the likelier of the two, with nothing before them."""
        return choice("", [a_text(field, row[field]) for field in self.fields], 0)


@dataclass(frozen=True, kw_only=True)
class PartialContext(TaskKind):
    """The same ending after several beginnings (WinoGrande)."""

    fields: ClassVar = ("context_options", "continuation", "gold")

    def read(self, row: Row) -> Asked:
        """Ask for the beginning that makes the ending likeliest."""
        contexts = a_list("context_options", row["context_options"])
        return partial(contexts, row["continuation"], row["gold"])


@dataclass(frozen=True, kw_only=True)
class MultipleChoice(TaskKind):
    """A query and several endings of it."""

    fields: ClassVar = ("query", "choices", "gold")

    def read(self, row: Row) -> Asked:
        """Ask for the likeliest ending.

        In FineWeb's cloze form the choices are continuations to be scored, so the prompt must not list them.
        """
        choices = a_list("choices", row["choices"])
        gold = a_place(row["gold"], choices)
        query = a_text("query", row["query"])
        if isinstance(row.get("question"), str) and f"\nA. {choices[0]}" in query:
            query = f"Question: {row['question']}\nAnswer:"
        return choice(query, choices, gold)


@dataclass(frozen=True, kw_only=True)
class LastWord(TaskKind):
    """A text and how it ends (LAMBADA)."""

    fields: ClassVar = ("context", "continuation")

    def read(self, row: Row) -> Asked:
        """Ask whether the model ends the text so; spaces between the two are the prompt's."""
        context, ending = a_text("context", row["context"]), a_text("continuation", row["continuation"])
        return last_word(context.rstrip(), ending.strip())


BY_FIELDS: tuple[TaskKind, ...] = (MinimalPair(), PartialContext(), MultipleChoice(), LastWord())
"""In the order in which they are tried on the fields of an item."""
