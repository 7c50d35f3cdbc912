"""What every teacher in `conf/teacher` promises, found by folder: no list of teachers to keep."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar

import pytest
from omegaconf import OmegaConf

from ablate.config import CONF, make
from ablate.plain import Plain
from ablate.teacher.base import Teacher
from ablate.teacher.question import Answer, Question
from ablate.testing import ContractError, check_teacher
from ablate.train.kept import keep

NAMES = sorted(path.stem for path in (CONF / "teacher").glob("*.yaml"))
NOT_IDENTITY = ("base_url", "key_variable", "timeout_s", "retries", "wait_s", "device")
ASKED = [Question(key=f"d{n}", text=f"Page {n}. points={n}", max_tokens=50) for n in range(4)]


@pytest.fixture
def kept_run(tiny_model: Path, tmp_path: Path) -> Path:
    """A run's folder in the store that holds the weights of `tiny_model`."""
    from transformers import LlamaForCausalLM

    tokenizer, run = tmp_path / "tokenizer", tmp_path / "store" / "runs" / "0123"
    tokenizer.mkdir()
    for path in tiny_model.glob("tokenizer*"):
        shutil.copy(path, tokenizer)
    keep(LlamaForCausalLM.from_pretrained(tiny_model), tokenizer, run)
    return run


@pytest.fixture
def needed(server: Any, tiny_model: Path, kept_run: Path, tmp_path: Path) -> dict[str, dict[str, Any]]:
    """Teacher -> what its YAML leaves open, and where a server stands in for the one outside."""
    labels = [json.dumps({"id": one.key, "score": n}) for n, one in enumerate(ASKED)]
    (tmp_path / "labels.jsonl").write_text("\n".join(labels))
    answers = [json.dumps({"question": one.text, "answer": f"Answer {n}."}) for n, one in enumerate(ASKED)]
    (tmp_path / "answers.jsonl").write_text("\n".join(answers))
    here = {"wait_s": 0.01, "retries": 3}
    return {
        "anthropic": {"base_url": server.url, **here},
        "openai_compatible": {"model": "some-model", "base_url": f"{server.url}/v1", **here},
        "labels_file": {"path": str(tmp_path / "labels.jsonl")},
        "answers_file": {"path": str(tmp_path / "answers.jsonl")},
        "local_model": {"model": str(tiny_model), "device": "cpu"},
        "proxy": {"model": str(kept_run), "device": "cpu"},
    }


@pytest.mark.parametrize("name", NAMES)
def test_every_teacher_keeps_the_contract(name: str, needed: dict[str, dict[str, Any]]) -> None:
    node = OmegaConf.to_container(OmegaConf.load(CONF / "teacher" / f"{name}.yaml"))
    assert isinstance(node, dict)
    check_teacher(make({**node, **needed.get(name, {})}, "teacher"), questions=ASKED, aside=NOT_IDENTITY)


@dataclass(frozen=True, kw_only=True)
class Rule(Teacher):
    """Counts words from a length on; what the tests below break is in its fields."""

    name: ClassVar[str] = "rule"
    letters: int = 5
    forgets: bool = False
    shifted: bool = False
    dear: float = 0.0

    def identity(self) -> dict[str, Any]:
        rest: list[Plain] = [self.shifted, self.dear, self.forgets]
        return {"teacher": self.name, "rest": rest, "letters": None if self.forgets else self.letters}

    def ask(self, questions: Sequence[Question]) -> list[Answer]:
        found = [sum(len(word) >= self.letters for word in one.text.split()) for one in questions]
        found = [number + place * self.shifted for place, number in enumerate(found)]
        return [Answer(f"Score: {number}") for number in found]

    def cost(self, answer: Answer) -> float:
        return self.dear


def test_an_honest_rule_passes() -> None:
    check_teacher(Rule(batch=3))


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        (Rule(forgets=True), r"Rule\.letters=.* changes the answers"),
        (Rule(shifted=True, batch=3), "otherwise alone, in another order"),
        (Rule(dear=0.5), "costs 0.5, and `most` reserved 0"),
    ],
)
def test_a_teacher_that_breaks_it_fails(broken: Rule, said: str) -> None:
    with pytest.raises(ContractError, match=said):
        check_teacher(broken)
