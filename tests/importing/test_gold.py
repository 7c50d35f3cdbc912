"""Which choice is right: by lm-eval's own rules, which the samples' accuracies must bear out."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from ablate.errors import DataError
from ablate.importing.gold import choices_of, right_choices

HERE = Path("samples.jsonl")


def sample(target: str, best: int, acc: float | None, choices: str = "1 2 3", **more: Any) -> dict[str, Any]:
    words = choices.split()
    found = {
        "doc_id": 0,
        "target": target,
        "doc": {},
        "arguments": {
            f"gen_args_{n}": {"arg_0": "How many?", "arg_1": f" {word}"} for n, word in enumerate(words)
        },
        "filtered_resps": [["-0.1" if n == best else "-5.0", "False"] for n in range(len(words))],
    }
    return found | ({} if acc is None else {"acc": acc}) | more


def gold(samples: list[dict[str, Any]], **config: Any) -> list[int] | None:
    choices = [found for one in samples if (found := choices_of(one, config))]
    assert len(choices) == len(samples)
    return right_choices(samples, choices, config, HERE)


def test_the_accuracy_tells_where_the_task_does_not() -> None:
    assert gold([sample("2", best=1, acc=1.0)]) == [1], "the answer 2, which stands second"
    assert gold([sample("2", best=2, acc=1.0)]) == [2], "position 2, counted from 0"
    assert gold([sample("2", best=1, acc=0.0), sample("2", best=0, acc=0.0)]) == [2, 2]


def test_the_task_tells() -> None:
    said = {"doc_to_target": "answer", "doc_to_choice": "choices"}
    assert gold([sample("2", best=0, acc=0.0, doc={"answer": "2"})], **said) == [1]
    assert gold([sample("2", best=0, acc=0.0, doc={"answer": 2})], **said) == [2]
    assert gold([sample("2", best=0, acc=0.0)], doc_to_target="{{answer}}") == [2]
    assert gold([sample("2", best=0, acc=0.0)], doc_to_target=2) == [2]
    assert gold([sample("2", best=0, acc=None, f1=[1, 0])]) == [1]
    assert gold([sample("[0, 2]", best=0, acc=1.0, doc={"answer": [0, 2]})], **said) is None


def test_words_and_letters() -> None:
    assert gold([sample("no", best=0, acc=0.0, choices="yes no")]) == [1]
    assert gold([sample("B", best=1, acc=1.0, choices="A B C D")]) == [1]
    assert gold([sample("B", best=1, acc=1.0, choices="red green blue")]) == [1]
    assert gold([sample("elsewhere", best=0, acc=0.0, choices="yes no")]) is None


@pytest.mark.parametrize(
    ("samples", "config", "said"),
    [
        ([sample("2", best=2, acc=0.0, doc={"answer": 2})], {"doc_to_target": "answer"}, "choice 2 is right"),
        ([sample("1", best=0, acc=1.0, choices="red blue")], {}, "contradicts the sample's accuracy"),
        ([sample("2", best=0, acc=0.0)], {}, "tell which"),
        ([sample("2", best=0, acc=None)], {}, "tell which"),
    ],
)
def test_a_contradiction_or_a_choice_of_readings_is_an_error(
    samples: list[dict[str, Any]], config: dict[str, Any], said: str
) -> None:
    with pytest.raises(DataError, match=said):
        gold(samples, **config)


def test_a_tie_contradicts_nothing() -> None:
    one = sample("1", best=1, acc=0.0, choices="red blue")
    one["filtered_resps"] = [["-1.0", "False"], ["-1.0", "False"]]
    assert gold([one]) == [1]


def test_a_likelihood_that_is_no_number_contradicts_nothing() -> None:
    one = sample("2", best=1, acc=1.0)
    lost = sample("2", best=1, acc=1.0)
    lost["filtered_resps"][0] = ["nan", "False"]
    assert gold([one, lost]) == [1, 1]
