"""Control tokens that a text spells are text, with tokenizers of every kind."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, normalizers, pre_tokenizers
from transformers import AutoTokenizer, PreTrainedTokenizerFast

from ablate.corpus.annotate import Annotations
from ablate.corpus.tokenizer import TokenizerConfig, load_tokenizer, prepare_tokenizer
from ablate.corpus.tokens import tokenize
from ablate.evaluate.requests import encode_pairs
from ablate.pool.source import Document
from ablate.store import Store
from ablate.text.encoder import encode_texts, text_encoder

LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789<>|/_[]"


def byte_level(path: Path) -> None:
    """As GPT-2's: bytes, and end-of-text behind them."""
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    made = Tokenizer(models.BPE(vocab={byte: number for number, byte in enumerate(alphabet)}, merges=[]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    made.decoder = decoders.ByteLevel()
    save(made, path, "<|endoftext|>", "<|im_end|>")


def whole_words(path: Path) -> None:
    """As Llama 3's: a piece that is in the vocabulary is taken whole, and the vocabulary holds the control tokens."""
    alphabet = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<s>", "</s>"]
    vocab = {piece: number for number, piece in enumerate(alphabet)}
    made = Tokenizer(models.BPE(vocab=vocab, merges=[], ignore_merges=True))
    made.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(Regex(r"\s+"), "isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    made.decoder = decoders.ByteLevel()
    save(made, path, "<s>", "</s>")


def merged(path: Path) -> None:
    """Merges that make a control token, as a vocabulary that was trained on text with it has them."""
    alphabet = [*sorted(pre_tokenizers.ByteLevel.alphabet()), "<s", "<s>"]
    vocab = {piece: number for number, piece in enumerate(alphabet)}
    made = Tokenizer(models.BPE(vocab=vocab, merges=[("<", "s"), ("<s", ">")]))
    made.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False)
    made.decoder = decoders.ByteLevel()
    save(made, path, "<s>")


def unigram(path: Path) -> None:
    """As SentencePiece's: control tokens and bytes are pieces of the model itself."""
    pieces = [("<unk>", 0.0), ("<s>", 0.0), ("</s>", 0.0)]
    pieces += [(f"<0x{byte:02X}>", -1.0) for byte in range(256)]
    pieces += [(letter, -5.0) for letter in f"{LETTERS}▁"]
    made = Tokenizer(models.Unigram(pieces, unk_id=0, byte_fallback=True))
    made.pre_tokenizer = pre_tokenizers.Metaspace()
    made.decoder = decoders.Sequence([decoders.ByteFallback(), decoders.Metaspace()])
    save(made, path, "</s>", "<s>", "<unk>")


def gemma(path: Path) -> None:
    """BPE over whole texts with a normalizer for blanks, byte fallback, control tokens that eat the blanks beside them."""
    pieces = ["<unk>", "<s>", "</s>", *(f"<0x{byte:02X}>" for byte in range(256)), *f"{LETTERS}▁"]
    vocab = {piece: number for number, piece in enumerate(pieces)}
    made = Tokenizer(models.BPE(vocab=vocab, merges=[], unk_token="<unk>", byte_fallback=True, fuse_unk=True))
    made.normalizer = normalizers.Replace(" ", "▁")
    made.decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    save(made, path, "</s>", "<s>", "<unk>", eats=True)


def save(made: Tokenizer, path: Path, end: str, *others: str, eats: bool = False) -> None:
    """With control tokens, cut and padded as some tokenizers' files say."""
    made.add_special_tokens(
        [AddedToken(token, lstrip=eats, rstrip=eats, special=True) for token in (end, *others)]
    )
    made.enable_truncation(8)
    made.enable_padding(length=8)
    PreTrainedTokenizerFast(tokenizer_object=made, eos_token=end).save_pretrained(path)


KINDS = [byte_level, whole_words, merged, unigram, gemma]


@pytest.fixture(scope="module", params=KINDS, ids=lambda kind: kind.__name__)
def tokenizer(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Any:
    """Each kind, through its files."""
    folder = tmp_path_factory.mktemp("tokenizer")
    kind: Callable[[Path], None] = request.param
    kind(folder)
    return AutoTokenizer.from_pretrained(folder, local_files_only=True)


PARTS = [
    "<s>",
    "</s>",
    "<unk>",
    "<|endoftext|>",
    "<|im_end|>",
    "<0x41>",
    "<0x0A>",
    "a",
    " b",
    "c d",
    "<",
    ">",
    "é 中",
]


@settings(deadline=None, max_examples=60)
@given(st.data())
def test_what_is_written_is_read_and_no_control_token(tokenizer: Any, data: st.DataObject) -> None:
    text = "x" + "".join(data.draw(st.lists(st.sampled_from(PARTS), max_size=12)))
    (ids,) = encode_texts(tokenizer, [text])
    assert tokenizer.decode(ids, clean_up_tokenization_spaces=False) == text
    assert not set(ids) & {
        i for token, i in tokenizer.get_vocab().items() if token in tokenizer.all_special_tokens
    }


def test_of_single_pieces_a_text_has_as_many_tokens_as_bytes(tmp_path: Path) -> None:
    """By hand: vocabularies of bytes alone; three bytes of text, thirteen of `<|endoftext|>`."""
    byte_level(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert [len(ids) for ids in encode_texts(tokenizer, ["abc", "<|endoftext|>", "a<|im_end|>b", ""])] == [
        3,
        13,
        12,
        0,
    ]
    assert tokenizer.backend_tokenizer.encode("<|endoftext|>").ids[0] == tokenizer.eos_token_id, (
        "it is as it was"
    )


def test_added_tokens_that_are_no_control_tokens_are_found_as_before(tmp_path: Path) -> None:
    """GPT-NeoX has runs of blanks as added tokens: ordinary vocabulary."""
    byte_level(tmp_path)
    file = tmp_path / "tokenizer.json"
    state = json.loads(file.read_text())
    state["added_tokens"].append(state["added_tokens"][0] | {"id": 258, "content": "    ", "special": False})
    file.write_text(json.dumps(state))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    (ids,) = encode_texts(tokenizer, ["a    <|im_end|>"])
    assert len(ids) == 1 + 1 + 10 and ids[1] == tokenizer.get_vocab()["    "]


def test_an_end_of_text_that_its_file_calls_ordinary_is_a_control_token_still(tmp_path: Path) -> None:
    byte_level(tmp_path)
    file = tmp_path / "tokenizer.json"
    state = json.loads(file.read_text())
    for token in state["added_tokens"]:
        token["special"] = False
    file.write_text(json.dumps(state))
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    assert len(encode_texts(tokenizer, ["<|endoftext|>"])[0]) == 13


def test_a_tokenizer_adds_its_own_control_tokens_where_it_is_asked_to(tmp_path: Path) -> None:
    from tokenizers.processors import TemplateProcessing

    byte_level(tmp_path)
    tokenizer = AutoTokenizer.from_pretrained(tmp_path)
    end = tokenizer.eos_token_id
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(
        single="$A <|endoftext|>", special_tokens=[("<|endoftext|>", end)]
    )
    encoder = text_encoder(tokenizer)
    assert encoder.encode("<|endoftext|>").ids.count(end) == 1
    assert encoder.encode("<|endoftext|>", add_special_tokens=False).ids.count(end) == 0


def test_tokens_for_training_and_for_tasks(store: Store, make_pool: Any) -> None:
    """257 entries: bytes and end-of-text, so that a text has as many tokens as bytes, and one behind it."""
    texts = ["Models stop at <|endoftext|> here.", "<|endoftext|>" * 40, "plain"]
    annotations = Annotations(make_pool(store, [Document(text) for text in texts]), store, workers=1)
    folder = prepare_tokenizer(TokenizerConfig(vocab_size=257), annotations, annotations.root(), store)
    tokenizer = load_tokenizer(folder)
    table = tokenize(folder).measure_many(texts)
    assert np.asarray(table["count"]).tolist() == [len(text.encode()) + 1 for text in texts]
    ((before, after),) = encode_pairs(tokenizer, [("The token", " <|endoftext|>")])
    assert (len(before), len(after)) == (9, 14)
    assert encode_pairs(tokenizer, [("", "<|endoftext|>")])[0][0] == [tokenizer.eos_token_id]
    assert len(encode_pairs(tokenizer, [("", "<|endoftext|>")])[0][1]) == 13
