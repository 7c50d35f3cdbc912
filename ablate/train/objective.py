"""What training minimises, as one module, so that compilation and data parallelism wrap all of it."""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import nn
from transformers import LlamaForCausalLM


class NextTokenLoss(nn.Module):
    """Mean cross-entropy of each token given those before it, in nats.

    The layers are called one by one because `LlamaModel.forward` looks for packed sequences in every
    call: on a GPU that waits for the device, and under torch.compile it builds a mask that keeps
    attention off its causal fast path. A test holds the two forward passes equal.
    """

    def __init__(self, model: LlamaForCausalLM) -> None:
        super().__init__()
        self.model = model

    def forward(self, sequences: torch.Tensor) -> torch.Tensor:
        """Loss of `sequences`, shape (n, context + 1), int64; a scalar."""
        llama = self.model.model
        hidden = llama.embed_tokens(sequences[:, :-1])
        positions = torch.arange(hidden.shape[1], device=hidden.device)[None]
        rotation = llama.rotary_emb(hidden, position_ids=positions)
        for layer in llama.layers:
            hidden = layer(hidden, position_embeddings=rotation, position_ids=positions)
        logits = self.model.lm_head(llama.norm(hidden))
        return F.cross_entropy(logits.flatten(0, 1).float(), sequences[:, 1:].flatten())
