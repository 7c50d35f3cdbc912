"""Folders that lm-eval wrote: its own evaluation, its own files, four tiny models."""

from __future__ import annotations

import json
import warnings
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
    "bread",
    "and",
    "milk",
]
ARMS, SEEDS = ("full", "without_a"), (0, 1)


def _tokenizer() -> Any:
    from tokenizers import Tokenizer, decoders, models, pre_tokenizers, trainers
    from transformers import PreTrainedTokenizerFast

    bpe = Tokenizer(models.BPE())
    bpe.pre_tokenizer, bpe.decoder = pre_tokenizers.ByteLevel(add_prefix_space=False), decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=300,
        special_tokens=["<|endoftext|>"],
        show_progress=False,
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
    )
    bpe.train_from_iterator([" ".join(WORDS)], trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token="<|endoftext|>", bos_token="<|endoftext|>")


@pytest.fixture(scope="session")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[tuple[str, int], Any]]:
    """The folder `{arm}/seed-{seed}/<model>/results_*.json`, and our evaluator's scores of the same models."""
    import lm_eval
    from lm_eval.loggers import EvaluationTracker
    from lm_eval.models.huggingface import HFLM
    from lm_eval.tasks import TaskManager

    from ablate.evaluate.evaluator import EvaluateConfig, Evaluator
    from ablate.evaluate.tasks import find_tasks
    from ablate.train.proxy import ProxyConfig, build_model

    root = tmp_path_factory.mktemp("written")
    rng = np.random.default_rng(0)

    def say(n: int) -> str:
        return " ".join(rng.choice(WORDS, n))

    tasks = {
        "quiz": [
            {"query": say(6), "choices": [say(2), say(4), say(3)], "gold": int(rng.integers(3))}
            for _ in range(11)
        ],
        "partial": [
            {"context_options": [say(3), say(5)], "continuation": say(4), "gold": 1} for _ in range(5)
        ],
        "word": [{"context": say(9), "continuation": say(1)} for _ in range(5)],
    }
    for name, rows in tasks.items():
        (root / "snapshot" / name).mkdir(parents=True)
        (root / "snapshot" / name / "test.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    tokenizer = _tokenizer()
    config = EvaluateConfig(tasks=tuple(tasks), snapshot=str(root / "snapshot"), batch_tokens=256)
    ours, manager = {}, TaskManager(include_defaults=False)
    for number, (arm, seed) in enumerate((arm, seed) for arm in ARMS for seed in SEEDS):
        model = build_model(
            ProxyConfig(hidden_size=32, layers=1, heads=2, intermediate_size=64, context=48), 300, number
        )
        with torch.no_grad():
            for parameter in model.parameters():
                parameter.mul_(4)
        model.eval()
        tracker = EvaluationTracker(output_path=str(root / "out" / arm / f"seed-{seed}"))
        tracker.general_config_tracker.log_experiment_args("hf", "pretrained=org/tiny", None, None, False)
        lm = HFLM(
            pretrained=model, tokenizer=tokenizer, backend="causal", batch_size=4, device="cpu", max_length=48
        )
        sources = find_tasks(config.tasks, snapshot=config.snapshot, limit=None, store=None)
        with warnings.catch_warnings(), torch.inference_mode():
            warnings.simplefilter("ignore")
            results = lm_eval.simple_evaluate(
                model=lm,
                tasks=[source.task for source in sources],
                num_fewshot=0,
                bootstrap_iters=0,
                log_samples=True,
                task_manager=manager,
            )
            assert results is not None
            samples = results.pop("samples")
            tracker.save_results_aggregated(results=results, samples=samples)
            for name, rows in samples.items():
                tracker.save_results_samples(task_name=name, samples=rows)
            ours[arm, seed] = Evaluator(config, tokenizer, 48).evaluate(model)
    return root / "out", ours
