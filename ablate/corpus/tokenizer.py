"""The tokenizer: a byte-level BPE trained once per pool, or any pretrained one by name."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from tokenizers import Tokenizer as Bpe
from tokenizers import decoders, models, pre_tokenizers, trainers

from ablate.corpus.annotate import Annotations, TextVersion
from ablate.corpus.shard import Shard
from ablate.errors import ConfigError, DataError
from ablate.fingerprint import digest, library_versions, mix64
from ablate.plain import Plain
from ablate.store import Store, once_files

if TYPE_CHECKING:
    from transformers import PreTrainedTokenizerFast

MOST_ENTRIES = 1_000_000
"""Of a vocabulary that is trained; more only ends in a lack of memory."""
END_OF_TEXT = "<|endoftext|>"
LIBRARIES = ("tokenizers",)
"""Whose version may change what tokens a text becomes."""


@dataclass(frozen=True, kw_only=True)
class TokenizerConfig:
    """Which tokenizer a study uses. All arms share it, so bits per byte and budgets compare.

    Attributes:
        pretrained: hub name or local folder, whose content counts and not its place; null trains one on the pool.
        revision: commit, tag or branch of a pretrained one from the hub.
        vocab_size: entries of the trained one.
        sample_bytes: how much text it is trained on.
        text: the stage that makes its text of HTML pages: null for the recipe's first stage that reads HTML
            alone, the name of a stage of the recipe, or that stage's node. It is taken as the recipe configures
            it, wherever it stands and whatever an arm makes of it, so that all arms of all designs train the
            same tokenizer. "raw" takes pages as they are.
    """

    pretrained: str | None = None
    revision: str | None = None
    vocab_size: int = 8192
    sample_bytes: int = 20_000_000
    text: Any = None

    def __post_init__(self) -> None:
        if not 257 <= self.vocab_size <= MOST_ENTRIES:
            raise ConfigError(
                f"vocab_size must be at least 257 (bytes and end-of-text) and at most {MOST_ENTRIES:,}, "
                f"got {self.vocab_size:,}"
            )
        if self.sample_bytes < 1:
            raise ConfigError(f"sample_bytes must be 1 or more, got {self.sample_bytes}")


def prepare_tokenizer(
    config: TokenizerConfig,
    annotations: Annotations,
    version: TextVersion,
    store: Store,
    *,
    seed: int = 0,
    shard: Shard | None = None,
) -> Path:
    """Train or fetch the tokenizer; returns a folder that `load_tokenizer` reads.

    It is trained on a fixed sample of the unfiltered pool, so that no arm's filters shape it.

    Args:
        config: which.
        annotations: the pool's.
        version: the text version to train on: plain text, not HTML source.
        store: where to keep it.
        seed: of the sample.
        shard: the part of the pool that the sample is taken from; None for all of it.
    """
    tokenizer: Any = None
    identity: dict[str, Plain] = {"libraries": library_versions(LIBRARIES)}
    if config.pretrained and Path(config.pretrained).is_dir():
        tokenizer = _pretrained(config)
        identity |= {"pretrained": _named(tokenizer)}
    elif config.pretrained:
        identity |= {"pretrained": config.pretrained, "revision": config.revision}
    else:
        identity |= {"bpe": 1, "vocab_size": config.vocab_size, "sample_bytes": config.sample_bytes}
        identity |= {"pool": annotations.pool.digest, "version": version.key}
        identity |= ({"seed": seed} if seed else {}) | (shard.identity() if shard else {})
    folder = store.folder("tokenizers", digest(identity), identity)

    def write(place: Path) -> None:
        if config.pretrained:
            made = tokenizer or _pretrained(config)
        else:
            made = _train(config, _sample(config, annotations, version, seed, shard))
        made.save_pretrained(place)

    once_files(folder, "making the tokenizer", write)
    return folder


def _pretrained(config: TokenizerConfig) -> Any:
    from transformers import AutoTokenizer

    try:
        tokenizer = AutoTokenizer.from_pretrained(config.pretrained, revision=config.revision)
    except (OSError, ValueError) as error:
        raise DataError(f"cannot load the tokenizer {config.pretrained!r}: {error}") from error
    if not tokenizer.is_fast or tokenizer.eos_token_id is None:
        raise ConfigError(f"tokenizer {config.pretrained!r} needs a fast version and an end-of-text token")
    return tokenizer


def _sample(
    config: TokenizerConfig, annotations: Annotations, version: TextVersion, seed: int, shard: Shard | None
) -> Iterator[str]:
    pool = annotations.pool
    source = np.arange(len(pool)) if shard is None else shard.rows(pool)
    order = source[np.argsort(mix64(pool.keys[source], seed), kind="stable")]
    within = np.cumsum(annotations.sizes(version)[order]) <= config.sample_bytes
    rows = np.sort(order[: max(1, int(within.sum()))])
    return (text for _, text in annotations.texts(version, rows))


def _train(config: TokenizerConfig, texts: Iterator[str]) -> PreTrainedTokenizerFast:
    from transformers import PreTrainedTokenizerFast

    bpe = Bpe(models.BPE())
    bpe.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    bpe.decoder = decoders.ByteLevel()
    trainer = trainers.BpeTrainer(
        vocab_size=config.vocab_size,
        special_tokens=[END_OF_TEXT],
        initial_alphabet=sorted(pre_tokenizers.ByteLevel.alphabet()),
        show_progress=False,
    )
    bpe.train_from_iterator(texts, trainer)
    return PreTrainedTokenizerFast(tokenizer_object=bpe, eos_token=END_OF_TEXT, bos_token=END_OF_TEXT)


def load_tokenizer(folder: Path) -> Any:
    """Load from a folder of `prepare_tokenizer`."""
    from transformers import AutoTokenizer
    from transformers.utils import logging

    logging.set_verbosity_error()
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


def tokenizer_digest(folder: Path) -> str:
    """Digest of what the tokenizer does, with the version of the library that does it."""
    return digest([_named(load_tokenizer(folder)), library_versions(LIBRARIES)])


def _named(tokenizer: Any) -> list[Any]:
    """What names a tokenizer: how it cuts texts, and the tokens that are put beside them."""
    cut = hashlib.blake2b(tokenizer.backend_tokenizer.to_str().encode(), digest_size=16).hexdigest()
    return [cut, tokenizer.bos_token_id, tokenizer.eos_token_id, len(tokenizer)]
