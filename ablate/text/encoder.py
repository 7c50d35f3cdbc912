"""Text read as text: a tokenizer that takes no word of it for one of its control tokens.

A page that spells `<|endoftext|>` or `<s>` writes about those tokens; it does not end a document. tokenizers
finds control tokens in text in three ways, and each is closed here: as added tokens, before anything else;
by a model that has them among its own pieces (Unigram, WordLevel); and as the pieces that stand for single
bytes (`<0x0A>`). What a tokenizer adds to a text by itself (its post-processor) stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from functools import lru_cache
from typing import Any

from tokenizers import Regex, Tokenizer, pre_tokenizers

AT_ONCE = 256
"""Texts encoded at a time."""
BYTE = re.compile(r"<0x[0-9A-F]{2}>")


def encode_texts(tokenizer: Any, texts: Sequence[str]) -> list[list[int]]:
    """Token ids of each text, whole and as text: no control token is added, none is found in it.

    Args:
        tokenizer: a fast tokenizer of `transformers`.
        texts: any.
    """
    encoder = _shared(tokenizer)
    return [
        encoding.ids
        for first in range(0, len(texts), AT_ONCE)
        for encoding in encoder.encode_batch_fast(
            list(texts[first : first + AT_ONCE]), add_special_tokens=False
        )
    ]


def text_encoder(tokenizer: Any) -> Tokenizer:
    """A copy of a fast tokenizer's backend that reads text as text, neither cut nor padded.

    Args:
        tokenizer: a fast tokenizer of `transformers`; it stays as it is.
    """
    state = json.loads(tokenizer.backend_tokenizer.to_str())
    named = set(tokenizer.all_special_tokens)
    for token in state["added_tokens"]:
        token["special"] = token["special"] or token["content"] in named
    state["truncation"] = state["padding"] = None
    encoder = Tokenizer.from_str(json.dumps(state))
    encoder.encode_special_tokens = True
    control = named | {token["content"] for token in state["added_tokens"] if token["special"]}
    control |= {token for token in encoder.get_vocab(with_added_tokens=False) if BYTE.fullmatch(token)}
    found = sorted(token for token in control if len(token) > 1 and _finds(encoder, token))
    if found:
        own = encoder.pre_tokenizer
        encoder.pre_tokenizer = pre_tokenizers.Sequence([*([own] if own else []), _cut_inside(found)])
    return encoder


_shared = lru_cache(maxsize=4)(text_encoder)


def _finds(encoder: Tokenizer, token: str) -> bool:
    """Whether the model makes the token of a text that spells it."""
    number = encoder.token_to_id(token)
    spelled = encoder.encode_batch([token, f" {token}", f"a{token}b"], add_special_tokens=False)
    return any(number in encoding.ids for encoding in spelled)


def _cut_inside(tokens: Sequence[str]) -> Any:
    """A pre-tokenizer that cuts each token's spelling behind its first character, so that no model sees it whole."""
    rests = "|".join(f"{re.escape(token[0])}(?={re.escape(token[1:])})" for token in tokens)
    return pre_tokenizers.Split(Regex(rests), "merged_with_previous")
