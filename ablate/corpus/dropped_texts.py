"""Some of the texts that each stage dropped, to be read: reasons and counts do not show whom a filter threw out."""

from __future__ import annotations

import html
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from ablate.corpus.annotate import RAW, Annotations, TextVersion
from ablate.corpus.ledger import addresses, hex_keys
from ablate.corpus.view import Corpus, Decision
from ablate.fingerprint import mix64
from ablate.settings import MOST_DROPPED_TEXTS
from ablate.shape import from_json, to_json
from ablate.store import read_json, write_json

FILE = "dropped_texts.json"
CHARACTERS = 400
"""Of a text's beginning."""
MORE = " ..."
LOOKED_AT = 200_000
"""Characters of HTML source that are looked at for its visible text."""
MARKUP = re.compile(
    r"(?is)<(script|style|noscript)\b.*?(?:</\1\s*>|\Z)|<head\b.*?(?:</head\s*>|(?=<body)|\Z)|<!--.*?(?:-->|\Z)|<[^<>]*>"
)
"""What a reader does not see; each match begins where the one before ended, so that hostile markup takes no longer."""


@dataclass(frozen=True, kw_only=True)
class DroppedText:
    """One text that a stage dropped.

    Attributes:
        stage: its name in the recipe.
        reason: the stage's word for why.
        key: of the document, 16 hex digits.
        url, source: where the document came from; empty where that is not known.
        text: the beginning of what the stage received, on one line; of HTML source roughly what a reader would see.
    """

    stage: str
    reason: str
    key: str
    url: str
    source: str
    text: str


def dropped_texts(corpus: Corpus, annotations: Annotations) -> list[DroppedText]:
    """Return up to `MOST_DROPPED_TEXTS` texts for each stage and reason: those of the lowest hashed keys, so that arms show the same ones."""
    return [text for decision in corpus.decisions for text in _of(decision, annotations)]


def _of(decision: Decision, annotations: Annotations) -> Iterator[DroppedText]:
    keys, chosen = annotations.pool.keys, {}
    for code, reason in enumerate(decision.verdict.reasons, 1):
        chosen[reason] = lowest(keys, decision.rows[decision.verdict.code == code], MOST_DROPPED_TEXTS)
    if not (rows := np.unique(np.concatenate([np.empty(0, np.int64), *chosen.values()]))).size:
        return
    texts = dict(excerpts(annotations, decision.before, rows, CHARACTERS))
    about = [one for table, _, _ in addresses(annotations.pool, rows) for one in table.to_pylist()]
    named = dict(zip(rows.tolist(), zip(hex_keys(keys[rows]).to_pylist(), about, strict=True), strict=True))
    for reason, some in chosen.items():
        for row in some.tolist():
            key, where = named[row]
            yield DroppedText(
                stage=decision.stage,
                reason=reason,
                key=key,
                url=where["url"] or "",
                source=where["source"] or "",
                text=texts[row],
            )


def lowest(keys: np.ndarray, rows: np.ndarray, count: int) -> np.ndarray:
    """Return those rows, `count` at most, whose documents have the lowest hashed keys: a draw that is the same wherever they stand.

    Args:
        keys: of the pool's documents, shape (n,), uint64.
        rows: of the pool, ascending.
        count: how many.
    """
    return np.asarray(rows[np.argsort(mix64(keys[rows], 0), kind="stable")[:count]])


def is_markup(annotations: Annotations, version: TextVersion, rows: np.ndarray) -> np.ndarray:
    """Tell which texts of a version are still HTML source: shape (len(rows),), bool."""
    raw = version.segments.index(RAW)
    return np.asarray((version.which[rows] == raw) & annotations.pool.is_html[rows])


def excerpts(
    annotations: Annotations, version: TextVersion, rows: np.ndarray, characters: int
) -> Iterator[tuple[int, str]]:
    """Give (row, beginning of the text) for ascending pool rows."""
    markup = dict(zip(rows.tolist(), is_markup(annotations, version, rows).tolist(), strict=True))
    for row, text in annotations.texts(version, rows):
        yield row, excerpt(text, characters, is_html=markup[row])


def excerpt(text: str, characters: int, *, is_html: bool = False) -> str:
    """Return the beginning of a text on one line; of HTML source roughly what a reader would see."""
    shown = html.unescape(MARKUP.sub(" ", text[:LOOKED_AT])) if is_html else text[: 20 * characters]
    line = " ".join(shown.split())
    if len(line) <= characters:
        return line
    cut = line[: characters - len(MORE)]
    words = cut.rsplit(" ", 1)[0]  # a script without blanks is cut where the room ends
    return (words if len(words) > len(cut) // 2 else cut) + MORE


def write_dropped_texts(path: Path, texts: Sequence[DroppedText]) -> None:
    """Write them, sealed."""
    write_json(path, to_json(texts), seal=True)


def read_dropped_texts(path: Path) -> list[DroppedText]:
    """Read them; none where there is no file, as beside records of an earlier version.

    Raises:
        DataError: when the file holds something else.
    """
    if not path.exists():
        return []
    return [from_json(DroppedText, one, f"{path}: {number}") for number, one in enumerate(read_json(path))]
