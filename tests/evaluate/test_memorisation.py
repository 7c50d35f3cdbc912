"""Memorisation: what counts as copied, by brute force and by hand."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from ablate.errors import ConfigError
from ablate.evaluate.evaluator import EvaluateConfig, Evaluator
from ablate.evaluate.memorisation import Memorisation, Trained, copied, window_hashes
from ablate.train.proxy import ProxyConfig, build_model

SMALL = st.lists(st.integers(0, 2), max_size=40).map(np.array)


def brute(text: np.ndarray, training: np.ndarray, span: int) -> float:
    seen = {tuple(training[i : i + span]) for i in range(len(training) - span + 1)}
    covered = np.zeros(len(text), dtype=bool)
    for i in range(len(text) - span + 1):
        if tuple(text[i : i + span]) in seen:
            covered[i : i + span] = True
    return float(covered.mean())


@settings(deadline=None, max_examples=200)
@given(
    texts=st.lists(st.lists(st.integers(0, 2), min_size=12, max_size=12), min_size=1, max_size=4).map(
        np.array
    ),
    training=SMALL,
    span=st.integers(1, 9),
)
def test_share_copied_is_the_brute_force_count(texts: np.ndarray, training: np.ndarray, span: int) -> None:
    (shares,) = copied([texts], iter([training]), span)
    assert shares.tolist() == [brute(text, training, span) for text in texts]


@settings(deadline=None, max_examples=100)
@given(ids=SMALL, span=st.integers(1, 70))
def test_windows_are_equal_exactly_when_their_tokens_are(ids: np.ndarray, span: int) -> None:
    hashes = window_hashes(ids, span)
    windows = [tuple(ids[i : i + span]) for i in range(max(0, ids.size - span + 1))]
    assert hashes.size == len(windows)
    assert [h == hashes[0] for h in hashes] == [w == windows[0] for w in windows]


def stream(corpus: np.ndarray, context: int):
    """Training sequences of a corpus read again and again."""

    def sequences(first: int, count: int) -> np.ndarray:
        at = (first + np.arange(count))[:, None] * context + np.arange(context + 1)
        return corpus[at % corpus.size]

    return sequences


def trained(sequences, context: int, steps: int):
    model = build_model(
        ProxyConfig(hidden_size=64, layers=1, heads=2, intermediate_size=128, context=context), 64, 0
    )
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    for step in range(steps):
        ids = torch.from_numpy(sequences(step * 8, 8))
        loss = torch.nn.functional.cross_entropy(
            model(ids[:, :-1]).logits.flatten(0, 1), ids[:, 1:].flatten()
        )
        loss.backward()
        optimizer.step()
        optimizer.zero_grad()
    return model.eval()


def test_a_model_that_saw_one_text_only_copies_it_and_a_fresh_one_does_not() -> None:
    context = 96
    corpus = np.random.default_rng(0).permutation(np.arange(1, 61))  # each token has one successor
    sequences = stream(corpus, context)
    probe = Memorisation(sequences=4, length=60, prompt=16, span=20, top_k=1)
    fresh = build_model(
        ProxyConfig(hidden_size=64, layers=1, heads=2, intermediate_size=128, context=context), 64, 0
    )
    assert max(share.max() for share in probe.score(fresh, Trained(sequences, 50), 0).values()) == 0.0
    shares = probe.score(trained(sequences, context, 60), Trained(sequences, 480), 0)
    assert shares["copied_prompted"].tolist() == [1.0] * 4
    assert set(shares) == set(probe.info["higher_is_better"]) and shares["copied"].shape == (4,)


def test_sampling_is_the_same_every_time_and_leaves_the_random_state_alone() -> None:
    model = build_model(
        ProxyConfig(hidden_size=32, layers=1, heads=2, intermediate_size=64, context=64), 64, 0
    )
    sequences = stream(np.arange(1, 50), 64)
    probe = Memorisation(sequences=3, length=20, prompt=8, span=5)
    state = torch.get_rng_state()
    first = probe.score(model, Trained(sequences, 10), 0)
    assert torch.equal(torch.get_rng_state(), state)
    again = probe.score(model, Trained(sequences, 10), 0)
    assert all(np.array_equal(first[name], again[name]) for name in first)


def test_what_cannot_be_is_refused() -> None:
    with pytest.raises(ConfigError, match="length must be at least the span of 50 tokens, got 20"):
        Memorisation(length=20)
    with pytest.raises(ConfigError, match="sequences must be 1 or more, got 0"):
        Memorisation(sequences=0)
    with pytest.raises(ConfigError, match=r"proxy\.context=81 is the least"):
        Memorisation.fitting(8, 64)
    assert Memorisation.fitting(8, 81).length == 50
    assert Memorisation.fitting(8, 512).length == 100


def test_the_evaluator_reports_it_beside_the_tasks(tokenizer, tmp_path: Path) -> None:
    heldout = tmp_path / "text.txt"
    heldout.write_text("The cat sat.")
    plain, probing = (
        Evaluator(EvaluateConfig(heldout=str(heldout), memorisation=n), tokenizer, 96) for n in (0, 3)
    )
    assert plain.digest != probing.digest and "memorisation" not in plain.info
    shape = ProxyConfig(hidden_size=32, layers=1, heads=2, intermediate_size=64, context=96)
    model = build_model(shape, len(tokenizer), 0)
    scores = probing.evaluate(model, Trained(stream(np.arange(1, 40), 96), 5))
    assert scores.summary["memorisation"] == {"copied": 0.0, "copied_prompted": 0.0}
    rows = [row for row in scores.items.to_pylist() if row["task"] == "memorisation"]
    assert [(row["item"], row["metric"]) for row in rows] == [
        (str(i), metric) for metric in ("copied", "copied_prompted") for i in range(3)
    ]
    assert scores.summary["heldout"] == plain.evaluate(model).summary["heldout"]
