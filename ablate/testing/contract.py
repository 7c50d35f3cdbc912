"""What the checks share: the error, texts to try, other values of a field, and how two outputs are compared."""

from __future__ import annotations

import ast
import dataclasses
import inspect
import json
import sys
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, TypeVar

import numpy as np

from ablate.errors import AblateError
from ablate.fingerprint import canonical_json
from ablate.typed import typed

if TYPE_CHECKING:
    from hypothesis.strategies import SearchStrategy

REFUSED = (AblateError, ValueError, TypeError, OSError, OverflowError)
"""What a class raises for a value that it does not take."""
MOST_TRIED = 40
"""Values tried of a field."""

WORDS = [
    "the",
    "rain",
    "fell",
    "on",
    "a",
    "small",
    "town",
    "and",
    "river",
    "of",
    "light",
    "have",
    "been",
    "with",
    "that",
    "to",
    "be",
    "I",
    ".",
    "!",
    "?",
    "…",
    "...",
    "#",
    "-",
    "•",
    "{",
    "}",
    "[3]",
    "Home",
    "|",
    "About",
    "cookies",
    "javascript",
    "lorem",
    "ipsum",
    "8.8.8.8",
    "1,234.5",
    "v1.2.3.4",
    "jane.roe@acme.com",
    "https://a.example/b",
    "Straße",
    "école",
    "école",
    "नमस्ते",
    "สวัสดี",
    "雨が降った。",
    "ভাষা",
    "ברית",
    "😀",
    "\x00",
]
LETTERS = "It rained all night; in the morning the lower field was under water, said the keeper of the mill. "


def usual_texts() -> list[str]:
    """Texts of many shapes: lines of every length up to 80, short and long, repeated, of several scripts, pages."""
    lines = [(LETTERS * 2)[:n] for n in range(1, 81)]
    prose = [LETTERS * n for n in (1, 2, 5, 12)]
    drawn = [
        " ".join(WORDS[(start + step * i) % len(WORDS)] for i in range(60))
        for start in (0, 7)
        for step in (1, 5, 11)
    ]
    pages = [f"<html><body><nav><a href='/'>Home</a></nav><p>{text}</p></body></html>" for text in prose]
    return [
        "",
        " \n\t ",
        ".",
        "word",
        "word " * 40,
        "a\n" * 12,
        "one two\n\none two\n\nthree",
        *lines[::9],
        *prose,
        "\n".join(lines),
        "\n\n".join(lines[::7]),
        "\n".join([LETTERS] * 6),
        "\r\n".join([*lines[20:30], *lines[25:35]]),
        *drawn,
        "".join(WORDS[-9:]),
        *pages,
    ]


def usual_addresses() -> list[str]:
    """Addresses of the kinds that pages have."""
    paths = ["", "/", "/a/b.html?q=1", "/porn/free-sex-videos", "/~bad/page", "/caf%C3%A9"]
    hosts = [
        "good.example",
        "www.bad.example",
        "a.b.bad.example",
        "8.8.8.8",
        "xn--caf-dma.example",
        "café.example",
    ]
    return ["", "no address", *(f"https://{host}{path}" for host in hosts for path in paths)]


def as_read(step: object, texts: Sequence[str]) -> list[str]:
    """The texts, or for a filter of metadata as many records, with a number in the column that it names."""
    if getattr(step, "reads", "text") != "metadata":
        return list(texts)
    name = getattr(step, "column", "score")
    return [json.dumps({name: len(text)} if text else {}) for text in texts]


Built = TypeVar("Built")


class ContractError(AssertionError):
    """Something does not keep what the store relies on."""


def require(holds: object, message: str) -> None:
    """Raise ContractError unless it holds."""
    if not holds:
        raise ContractError(message)


def drawn_texts() -> SearchStrategy[list[str]]:
    """A hypothesis strategy: lists of texts.

    Raises:
        ImportError: when hypothesis is not installed; says how to.
    """
    try:
        from hypothesis import strategies as st
    except ImportError:
        raise ImportError("ablate.testing draws texts with hypothesis: pip install hypothesis") from None
    pieces = [*WORDS, LETTERS.strip(), "\n", "\n\n", "\r\n"]
    text = st.one_of(
        st.text(st.characters(exclude_categories=["Cs"]), max_size=120),
        st.lists(st.sampled_from(pieces), max_size=60).map(" ".join),
    )
    return st.lists(text, max_size=6)


def same(one: object, other: object) -> bool:
    """Whether two outputs are equal to the last bit, NaN being equal to itself."""
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        return one.keys() == other.keys() and all(same(one[name], other[name]) for name in one)
    if isinstance(one, np.ndarray) or isinstance(other, np.ndarray):
        one, other = np.asarray(one), np.asarray(other)
        floats = one.dtype.kind == other.dtype.kind == "f"
        return one.shape == other.shape and bool(np.array_equal(one, other, equal_nan=floats))
    if isinstance(one, (list, tuple)) and isinstance(other, (list, tuple)):
        return len(one) == len(other) and all(map(same, one, other))
    if dataclasses.is_dataclass(one) and type(one) is type(other):
        return all(same(getattr(one, f.name), getattr(other, f.name)) for f in dataclasses.fields(one))
    return bool(one == other) or (one != one and other != other)


def is_frozen(cls: type) -> bool:
    """Whether a class is a frozen dataclass."""
    parameters = getattr(cls, "__dataclass_params__", None)
    return parameters is not None and bool(parameters.frozen)


def check_canonical(identity: object, what: str) -> None:
    """An identity must have one form, and the same after it was written as JSON and read."""
    try:
        written = canonical_json(identity)
    except (TypeError, ValueError) as error:
        raise ContractError(f"{what} has no canonical form ({error}); it must be plain data") from error
    require(
        canonical_json(json.loads(written)) == written,
        f"{what} is not the same after it was written and read; keys must be text",
    )


def variations(
    built: Built, given: Mapping[str, Sequence[object]] | None = None
) -> Iterator[tuple[str, object, Built]]:
    """(field, value, the same object with that value) for other values that its class takes.

    Args:
        built: a frozen dataclass.
        given: field -> values to try beside the usual ones.
    """
    words, hints = _words_of(type(built)), typing.get_type_hints(type(built))
    assert dataclasses.is_dataclass(built) and not isinstance(built, type)
    for entry in dataclasses.fields(built):
        if not entry.init:
            continue
        current, tried = getattr(built, entry.name), 0
        for value in [*(given or {}).get(entry.name, ()), *_others(current, words)]:
            if type(value) is type(current) and value == current:
                continue
            try:
                value = typed(value, hints[entry.name], entry.name)  # as a configuration is read
                changed = dataclasses.replace(built, **{entry.name: value})
                canonical_json(changed.identity() if hasattr(changed, "identity") else value)
            except REFUSED:
                continue
            yield entry.name, value, changed
            tried += 1
            if tried >= MOST_TRIED:
                break


def _others(value: object, words: Sequence[str]) -> Iterable[object]:
    if isinstance(value, bool):
        return [not value]
    if isinstance(value, int):
        return dict.fromkeys([value + 1, value - 1, value * 2, value // 2, value + 7, 0, 1, 2, 3, 10**6])
    if isinstance(value, float):
        return dict.fromkeys([value / 2, value * 2, value + 0.01, value - 0.01, 0.0, 0.25, 0.5, 1.0])
    if isinstance(value, str):
        return [*words, f"{value}x", ""]
    if value is None:
        return [1, 3, 8, 0.5, *words, ()]
    if isinstance(value, (tuple, list)) and value:
        kind = type(value)
        return [
            kind(value[1:]),
            kind(value[:-1]),
            kind([*value, value[0]]),
            *(kind([word]) for word in words),
        ]
    return [(word,) for word in words] if isinstance(value, tuple) else []


def _words_of(cls: type) -> list[str]:
    """Short words that stand in the module of a class: among them are the values that its fields may take."""
    try:
        tree = ast.parse(inspect.getsource(sys.modules[cls.__module__]))
    except (OSError, TypeError, KeyError, SyntaxError):
        return []
    found = (
        node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Constant) and isinstance(node.value, str)
    )
    return list(dict.fromkeys(word for word in found if word.isidentifier() and len(word) <= 24))
