"""A Llama's weights as both forward passes read them: fp32, with the norms' gains folded into what reads them."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple

import torch

from ablate.errors import ConfigError
from ablate.train.architecture import parameter_names, unhonoured, unread


class LayerWeights(NamedTuple):
    """One layer's matrices, a row per output; all but `out` and `down` hold the gain of the norm before them."""

    q: torch.Tensor
    k: torch.Tensor
    v: torch.Tensor
    out: torch.Tensor
    gate: torch.Tensor
    up: torch.Tensor
    down: torch.Tensor


class Weights:
    """What a forward pass needs to know of a Llama-architecture model.

    Args:
        model: has `config` (a `LlamaConfig`) and the parameter names of `LlamaForCausalLM`.

    Raises:
        ConfigError: for a model that a plain Llama's forward pass would not compute; names what it has.

    Attributes:
        heads, kv_heads, eps, vocab_size, width, size: `size` is a head's width.
        embedding: shape (vocabulary, width).
        head: same shape, with the last norm's gain.
        angle: shape (context, size / 2): how far each position turns each pair (Su et al. 2021), radians.
    """

    def __init__(self, model: Any) -> None:
        config = model.config
        self._state = {
            name.replace("_orig_mod.", ""): p.detach().float() for name, p in model.state_dict().items()
        }
        self._count = config.num_hidden_layers
        _check(config.model_type, config.to_dict(), self._state)
        self.heads, self.kv_heads = config.num_attention_heads, config.num_key_value_heads
        self.eps = config.rms_norm_eps
        self.embedding = self._state["model.embed_tokens.weight"]
        self.vocab_size, self.width = self.embedding.shape
        self.size = self.width // self.heads
        head = self.embedding if config.tie_word_embeddings else self._state["lm_head.weight"]
        self.head = head * self._state["model.norm.weight"]
        device = self.embedding.device
        inverse = config.rope_parameters["rope_theta"] ** (
            -torch.arange(0, self.size, 2, device=device).float() / self.size
        )
        self.angle = torch.arange(config.max_position_embeddings, device=device)[:, None] * inverse

    def layers(self) -> Iterator[LayerWeights]:
        """From first to last."""
        for number in range(self._count):
            name = f"model.layers.{number}."
            q, k, v, out = (self._state[f"{name}self_attn.{part}_proj.weight"] for part in "qkvo")
            gate, up, down = (self._state[f"{name}mlp.{part}_proj.weight"] for part in ("gate", "up", "down"))
            before, between = (
                self._state[f"{name}{part}_layernorm.weight"] for part in ("input", "post_attention")
            )
            yield LayerWeights(q * before, k * before, v * before, out, gate * between, up * between, down)


def _check(kind: str, config: Mapping[str, Any], state: Mapping[str, torch.Tensor]) -> None:
    """Refuse what the forward passes would leave out: they would score another model than this one."""
    layers, tied = config["num_hidden_layers"], config["tie_word_embeddings"]
    odd = [] if kind == "llama" else [f"model_type={kind!r}"]
    odd += unhonoured(config) + unread(state, layers=layers)
    head, embedding = state.get("lm_head.weight"), state.get("model.embed_tokens.weight")
    if tied and head is not None and embedding is not None and not _one(head, embedding):
        odd.append("tie_word_embeddings=True with an lm_head.weight of its own")
    if odd:
        raise ConfigError(
            f"the model has {', '.join(odd)}, which our forward pass of a Llama does not compute, so its scores would be "
            "another model's; evaluate it with lm-eval"
        )
    if lacking := sorted(parameter_names(layers=layers, tied=tied) - set(state)):
        raise ConfigError(f"the model lacks {', '.join(lacking[:3])}, which a Llama of its configuration has")


def _one(head: torch.Tensor, embedding: torch.Tensor) -> bool:
    return head.data_ptr() == embedding.data_ptr() or torch.equal(head, embedding)
