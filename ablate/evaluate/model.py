"""Our model behind lm-eval's interface, with every request tokenised and batched only once."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from lm_eval.api.instance import Instance
from lm_eval.api.model import TemplateLM
from lm_eval.utils import get_rolling_token_windows, make_disjoint_window

logging.getLogger("lm_eval").setLevel(logging.ERROR)

LOGITS_AT_ONCE = 2**25
"""Floats of logits held at a time."""

Pair = tuple[list[int], list[int]]
"""Token ids of context and continuation."""


@dataclass(frozen=True)
class _Batch:
    tokens: torch.Tensor  # (sequences, length), right-padded
    row: torch.Tensor  # (targets,) which sequence
    column: torch.Tensor  # (targets,) the position that predicts
    target: torch.Tensor  # (targets,) the token predicted
    request: torch.Tensor  # (targets,) whose it is


class Requests:
    """Tokenised log-likelihood requests, cut into batches of like length; made once, scored often.

    Args:
        pairs: context and continuation of each request.
        context: longest input of the model, in tokens; longer ones lose their beginning.
        batch_tokens: padded tokens per forward pass.
    """

    def __init__(self, pairs: Sequence[Pair], context: int, batch_tokens: int) -> None:
        self.count = len(pairs)
        inputs, targets = [], []
        for before, after in pairs:
            whole = (before + after)[-(context + 1) :]
            inputs.append(whole[:-1])
            targets.append(after[-len(whole) + 1 :] if len(after) >= len(whole) else after)
        order = sorted(range(self.count), key=lambda i: (-len(inputs[i]), i))
        self.batches: list[_Batch] = []
        while order:
            length = max(1, len(inputs[order[0]]))
            size = max(1, batch_tokens // length)
            self.batches.append(self._batch(order[:size], inputs, targets, length))
            order = order[size:]

    @staticmethod
    def _batch(chosen: list[int], inputs: list[list[int]], targets: list[list[int]], length: int) -> _Batch:
        tokens = np.zeros((len(chosen), length), dtype=np.int64)
        row: list[int] = []
        column: list[int] = []
        target: list[int] = []
        request: list[int] = []
        for number, index in enumerate(chosen):
            ids, wanted = inputs[index], targets[index]
            tokens[number, : len(ids)] = ids
            row += [number] * len(wanted)
            column += range(len(ids) - len(wanted), len(ids))
            target += wanted
            request += [index] * len(wanted)
        return _Batch(
            torch.from_numpy(tokens), *(torch.tensor(part) for part in (row, column, target, request))
        )

    @torch.inference_mode()
    def score(self, model: Any) -> list[tuple[float, bool]]:
        """Log-likelihood in nats of each continuation, and whether greedy decoding would give it."""
        device = next(model.parameters()).device
        total = torch.zeros(self.count, dtype=torch.float64)
        greedy = torch.ones(self.count, dtype=torch.bool)
        for batch in self.batches:
            # Padding stands to the right of a causal model's inputs, so no position sees it.
            hidden = model.model(input_ids=batch.tokens.to(device)).last_hidden_state
            hidden = hidden[batch.row.to(device), batch.column.to(device)]
            target = batch.target.to(device)
            at_once = max(1, LOGITS_AT_ONCE // model.config.vocab_size)
            for first in range(0, target.numel(), at_once):
                part = slice(first, first + at_once)
                logits = model.lm_head(hidden[part]).float()
                picked = logits.gather(1, target[part, None]).squeeze(1) - logits.logsumexp(1)
                total.index_add_(0, batch.request[part], picked.cpu().double())
                missed = batch.request[part][(logits.argmax(1) != target[part]).cpu()]
                greedy[missed] = False
        return list(zip(total.tolist(), greedy.tolist(), strict=True))


class ProxyLM(TemplateLM):
    """A causal language model and its tokenizer as lm-eval sees them.

    Attributes:
        model: what is scored; may be replaced between calls.
        context: longest input in tokens.
        batch_tokens: padded tokens per forward pass.
    """

    def __init__(self, tokenizer: Any, context: int, batch_tokens: int) -> None:
        super().__init__()
        self.tokenizer, self.context, self.batch_tokens = tokenizer, context, batch_tokens
        self.model: Any = None

    @property
    def eot_token_id(self) -> int:
        """End-of-text; also what stands before a request without context."""
        return int(self.tokenizer.eos_token_id)

    def tok_encode(self, string: str, add_special_tokens: bool | None = None, **_: Any) -> list[int]:
        """Token ids, without special tokens."""
        return list(self.tokenizer.encode(string, add_special_tokens=False))

    def encode(self, requests: Sequence[Instance]) -> list[Pair]:
        """Token ids of log-likelihood requests; context and ending are split as lm-eval splits them."""
        pairs = [tuple(instance.args) for instance in requests]
        texts = [context + ending for context, ending in pairs]
        starts = [context.rstrip() for context, _ in pairs]
        whole = self._many(texts)
        distinct = list(dict.fromkeys(starts))
        lengths = dict(zip(distinct, (len(ids) for ids in self._many(distinct)), strict=True))
        out: list[Pair] = []
        for (context, ending), start, ids in zip(pairs, starts, whole, strict=True):
            if context == "":
                # As TemplateLM.loglikelihood does; a BOS of the ending's own would be used instead.
                out.append(([self.prefix_token_id], self.tok_encode(ending)))
            else:
                out.append((ids[: lengths[start]], ids[lengths[start] :]))
        return out

    def _many(self, texts: Sequence[str]) -> list[list[int]]:
        encodings = self.tokenizer.backend_tokenizer.encode_batch(list(texts), add_special_tokens=False)
        return [encoding.ids for encoding in encodings]

    def rolling(self, texts: Sequence[str]) -> tuple[list[Pair], list[int]]:
        """Windows that score each text whole, and the text each window belongs to."""
        pairs: list[Pair] = []
        owner: list[int] = []
        for number, ids in enumerate(self._many(texts)):
            windows = get_rolling_token_windows(
                token_list=ids, prefix_token=self.prefix_token_id, max_seq_len=self.context, context_len=1
            )
            for window in map(make_disjoint_window, windows):
                pairs.append(window)
                owner.append(number)
        return pairs, owner

    def _score(self, pairs: Sequence[Pair]) -> list[tuple[float, bool]]:
        assert self.model is not None, "set .model first"
        return Requests(pairs, self.context, self.batch_tokens).score(self.model)

    def _loglikelihood_tokens(self, requests: Any, **_: Any) -> list[tuple[float, bool]]:
        return self._score([(context, ending) for _, context, ending in requests])

    def loglikelihood_rolling(self, requests: list[Instance], disable_tqdm: bool = False) -> list[float]:
        """Log-likelihood of whole texts."""
        pairs, owner = self.rolling([instance.args[0] for instance in requests])
        totals = np.zeros(len(requests))
        np.add.at(totals, owner, [value for value, _ in self._score(pairs)])
        return [float(total) for total in totals]

    @torch.inference_mode()
    def generate_until(self, requests: list[Instance], disable_tqdm: bool = False) -> list[str]:
        """Greedy continuation of each context up to a stop text."""
        assert self.model is not None, "set .model first"
        device = next(self.model.parameters()).device
        texts = []
        for instance in requests:
            context, options = instance.args
            length = min(int(options.get("max_gen_toks", 64)), self.context // 2)
            ids = self.tok_encode(context)[-(self.context - length) :] or [self.eot_token_id]
            made = self.model.generate(
                torch.tensor([ids], device=device), max_new_tokens=length, do_sample=False, use_cache=True,
                pad_token_id=self.eot_token_id, eos_token_id=self.eot_token_id,
            )  # fmt: skip
            text = str(self.tokenizer.decode(made[0, len(ids) :], skip_special_tokens=True))
            stops = options.get("until") or []
            for stop in [stops] if isinstance(stops, str) else stops:
                text = text.split(stop)[0] if stop else text
            texts.append(text)
        return texts
