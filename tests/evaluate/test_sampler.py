"""The sampler: transformers' distribution, and texts that do not depend on what is drawn beside them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy.stats import chisquare

from ablate.errors import ConfigError
from ablate.evaluate.sampler import LANES, Decoding, Sampler, draw, row_seeds
from ablate.train.proxy import ProxyConfig, build_model


def a_model(vocab: int = 50, *, kv_heads: int | None = 2, tied: bool = False, context: int = 48):
    """A model of random weights, large enough for its predictions to differ."""
    proxy = ProxyConfig(
        hidden_size=32,
        layers=2,
        heads=4,
        kv_heads=kv_heads,
        intermediate_size=64,
        context=context,
        tie_embeddings=tied,
    )
    model = build_model(proxy, vocab, 3).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(4.0 if parameter.dim() > 1 else 1.3)
    return model


def some_prompts(count: int, vocab: int = 50) -> list[list[int]]:
    random = np.random.default_rng(0)
    return [random.integers(0, vocab, 1 + n % 9).tolist() for n in range(count)]


@pytest.mark.parametrize(("kv_heads", "tied"), [(2, False), (None, True)])
def test_greedy_texts_are_those_of_transformers(kv_heads, tied):
    model = a_model(kv_heads=kv_heads, tied=tied)
    prompts = some_prompts(LANES + 11)  # lanes are taken twice
    found = Sampler(model).sample(
        prompts, [0] * len(prompts), tokens=30, end=None, decoding=Decoding(temperature=0)
    )
    for prompt, text in zip(prompts, found, strict=True):
        ids = torch.tensor([prompt])
        made = model.generate(
            ids,
            attention_mask=torch.ones_like(ids),
            max_new_tokens=30,
            min_new_tokens=30,
            do_sample=False,
            use_cache=True,
            pad_token_id=0,
            eos_token_id=None,
        )
        assert text == made[0, len(prompt) :].tolist()


def test_logits_of_each_step_are_those_of_a_whole_forward_pass():
    model, place = a_model(), torch.zeros(LANES, dtype=torch.int64)
    sampler = Sampler(model)
    ids = torch.randint(0, 50, (LANES, 40), generator=torch.Generator().manual_seed(0))
    with torch.inference_mode():
        expected = model(input_ids=ids).logits
        for step in range(40):
            found = sampler._step(ids[:, step], place + step)
            torch.testing.assert_close(found, expected[:, step], atol=2e-4, rtol=2e-4)


def test_a_text_depends_on_neither_order_nor_number_of_the_others():
    sampler, prompts = Sampler(a_model()), some_prompts(150)
    seeds = row_seeds(7, range(150))

    def drawn(rows):
        made = sampler.sample([prompts[n] for n in rows], [seeds[n] for n in rows], tokens=38, end=4)
        return dict(zip(rows, made, strict=True))

    together = drawn(list(range(150)))
    assert len({len(text) for text in together.values()}) > 3  # some end before others
    order = np.random.default_rng(1).permutation(150).tolist()
    assert drawn(order) == together
    for first in range(0, 150, 37):
        rows = list(range(first, min(150, first + 37)))
        assert drawn(rows) == {n: together[n] for n in rows}
    assert drawn([149]) == {149: together[149]}


def test_other_seeds_give_other_texts_and_equal_ones_the_same():
    first, same, other = Sampler(a_model()).sample([[1]] * 3, [5, 5, 6], tokens=40, end=None)
    assert first == same != other


@pytest.mark.parametrize(
    "decoding",
    [Decoding(), Decoding(temperature=0.7), Decoding(top_k=3), Decoding(temperature=1.3, top_p=0.6)],
)
def test_pairs_of_tokens_come_as_often_as_they_should(decoding):
    """Exact probabilities of both tokens, by transformers' own logits and warpers."""
    from transformers import LogitsProcessorList, TemperatureLogitsWarper, TopKLogitsWarper, TopPLogitsWarper

    vocab, count = 5, 20_000
    model = a_model(vocab)
    warpers = LogitsProcessorList([TemperatureLogitsWarper(decoding.temperature)])
    warpers += [TopKLogitsWarper(decoding.top_k)] if decoding.top_k else []
    warpers += [TopPLogitsWarper(decoding.top_p)] if decoding.top_p else []

    def probabilities(ids: list[int]) -> np.ndarray:
        with torch.inference_mode():
            logits = model(input_ids=torch.tensor([ids])).logits[:, -1]
        return warpers(torch.tensor([ids]), logits).double().softmax(-1)[0].numpy()

    exact = np.concatenate([share * probabilities([2, n]) for n, share in enumerate(probabilities([2]))])
    texts = Sampler(model).sample(
        [[2]] * count, row_seeds(0, range(count)), tokens=2, end=None, decoding=decoding
    )
    seen = np.bincount([vocab * a + b for a, b in texts], minlength=vocab**2)
    possible = exact > 0
    assert not seen[~possible].any()
    rare = count * exact < 5  # cells that the test's approximation does not hold for count as one
    cells = [(seen[possible & ~rare], count * exact[possible & ~rare])]
    if (possible & rare).any():
        cells.append(
            (seen[[*np.flatnonzero(possible & rare)]].sum()[None], count * exact[possible & rare].sum()[None])
        )
    observed, expected = (np.concatenate(part) for part in zip(*cells, strict=True))
    assert chisquare(observed, expected * observed.sum() / expected.sum()).pvalue > 1e-4


def test_no_token_of_probability_zero_is_drawn_at_either_end():
    logits = torch.tensor([[-torch.inf, 0.0, 0.0, -torch.inf]]).repeat(2, 1)
    ends = torch.tensor([0.0, 1 - 2**-53], dtype=torch.float64)
    assert draw(logits, ends, Decoding()).tolist() == [1, 2]


def test_no_text_ends_before_its_least_length():
    model = a_model(3)
    found = Sampler(model).sample(
        [[1]] * 100, row_seeds(1, range(100)), tokens=20, end=0, decoding=Decoding(min_tokens=6)
    )
    lengths = {len(text) for text in found}
    assert min(lengths) >= 6 and len(lengths) > 1
    assert all(0 not in text for text in found)


def test_nothing_asked_is_nothing_drawn():
    assert Sampler(a_model()).sample([], [], tokens=3, end=None) == []


@pytest.mark.parametrize(
    ("prompt", "tokens", "said"),
    [([], 1, "empty"), ([50], 1, "none of the 50"), ([1] * 40, 10, "beyond the 48"), ([1], 0, "1 or more")],
)
def test_what_cannot_be_drawn_is_refused(prompt, tokens, said):
    with pytest.raises(ConfigError, match=said):
        Sampler(a_model()).sample([prompt], [0], tokens=tokens, end=None)


@pytest.mark.parametrize("wrong", [{"temperature": -1.0}, {"top_k": 0}, {"top_p": 0.0}, {"min_tokens": -1}])
def test_a_decoding_out_of_range_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        Decoding(**wrong)
