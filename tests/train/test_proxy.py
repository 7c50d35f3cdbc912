from __future__ import annotations

import importlib.util
import math
import re
from pathlib import Path

import pytest
import torch
from omegaconf import OmegaConf
from transformers import LlamaForCausalLM

from ablate.config import make
from ablate.errors import ConfigError
from ablate.train.proxy import ProxyConfig, build_model, training_flops

ROOT = Path(__file__).parents[2]
LADDER = sorted((ROOT / "conf" / "proxy").glob("*.yaml"))
SMALL = ProxyConfig(hidden_size=64, layers=3, heads=4, kv_heads=2, intermediate_size=96, context=32)


@pytest.mark.parametrize("path", LADDER, ids=lambda path: path.stem)
def test_each_size_has_the_parameters_its_file_states(path):
    said = re.search(
        r"# ([\d,]+) parameters without token embeddings; each token of vocabulary adds ([\d,]+);\n"
        r"# ([\d,]+) in all with a vocabulary of ([\d,]+)\.",
        path.read_text(),
    )
    body, per_token, total, vocabulary = (int(number.replace(",", "")) for number in said.groups())
    with torch.device("meta"):
        model = LlamaForCausalLM(make(OmegaConf.load(path), "proxy").llama(vocabulary))
    assert (
        sum(parameter.numel() for parameter in model.parameters()) == total == body + per_token * vocabulary
    )
    assert model.get_input_embeddings().weight.shape == (vocabulary, per_token)


def test_fineweb_size_is_the_released_one():
    """The released ablation models pad GPT-2's vocabulary to 50,272 and count 1.714B parameters."""
    proxy = make(OmegaConf.load(next(path for path in LADDER if path.stem == "1b7")), "proxy")
    with torch.device("meta"):
        model = LlamaForCausalLM(proxy.llama(50_272))
    assert model.num_parameters() == 1_713_670_144


def test_weights_follow_the_seed_and_leave_the_global_state_alone():
    torch.manual_seed(5)
    before = torch.get_rng_state()
    first, again, other = (build_model(SMALL, 50, seed).state_dict() for seed in (0, 0, 1))
    assert torch.equal(torch.get_rng_state(), before)
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["lm_head.weight"], other["lm_head.weight"])


def test_initial_spread():
    model = build_model(
        ProxyConfig(hidden_size=256, layers=8, heads=4, intermediate_size=512, context=32), 500, 0
    )
    layer = model.model.layers[3]
    assert layer.self_attn.q_proj.weight.std().item() == pytest.approx(0.02, rel=0.02)
    assert layer.mlp.down_proj.weight.std().item() == pytest.approx(0.02 / math.sqrt(16), rel=0.02)
    assert layer.self_attn.o_proj.weight.std().item() == pytest.approx(0.02 / math.sqrt(16), rel=0.02)
    assert torch.equal(layer.input_layernorm.weight, torch.ones(256))


def test_a_model_saved_by_transformers_comes_back(tmp_path):
    model = build_model(SMALL, 50, 0)
    model.save_pretrained(tmp_path)
    again = LlamaForCausalLM.from_pretrained(tmp_path)
    ids = torch.arange(20)[None]
    assert torch.equal(model(input_ids=ids).logits, again(input_ids=ids).logits)


@pytest.mark.parametrize("tied", [True, False])
def test_flops_by_hand(tied):
    proxy = ProxyConfig(
        hidden_size=8, layers=2, heads=2, intermediate_size=16, context=10, tie_embeddings=tied
    )
    layer = 4 * 8 * 8 + 3 * 8 * 16 + 2 * 8
    multiplying = 2 * layer + 8 + 30 * 8  # the output matrix multiplies, an input table only looks up
    expected = 1000 * (6 * multiplying + 12 * 2 * 8 * 10)
    assert training_flops(build_model(proxy, 30, 0), 1000, 10) == expected


@pytest.mark.parametrize("wrong", [{"heads": 3}, {"context": 4}])
def test_an_impossible_shape_is_refused(wrong):
    with pytest.raises(ConfigError, match=next(iter(wrong))):
        ProxyConfig(
            **({"hidden_size": 16, "layers": 1, "heads": 2, "intermediate_size": 32, "context": 16} | wrong)
        )


def test_the_gpu_benchmark_measures_the_shapes_of_conf(monkeypatch: pytest.MonkeyPatch) -> None:
    """It has them by itself, to run from one file."""
    monkeypatch.setenv("TQDM_DISABLE", "")  # which it sets, and this process wants back
    spec = importlib.util.spec_from_file_location("gpu", ROOT / "results" / "benchmarks" / "gpu.py")
    assert spec and spec.loader
    gpu = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(gpu)
    for name, (shape, _, _) in gpu.RUNGS.items():
        assert shape == make(OmegaConf.load(ROOT / "conf" / "proxy" / f"{name}.yaml"), "proxy"), name
