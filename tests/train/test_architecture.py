"""What our forward passes of a Llama do not compute is refused by name."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM

from ablate.errors import ConfigError
from ablate.evaluate.forward import Scorer
from ablate.evaluate.requests import Sequences
from ablate.evaluate.weights import Weights
from ablate.train.architecture import HEAD, HONOURED, INERT, PLAIN, parameter_names, unhonoured

TINY: dict[str, Any] = {
    "vocab_size": 50, "hidden_size": 32, "intermediate_size": 48, "num_hidden_layers": 2,
    "num_attention_heads": 4, "max_position_embeddings": 64,
}  # fmt: skip


def llama(**options: Any) -> LlamaForCausalLM:
    torch.manual_seed(0)
    return LlamaForCausalLM(LlamaConfig(**TINY | options)).eval()


def test_every_field_of_transformers_llama_is_followed_refused_or_known_to_change_nothing() -> None:
    assert set(LlamaConfig.__annotations__) <= {*HONOURED, *INERT, *PLAIN, HEAD}
    assert not {*HONOURED, *INERT} & set(PLAIN)


def test_a_plain_llama_has_nothing_odd_however_its_configuration_is_written() -> None:
    assert unhonoured(LlamaConfig(**TINY, num_key_value_heads=2, head_dim=8).to_dict()) == []
    assert (
        unhonoured({}) == [] == unhonoured({"rope_scaling": None, "rope_theta": 5e5, "sliding_window": None})
    )
    assert (
        unhonoured({"rope_parameters": {"rope_type": "default", "rope_theta": 5e5}, "attention_dropout": 0})
        == []
    )


@pytest.mark.parametrize(
    ("config", "named"),
    [
        (
            {"rope_parameters": {"rope_type": "llama3", "factor": 8.0, "rope_theta": 1e4}},
            "rope_type='llama3'",
        ),
        ({"rope_scaling": {"type": "linear", "factor": 2.0}}, "rope_type='linear'"),
        ({"rope_scaling": {"rope_type": "dynamic", "factor": 2.0}}, "rope_type='dynamic'"),
        (
            {"rope_parameters": {"rope_type": "default", "partial_rotary_factor": 0.5}},
            "rope_parameters.partial_rotary_factor=0.5",
        ),
        ({"rope_parameters": {"full_attention": {"rope_type": "default"}}}, "rope_parameters.full_attention"),
        ({"attention_bias": True}, "attention_bias=True"),
        ({"mlp_bias": True}, "mlp_bias=True"),
        ({"hidden_act": "gelu"}, "hidden_act='gelu'"),
        ({"attention_dropout": 0.1}, "attention_dropout=0.1"),
        ({"sliding_window": 4096}, "sliding_window=4096"),
        ({"layer_types": ["full_attention", "sliding_attention"]}, "sliding_attention"),
        ({"use_qk_norm": True}, "use_qk_norm=True"),
        ({"qkv_bias": True}, "qkv_bias=True"),
        ({"final_logit_softcapping": 30.0}, "final_logit_softcapping=30.0"),
        ({"residual_multiplier": 0.22}, "residual_multiplier=0.22"),
        ({"num_local_experts": 8}, "num_local_experts=8"),
        ({"hidden_size": 32, "num_attention_heads": 4, "head_dim": 16}, "head_dim=16"),
    ],
)
def test_a_setting_that_is_not_computed_is_named(config: dict[str, Any], named: str) -> None:
    assert any(named in found for found in unhonoured(config))


@pytest.mark.parametrize("tied", [False, True])
def test_the_parameters_read_are_those_that_transformers_llama_has(tied: bool) -> None:
    """`state_dict` names a shared matrix twice."""
    names = set(llama(tie_word_embeddings=tied).state_dict())
    assert parameter_names(layers=2, tied=tied) | {"lm_head.weight"} == names


@pytest.mark.parametrize(
    "options",
    [
        {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}},
        {"attention_bias": True},
        {"mlp_bias": True},
        {"hidden_act": "gelu"},
        {"head_dim": 16},
    ],
)
def test_the_evaluation_refuses_what_its_forward_pass_would_get_wrong(options: dict[str, Any]) -> None:
    sequences, asked = Sequences.of([([1, 2, 3], [4])]), np.zeros(1, dtype=bool)
    Scorer(sequences, asked, 100).score(llama())
    (named,) = options
    with pytest.raises(ConfigError, match="rope_type='linear'" if "rope" in named else f"{named}="):
        Scorer(sequences, asked, 100).score(llama(**options))


def test_parameters_that_would_be_left_out_are_named() -> None:
    """Norms of queries and keys, biases and adapters show themselves as parameters that a plain Llama lacks."""
    model: Any = llama()
    model.model.layers[1].self_attn.q_norm = torch.nn.RMSNorm(8)
    with pytest.raises(ConfigError, match=r"model\.layers\.1\.self_attn\.q_norm\.weight"):
        Weights(model)


def test_a_head_of_its_own_beside_tied_embeddings_is_refused() -> None:
    """Transformers multiplies with what stands in the model, whatever the configuration says."""
    model: Any = llama(tie_word_embeddings=True)
    Weights(model)
    model.lm_head.weight = torch.nn.Parameter(model.lm_head.weight.detach().clone())
    Weights(model)  # the same numbers in another place
    with torch.no_grad():
        model.lm_head.weight[0] += 1
    with pytest.raises(ConfigError, match="lm_head"):
        Weights(model)


def test_another_family_of_models_is_refused() -> None:
    model: Any = llama()
    model.config.model_type = "mistral"
    with pytest.raises(ConfigError, match="model_type='mistral'"):
        Weights(model)
