"""The Llama that we compute: what our forward passes honour of a configuration, and what they refuse by name.

Training and evaluation compute a Llama by operations of their own. A field that they did not know of would be
assumed away, and the losses and scores would be another model's; so every field of transformers' `LlamaConfig`
stands in one of the three lists here (a test holds it), and a setting of one of the second is refused.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

HONOURED = (
    "vocab_size", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads",
    "max_position_embeddings", "rms_norm_eps", "tie_word_embeddings", "rope_parameters",
)  # fmt: skip
"""Fields that our forward passes follow; of `rope_parameters` the default kind alone, with any `rope_theta`."""
INERT = ("initializer_range", "use_cache", "pad_token_id", "bos_token_id", "eos_token_id", "pretraining_tp")
"""Fields that change no forward pass; `pretraining_tp` cuts the same products into parts."""
PLAIN: Mapping[str, tuple[object, ...]] = {
    "hidden_act": ("silu", "swish"),
    "attention_bias": (False, None),
    "mlp_bias": (False, None),
    "attention_dropout": (0, None),
    # Other families' fields: transformers' Llama does not read them, so a checkpoint that says so was trained by other code.
    "qkv_bias": (False, None),
    "use_qk_norm": (False, None),
    "qk_norm": (False, None),
    "qk_layernorm": (False, None),
    "clip_qkv": (None,),
    "sliding_window": (None,),
    "use_sliding_window": (False, None),
    "no_rope_layers": (None, []),
    "partial_rotary_factor": (1, None),
    "rope_interleaved": (False, None),
    "attn_logit_softcapping": (None,),
    "final_logit_softcapping": (None,),
    "query_pre_attn_scalar": (None,),
    "attention_multiplier": (None,),
    "embedding_multiplier": (1, None),
    "residual_multiplier": (1, None),
    "logits_scaling": (1, None),
    "logit_scale": (1, None),
    "num_local_experts": (0, 1, None),
}
"""Field -> the settings of it that a Llama of ours has; with any other it is another model."""
HEAD = "head_dim"
"""Must be `hidden_size` / `num_attention_heads`."""
ROPE_READ = ("rope_type", "type", "rope_theta")


def unhonoured(config: Mapping[str, object]) -> list[str]:
    """What a Llama's configuration asks for and our forward passes do not compute, as `field=setting`.

    Args:
        config: as `config.json` or `LlamaConfig.to_dict` has it; fields that are left out are at their defaults.
    """
    odd = [f"{key}={config[key]!r}" for key, plain in PLAIN.items() if config.get(key, plain[0]) not in plain]
    odd += [f"{key}={found}" for key, found in _rope(config)]
    layers = config.get("layer_types")
    if isinstance(layers, (list, tuple)) and set(layers) - {"full_attention"}:
        odd.append(f"layer_types={sorted(set(map(str, layers)))}")
    width, heads, head = (config.get(key) for key in ("hidden_size", "num_attention_heads", HEAD))
    if head is not None and isinstance(width, int) and isinstance(heads, int) and head != width // heads:
        odd.append(f"{HEAD}={head}")
    return odd


def _rope(config: Mapping[str, object]) -> Iterator[tuple[str, str]]:
    """What is not the plain rotary embedding: another kind, or a setting that the plain one does not have."""
    for name in ("rope_parameters", "rope_scaling"):
        settings = config.get(name)
        if not isinstance(settings, Mapping):
            continue
        kind = settings.get("rope_type", settings.get("type", "default"))
        if kind not in ("default", None):
            yield "rope_type", repr(kind)
        yield from (
            (f"{name}.{key}", repr(value))
            for key, value in settings.items()
            if key not in ROPE_READ and value not in (None, 1, 1.0) and kind in ("default", None)
        )


def parameter_names(*, layers: int, tied: bool) -> set[str]:
    """Names of the parameters that our forward passes read, as `LlamaForCausalLM.state_dict` has them.

    Args:
        layers: of the model.
        tied: whether input and output share a matrix; it stands under both names all the same.
    """
    parts = [f"self_attn.{part}_proj" for part in "qkvo"] + [
        f"mlp.{part}_proj" for part in ("gate", "up", "down")
    ]
    parts += ["input_layernorm", "post_attention_layernorm"]
    inner = {f"model.layers.{number}.{part}.weight" for number in range(layers) for part in parts}
    return (
        inner | {"model.embed_tokens.weight", "model.norm.weight"} | (set() if tied else {"lm_head.weight"})
    )


def unread(names: Iterable[str], *, layers: int) -> list[str]:
    """Parameters of a model that our forward passes would leave out, such as biases and norms of queries and keys."""
    return sorted(set(names) - parameter_names(layers=layers, tied=False))
