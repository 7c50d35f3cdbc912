"""Recipes with a source, and the ladder from a model's size; expected values are the sources' own."""

from __future__ import annotations

import math
from typing import Any

import pytest
import yaml

from ablate.compose import compose, open_hydra, overruled
from ablate.config import CONF, make, plain
from ablate.ladder import body_parameters, ladder_batch, ladder_lr, off_ladder
from ablate.train.proxy import ProxyConfig, build_model
from ablate.train.schedule import warmup_steps


def test_sizes_are_those_of_the_models() -> None:
    for kv_heads in (None, 2):
        proxy = ProxyConfig(
            hidden_size=32, layers=3, heads=4, kv_heads=kv_heads, intermediate_size=80, context=16
        )
        model = build_model(proxy, 100, 0)
        assert body_parameters(vars(proxy)) == sum(p.numel() for p in model.parameters()) - 100 * 32


@pytest.mark.parametrize(
    ("parameters", "sequences", "lr"),
    [(13_500_000, 40, 0.0094), (108_000_000, 160, 0.0047), (864_000_000, 640, 0.00235)],
)
def test_the_ladder_by_hand(parameters: int, sequences: int, lr: float) -> None:
    """Eight times the size: four times the batch, half the rate."""
    assert ladder_lr(parameters) == pytest.approx(lr, rel=0.03)  # two digits
    assert ladder_batch(parameters, 2048) == sequences * 2048
    assert ladder_batch(parameters, 512) == sequences * 2048


def composed(*overrides: str) -> Any:
    config = compose(["pool=testbed", *overrides])
    return make(plain(config.train), "train"), make(plain(config.proxy), "proxy")


def test_the_proxy_brings_its_recipe() -> None:
    train, proxy = composed("train=ladder", "proxy=150m")
    size = body_parameters(vars(proxy))
    assert size == 151_806_976  # conf/proxy/150m.yaml
    assert (train.lr, train.batch_tokens) == (ladder_lr(size), ladder_batch(size, 2048))
    assert train.batch_tokens % 2048 == 0 and train.tokens == 20 * size
    train, _ = composed("train=ladder", "proxy=150m", "train.lr=0.001")
    assert train.lr == 0.001


@pytest.mark.parametrize(
    ("name", "tokens", "sequences", "warmup", "lr", "decay", "last"),
    [
        # mlfoundations/dclm, training/configs/411m_1x.json and 1b_1x_fast.json
        ("dclm_400m_1x", 8_232_325_120, 512, 2000, 3e-3, 0.033, 3e-5),
        ("dclm_1b_1x", 28_795_904_000, 256, 5000, 3e-3, 0.033, 3e-5),
    ],
)
def test_dclm_composes_to_its_own_files(
    name: str, tokens: int, sequences: int, warmup: int, lr: float, decay: float, last: float
) -> None:
    train, _ = composed(f"train={name}", "proxy=1b7")
    steps = tokens // (sequences * 2048)
    assert (train.tokens, train.batch_tokens, train.lr, train.weight_decay) == (
        tokens,
        sequences * 2048,
        lr,
        decay,
    )
    assert warmup_steps(steps, train.warmup_fraction) == warmup
    assert train.lr * train.min_lr_ratio == pytest.approx(last)


@pytest.mark.parametrize(
    ("name", "tokens", "steps"),
    [
        # huggingface/fineweb-2, ablations/training/launch_exp.py: dp 64, 4 accumulated, 4 at once, 2,048 long; arXiv 2406.17557, section 3.1
        ("fineweb2", 14_000 * 64 * 4 * 4 * 2048, 14_000),
        ("fineweb", 28_000_000_000, 13_351),
    ],
)
def test_finewebs_compose_to_their_script(name: str, tokens: int, steps: int) -> None:
    train, proxy = composed(f"train={name}", "proxy=1b7")
    assert (train.tokens, train.tokens // train.batch_tokens, train.batch_tokens) == (
        tokens,
        steps,
        64 * 4 * 4 * 2048,
    )
    assert (train.lr, train.lr * train.min_lr_ratio, train.schedule) == (3e-4, pytest.approx(3e-5), "cosine")
    assert warmup_steps(steps, train.warmup_fraction) == 500
    assert (train.beta1, train.beta2, train.eps, train.weight_decay, train.clip) == (
        0.9,
        0.95,
        1e-8,
        0.1,
        1.0,
    )
    assert off_ladder(vars(proxy), lr=train.lr, batch_tokens=train.batch_tokens) is None


@pytest.mark.parametrize(
    ("name", "sequences", "steps", "lr", "billions", "proxy"),
    [
        # arXiv 2504.11393, appendix A, table 2: batch size, training steps, LR, tokens trained
        ("datadecide_20m", 64, 14_584, 8.4e-3, 1.9, "30m"),
        ("datadecide_150m", 192, 38_157, 4.2e-3, 15.0, "150m"),
        ("datadecide_300m", 320, 45_787, 3.3e-3, 30.0, "350m"),
    ],
)
def test_datadecides_compose_to_the_table(
    name: str, sequences: int, steps: int, lr: float, billions: float, proxy: str
) -> None:
    train, shape = composed(f"train={name}", f"proxy={proxy}")
    assert (train.batch_tokens, train.tokens // train.batch_tokens, train.lr) == (sequences * 2048, steps, lr)
    assert train.tokens % train.batch_tokens == 0 and round(train.tokens / 1e9, 1) == billions
    # allenai/OLMo, olmo/scaling/ladder.py: cosine to 0.1, t_warmup = model size / batch, AdamW
    assert (train.schedule, train.min_lr_ratio, train.weight_decay) == ("cosine", 0.1, 0.1)
    assert (train.beta1, train.beta2, train.eps, train.clip) == (0.9, 0.95, 1e-8, 1.0)
    assert warmup_steps(steps, train.warmup_fraction) == pytest.approx(steps / 100, abs=1)
    assert off_ladder(vars(shape), lr=train.lr, batch_tokens=train.batch_tokens) is None


def test_nanochat_composes_to_its_script() -> None:
    """karpathy/nanochat, scripts/base_train.py: its formulas at depth 20, and its schedule step by step; the rate is no value of theirs."""
    width, vocabulary, reference = 20 * 64, 32_768, 12 * 64
    scaling = 20 * 12 * width**2 + vocabulary * width
    tokens = 12 * scaling
    of_depth_12 = 12 * (12 * 12 * reference**2 + vocabulary * reference)
    batch = 2 ** round(math.log2(2**19 * (tokens / of_depth_12) ** 0.383))
    train, proxy = composed("train=nanochat", "proxy=350m")
    assert (train.batch_tokens, train.tokens) == (batch, tokens // batch * batch)
    steps = train.tokens // batch
    assert steps == 4980

    def multiplier(step: int) -> float:
        warmdown = round(0.65 * steps)
        if step < 40:
            return (step + 1) / 40
        if step <= steps - warmdown:
            return 1.0
        progress = (steps - step) / warmdown
        return progress + (1 - progress) * 0.05

    for step in (0, 20, 39, 40, 1000, 1743, 1744, 3000, 4979):
        assert train.lr_at(step, steps) == pytest.approx(train.lr * multiplier(step), rel=1e-6)
    assert train.lr == ladder_lr(body_parameters(vars(proxy)))
    assert off_ladder(vars(proxy), lr=train.lr, batch_tokens=batch) is None


def test_a_small_models_recipe_on_a_large_one_is_warned_about() -> None:
    large = yaml.safe_load((CONF / "proxy" / "1b7.yaml").read_text())
    small = yaml.safe_load((CONF / "proxy" / "1m.yaml").read_text())
    said = off_ladder(large, lr=0.002, batch_tokens=16384)
    assert said and "batch_tokens=16,384" in said and "train.lr" not in said
    said = off_ladder(large, lr=0.02, batch_tokens=2_000_000)
    assert said and "train.lr=0.02" in said and "batch_tokens" not in said
    assert off_ladder(large, lr=3e-3, batch_tokens=524_288) is None  # DCLM's
    assert off_ladder(small, lr=0.004, batch_tokens=1024) is None  # below the ladder nothing is said


def test_what_a_study_sets_stands_and_is_said() -> None:
    """Of what the option says, not of all that the study sets (it has `train.evaluations` too)."""
    hydra = open_hydra()
    asked = ["study=demo", "train=ladder", "train.lr=0.01"]
    (note,) = overruled(asked, compose(asked, hydra), hydra)
    assert "train.tokens=480000, train.batch_tokens=1024, which" in note and "train=ladder" in note
    given = ["study=demo", "train=ladder", "train.tokens=480_000", "train.batch_tokens=8192", "train.lr=0.01"]
    for asked in (["pool=testbed", "train=ladder", "proxy=30m"], given):
        assert overruled(asked, compose(asked, hydra), hydra) == []
