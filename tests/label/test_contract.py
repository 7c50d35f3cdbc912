"""What every teacher in `conf/teacher` promises, found by folder: no list of teachers to keep."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest

from ablate.compose import compose
from ablate.config import CONF, make, plain
from ablate.label.teacher import Answer, Document, Teacher
from ablate.plain import Plain
from ablate.testing import ContractError, check_teacher

NAMES = sorted(path.stem for path in (CONF / "teacher").glob("*.yaml"))
WAITING = ("base_url", "key_variable", "timeout_s", "retries", "wait_s", "device")


@pytest.fixture
def needed(server: Any, tiny_model: Path, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Teacher -> what its YAML leaves open, and where a server stands in for the one outside."""
    lines = [json.dumps({"id": f"d{number}", "score": number}) for number in range(4)]
    (tmp_path / "labels.jsonl").write_text("\n".join(lines))
    (tmp_path / "prompt.txt").write_text("Rate {text} Score:")
    here = {"wait_s": 0.01, "retries": 3}
    return {
        "anthropic": {"base_url": server.url, **here},
        "openai_compatible": {"model": "some-model", "base_url": f"{server.url}/v1", **here},
        "labels_file": {"path": str(tmp_path / "labels.jsonl")},
        "local_model": {
            "model": str(tiny_model),
            "prompt": str(tmp_path / "prompt.txt"),
            "max_tokens": 6,
            "device": "cpu",
        },
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_teacher_keeps_the_contract(
    name: str, needed: dict[str, dict[str, Any]], documents: Callable[[int], list[Document]]
) -> None:
    node = plain(compose(["pool=testbed", f"teacher={name}"]).teacher)
    check_teacher(make({**node, **needed[name]}, "teacher"), documents=documents(4), aside=WAITING)


@dataclass(frozen=True, kw_only=True)
class Rule(Teacher):
    """Counts words from a length on; what the tests below break is in its fields."""

    name: ClassVar[str] = "rule"
    letters: int = 5
    forgets: bool = False
    one_key: bool = False
    shifted: bool = False
    dear: float = 0.0

    def identity(self) -> dict[str, Plain]:
        rest = [self.one_key, self.shifted, self.dear]
        return {"teacher": self.name, "rest": rest, "letters": None if self.forgets else self.letters}

    def key(self, document: Document) -> str:
        return "all" if self.one_key else document.text

    def ask(self, documents: Sequence[Document]) -> list[Answer]:
        found = [sum(len(word) >= self.letters for word in one.text.split()) for one in documents]
        found = [number + place * self.shifted for place, number in enumerate(found)]
        return [Answer(f"Score: {min(5, number)}") for number in found]

    def cost(self, answer: Answer) -> float:
        return self.dear


def test_an_honest_rule_passes() -> None:
    check_teacher(Rule(batch=3))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Rule(forgets=True), r"Rule\.letters=.* changes the labels"),
        (Rule(one_key=True), "the key of another one"),
        (Rule(shifted=True, batch=3), "otherwise alone, in another order"),
        (Rule(dear=0.5), "costs 0.5, and `most` reserved 0"),
    ],
)
def test_a_teacher_that_breaks_it_fails(broken: Rule, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        check_teacher(
            broken, documents=[Document("a", "heron"), Document("b", "pond heron"), Document("c", "a")]
        )
