"""A snapshot with one task of every layout, a tokenizer, and models far from uniform."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "a",
    "mat",
    "while",
    "two",
    "old",
    "dogs",
    "ran",
    "over",
    "green",
    "hills",
    "to",
    "find",
    "some",
    "more",
    "bread",
    "and",
    "milk",
]


@pytest.fixture(scope="session")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """One task of every layout, with random sentences."""
    folder = tmp_path_factory.mktemp("snapshot")
    rng = np.random.default_rng(0)

    def say(n: int) -> str:
        return " ".join(rng.choice(WORDS, n))

    tasks = {
        "choice": [
            {"query": say(6), "choices": [say(2), say(4), say(3)], "gold": int(rng.integers(3))}
            for _ in range(12)
        ],
        "pairs": [{"sentence_good": say(5), "sentence_bad": say(5)} for _ in range(8)],
        "partial": [
            {"context_options": [say(3), say(5)], "continuation": say(4), "gold": int(rng.integers(2))}
            for _ in range(8)
        ],
        "word": [{"context": say(9), "continuation": say(1)} for _ in range(8)],
        "long": [{"query": say(90), "choices": [say(3), say(2)], "gold": 1} for _ in range(4)],
    }
    for name, rows in tasks.items():
        (folder / name).mkdir()
        (folder / name / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    (folder / "heldout.txt").write_text("\n\n".join(say(80) for _ in range(3)))
    return folder


@pytest.fixture(scope="session")
def tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    trainer = trainers.BpeTrainer(
        vocab_size=300, special_tokens=["<|endoftext|>"], initial_alphabet=alphabet, show_progress=False
    )
    bpe.train_from_iterator([" ".join(WORDS)] * 3, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|endoftext|>", bos_token="<|endoftext|>")


@pytest.fixture(scope="session")
def model(tokenizer: Any) -> Any:
    from ablate.train.proxy import ProxyConfig, build_model

    built = build_model(
        ProxyConfig(hidden_size=32, layers=2, heads=2, intermediate_size=64, context=48), len(tokenizer), 0
    )
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.mul_(3)  # far from uniform, so that a wrong position shows
    return built.eval()


@pytest.fixture(scope="session")
def evaluator(snapshot: Path, tokenizer: Any) -> Any:
    from ablate.evaluate.evaluator import EvaluateConfig, Evaluator

    tasks = ("choice", "pairs", "partial", "word", "long")
    config = EvaluateConfig(
        tasks=tasks, snapshot=str(snapshot), heldout=str(snapshot / "heldout.txt"), batch_tokens=256
    )
    return Evaluator(config, tokenizer, 48)


@pytest.fixture(scope="session")
def scores(evaluator: Any, model: Any) -> Any:
    return evaluator.evaluate(model)


@pytest.fixture(scope="session")
def say() -> Any:
    """say(n): n random words."""
    rng = np.random.default_rng(2)
    return lambda n: " ".join(rng.choice(WORDS, n))
