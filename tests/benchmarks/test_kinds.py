"""The shipped task kinds keep the contract of any other, and the contract finds what breaks it."""

from __future__ import annotations

import itertools
from dataclasses import dataclass
from typing import Any, ClassVar

import pytest

from ablate.benchmarks.kinds import BY_FIELDS
from ablate.benchmarks.task_kind import Asked, TaskKind, choice
from ablate.reading.records import Row
from ablate.testing import ContractError, check_task_kind

ROWS: dict[str, list[dict[str, Any]]] = {
    "MinimalPair": [{"sentence_good": "Cats sleep.", "sentence_bad": "Cats sleeps."}],
    "PartialContext": [{"context_options": ["He", "She"], "continuation": "slept.", "gold": 1}],
    "MultipleChoice": [
        {"query": "Water is", "choices": ["dry", "wet"], "gold": 1},
        {"query": "Which?\nA. dry\nB. wet", "question": "Which?", "choices": ["dry", "wet"], "gold": 1},
    ],
    "LastWord": [{"context": "The cat sat on the ", "continuation": " mat"}],
}


@pytest.mark.parametrize("kind", BY_FIELDS, ids=lambda kind: type(kind).__name__)
def test_a_shipped_kind_keeps_its_contract(kind: TaskKind) -> None:
    check_task_kind(kind, ROWS[type(kind).__name__])


TURN = itertools.count()


@dataclass(frozen=True, kw_only=True)
class Sloppy(TaskKind):
    """Breaks the contract in the way that it is told to."""

    fields: ClassVar = ("query", "good", "bad")
    how: str

    def read(self, row: Row) -> Asked:
        """Ask for the good one."""
        if row["good"] is None and self.how != "null":
            raise ValueError("good must be a text")
        if self.how == "turns":
            return choice(f"{row['query']} {next(TURN)}", [row["good"], row["bad"]], 0)
        if self.how == "form":
            return Asked("essay", {"query": str(row["query"])})
        if self.how == "more":
            return Asked("last_word", {"query": str(row["query"]), "continuation": "x", "gold": 0})
        if self.how == "changes":
            row.clear()  # type: ignore[attr-defined]
            return choice("a", ["b", "c"], 0)
        return choice(row["query"], [str(row["good"]), str(row["bad"])], 0)


@pytest.mark.parametrize(
    ("how", "said"),
    [
        ("null", "reads null in good"),
        ("turns", "is asked otherwise the second time"),
        ("form", "the form is 'essay'"),
        ("more", "cannot be asked as last_word"),
        ("changes", "reading changes the row"),
    ],
)
def test_what_breaks_the_contract_is_found(how: str, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        check_task_kind(Sloppy(how=how), [{"query": "Water is", "good": "wet", "bad": "dry"}])
