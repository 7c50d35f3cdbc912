"""The proxy model: a small Llama that stands in for the large one."""

from __future__ import annotations

import math
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import torch

from ablate.errors import ConfigError
from ablate.fingerprint import LATER

if TYPE_CHECKING:
    from transformers import LlamaConfig, LlamaForCausalLM


@dataclass(frozen=True, kw_only=True)
class ProxyConfig:
    """Shape of a Llama-architecture model (Touvron et al. 2023).

    Attributes:
        hidden_size, layers, heads, kv_heads, intermediate_size: as in `LlamaConfig`.
        context: training sequence length in tokens, and the longest evaluated context.
        tie_embeddings: one matrix for input and output tokens.
        rope_theta: base of the rotary embedding.
        norm_eps: what the norms add to the mean square.
    """

    hidden_size: int
    layers: int
    heads: int
    intermediate_size: int
    context: int
    kv_heads: int | None = None
    tie_embeddings: bool = True
    rope_theta: float = 10_000.0
    norm_eps: float = field(default=1e-6, metadata=LATER)

    def __post_init__(self) -> None:
        for name in (
            "hidden_size",
            "layers",
            "heads",
            "kv_heads",
            "intermediate_size",
            "rope_theta",
            "norm_eps",
        ):
            value = getattr(self, name)
            if value is not None and not value > 0:
                raise ConfigError(f"{name} must be above 0, got {value}")
        if self.hidden_size % self.heads:
            raise ConfigError(
                f"hidden_size must be a multiple of the {self.heads} heads, got {self.hidden_size}"
            )
        if self.heads % (self.kv_heads or self.heads):
            raise ConfigError(f"kv_heads must divide the {self.heads} heads, got {self.kv_heads}")
        if self.context < 8:
            raise ConfigError(f"context must be at least 8 tokens, got {self.context}")

    def llama(self, vocab_size: int) -> LlamaConfig:
        """The `transformers` configuration."""
        from transformers import LlamaConfig

        return LlamaConfig(
            vocab_size=vocab_size,
            hidden_size=self.hidden_size,
            num_hidden_layers=self.layers,
            num_attention_heads=self.heads,
            num_key_value_heads=self.kv_heads or self.heads,
            intermediate_size=self.intermediate_size,
            max_position_embeddings=self.context,
            tie_word_embeddings=self.tie_embeddings,
            initializer_range=0.02,
            use_cache=False,
            rms_norm_eps=self.norm_eps,
            rope_parameters={"rope_type": "default", "rope_theta": self.rope_theta},
            bos_token_id=0,
            eos_token_id=0,
            attn_implementation="sdpa",  # type: ignore[call-arg]
        )


def build_model(proxy: ProxyConfig, vocab_size: int, seed: int) -> LlamaForCausalLM:
    """A model with fresh weights, on the CPU in fp32; the same seed gives the same weights.

    Normal(0, 0.02) as in GPT-2, with the matrices that write to the residual stream scaled by
    1 / sqrt(2 layers) (Radford et al. 2019, section 2.3). The caller's random state is left alone.
    """
    from transformers import LlamaForCausalLM

    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = LlamaForCausalLM(proxy.llama(vocab_size))
        scale = 1 / math.sqrt(2 * proxy.layers)
        with torch.no_grad():
            for layer in model.model.layers:
                layer.self_attn.o_proj.weight.mul_(scale)
                layer.mlp.down_proj.weight.mul_(scale)
    return model


def count_parameters(model: torch.nn.Module) -> int:
    """All parameters, shared ones once."""
    return sum(parameter.numel() for parameter in model.parameters())


def training_flops(model: LlamaForCausalLM, tokens: int, context: int) -> float:
    """Multiply-adds times two of forward and backward: 6 N + 12 L H Q T per token.

    N counts the parameters that multiply (input embeddings do not, unless tied to the output), L
    layers, H x Q the attention width, T the context (Chowdhery et al. 2022, PaLM, appendix B).
    """
    config = model.config
    n = count_parameters(model)
    if not config.tie_word_embeddings:
        n -= config.vocab_size * config.hidden_size
    return float(tokens) * (6 * n + 12 * config.num_hidden_layers * config.hidden_size * context)
