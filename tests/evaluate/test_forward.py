"""The forward pass over packed sequences against transformers' own, in float64."""

from __future__ import annotations

import sys
from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ablate.evaluate import forward, masked, prefixes
from ablate.evaluate.forward import Scorer
from ablate.evaluate.requests import Sequences

SHAPES: list[dict[str, Any]] = [
    {}, {"num_key_value_heads": 2}, {"num_key_value_heads": 1, "tie_word_embeddings": True}, {"num_hidden_layers": 1},
    {"vocab_size": 5000, "num_hidden_layers": 3},
]  # fmt: skip


def build(seed: int = 0, **options: Any) -> Any:
    config: dict[str, Any] = {
        "vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
        "num_attention_heads": 4, "max_position_embeddings": 64, "initializer_range": 0.3,
    }  # fmt: skip
    torch.manual_seed(seed)
    return LlamaForCausalLM(LlamaConfig(**config | options)).eval()


@pytest.fixture(scope="module")
def sequences() -> Sequences:
    """Questions with choices, pairs, long texts without an ending in common, a text that begins another."""
    rng = np.random.default_rng(0)

    def some(count: int) -> list[int]:
        return rng.integers(0, 50, count).tolist()

    rows = []
    for size in (12, 12, 30, 45):
        question = some(size)
        rows += [(question, some(int(rng.integers(1, 15)))) for _ in range(4)]
    rows += [([0, *(beginning := some(9))], some(5)) for _ in range(2)]
    rows += [([0, *beginning], some(3)), (some(1), some(60)), (some(1), some(61))]
    whole = some(40)
    rows += [(whole[:10], whole[10:30]), (whole[:20], whole[20:]), (whole[:10], whole[10:30])]
    return Sequences.of(rows)


def reference(model: Any, sequences: Sequences) -> np.ndarray:
    """Log-likelihoods from transformers' own forward pass, one sequence at a time."""
    model, out = model.double(), []
    for begin, end, start in zip(sequences.bounds[:-1], sequences.bounds[1:], sequences.start, strict=True):
        ids = torch.from_numpy(sequences.tokens[begin:end].astype(np.int64))
        with torch.inference_mode():
            found = model(input_ids=ids[None]).logits[0].log_softmax(-1)
        out.append(float(found[range(start - 1, len(ids) - 1), ids[start:]].sum()))
    return np.asarray(out)


@pytest.mark.parametrize(
    "constants",
    [
        {},
        {"TILE": 0},
        {"TILE": 0, "ALONE": 1},
        {"TILE": 0, "ALONE": 10**9, "CALL": 10**9},
        {"TILE": 10**4, "PAD": 0, "CALL": 10**9},
        {"TILE": 0, "ALONE": 1, "QUERIES": 7},
        {"TILE": 0, "ALONE": 1, "PAIRS": 64},
    ],
)
@pytest.mark.parametrize("options", SHAPES)
def test_log_likelihoods_are_transformers_own(
    sequences: Sequences, options: dict[str, Any], constants: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in constants.items():
        monkeypatch.setattr(prefixes, name, value)
    model = build(**options)
    found, _ = Scorer(sequences, np.zeros(len(sequences), dtype=bool), 10**6).score(model)
    np.testing.assert_allclose(found, reference(model, sequences), atol=1e-3, rtol=1e-5)


@pytest.mark.parametrize("constants", [{}, {"TILE": 0}, {"TILE": 0, "ALONE": 10**9}])
@pytest.mark.parametrize(("larger", "nats", "rtol"), [(4, 80, 1e-4), (20, 750, 0.05)])
def test_attention_sharper_than_fp32s_or_float64s_exponentials(
    sequences: Sequences,
    larger: float,
    nats: float,
    rtol: float,
    constants: dict[str, int],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`rtol`: what rounding a score of thousands of nats to fp32 may change."""
    for name, value in constants.items():
        monkeypatch.setattr(prefixes, name, value)
    model = build(attn_implementation="eager")
    with torch.no_grad():
        for layer in model.model.layers:
            layer.self_attn.q_proj.weight *= larger
            layer.self_attn.k_proj.weight *= larger
    h = model.model.layers[0].input_layernorm(model.model.embed_tokens.weight)
    attention = model.model.layers[0].self_attn
    q, k = (part(h).view(50, 4, 8) for part in (attention.q_proj, attention.k_proj))
    assert torch.einsum("ihd,jhd->hij", q, k).amax() / 8**0.5 > nats, "too blunt to test anything"
    found, _ = Scorer(sequences, np.zeros(len(sequences), dtype=bool), 10**6).score(model)
    np.testing.assert_allclose(found, reference(model, sequences), rtol=rtol)


def test_logits_beyond_fp32s_exponentials(sequences: Sequences) -> None:
    model = build()
    with torch.no_grad():
        model.lm_head.weight *= 30
    found, _ = Scorer(sequences, np.zeros(len(sequences), dtype=bool), 10**6).score(model)
    expected = reference(model, sequences)
    assert expected.min() < -500
    np.testing.assert_allclose(found, expected, rtol=1e-5)


def test_a_broken_model_is_asked_once_more_and_not_for_every_sequence(
    sequences: Sequences, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, asked = build(), []
    with torch.no_grad():
        model.model.layers[1].mlp.down_proj.weight.fill_(torch.nan)
    monkeypatch.setattr(model, "forward", lambda whole=model.forward, **ids: asked.append(1) or whole(**ids))
    found, _ = Scorer(sequences, np.zeros(len(sequences), dtype=bool), 10**6).score(model)
    assert np.isnan(found).all() and len(asked) == 1


def test_greedy_endings_are_recognised(sequences: Sequences) -> None:
    """An ending made by taking the likeliest token each time, and the same with its last token changed."""
    model = build()
    ids = [3, 1, 4]
    with torch.inference_mode():
        for _ in range(5):
            ids.append(int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax()))
    other = [*ids[3:-1], (ids[-1] + 1) % 50]
    made = Sequences.of([(ids[:3], ids[3:]), (ids[:3], other)])
    _, greedy = Scorer(made, np.ones(2, dtype=bool), 10**6).score(model)
    assert greedy.tolist() == [True, False]


@pytest.mark.skipif(sys.platform != "linux", reason="processes are copied on Linux only")
def test_several_processes_find_what_one_finds(sequences: Sequences, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(forward, "TOKENS", 40)
    asked, shares = np.ones(len(sequences), dtype=bool), []
    monkeypatch.setattr(forward, "processes_for", lambda pieces: shares.append(pieces) or min(3, pieces))
    model = build()
    together = Scorer(sequences, asked, 10**6).score(model)
    assert shares[0] > 3
    monkeypatch.setattr(forward, "processes_for", lambda pieces: 1)
    for mine, theirs in zip(together, Scorer(sequences, asked, 10**6).score(model), strict=True):
        np.testing.assert_allclose(mine, theirs, atol=1e-5)


@pytest.mark.parametrize(
    "limits", [{}, {"TREE": 30}, {"PAIRS": 1, "CALL": 0}, {"PAD": 0, "CALL": 10**9}, {"LOGITS": 100}]
)
@pytest.mark.parametrize("options", SHAPES)
def test_under_a_mask_as_on_a_gpu_they_are_transformers_own_too(
    sequences: Sequences, options: dict[str, Any], limits: dict[str, int], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in limits.items():
        monkeypatch.setattr(masked, name, value)
    model, asked = build(**options), np.ones(len(sequences), dtype=bool)
    for at_once in (50, 10**6):
        trees = [batch.to(torch.device("cpu")) for batch in masked.pack_trees(sequences, at_once)]
        found, best = masked.score_trees(model, trees, len(sequences), asked)
        wanted, likeliest = (
            reference(model, sequences),
            Scorer(sequences, asked, 10**6).score(model.float())[1],
        )
        np.testing.assert_allclose(found, wanted, atol=1e-3, rtol=1e-5)
        assert best.tolist() == likeliest.tolist()
        model.float()
