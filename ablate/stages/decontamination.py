"""Decontamination: what training documents share with the evaluation tasks in use.

Four published ways, as `method`:

    ngram         a document with a 13-gram of an item is dropped (the first of GPT-3's ways, Brown et al. 2020)
    gpt3          the 13-gram and 200 characters on both sides are cut out, pieces of less than 200 characters
                  with them; a document cut into more than 10 pieces is dropped (arXiv 2005.14165, appendix C)
    cosmopedia    10-grams find candidates; a document is dropped when more than half of an item's characters
                  match in order, by difflib (huggingface/cosmopedia, decontamination/decontaminate.py, after
                  phi-1, arXiv 2306.11644, section 2)
    token_ratio   a document is dropped when 70 % of an item's words stand in 8-grams that it shares (the measure
                  of Llama 3, arXiv 2407.21783, section 5.1.4; the threshold of PaLM, arXiv 2204.02311, section 8)

Where a script is written without blanks, n and the least length of an item count in as many characters as say what
a word says: 1.5 of Chinese, 3 of kana, 4 of Thai, Lao, Khmer or Burmese. A formula of 13 characters is short there:
"中国共产党第十九次全国代表大会" has 15.

GPT-3 also passed over n-grams that more than 10 training documents share; that depends on the other documents
and is left out.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar

from ablate.plain import Plain
from ablate.stages._references import MATCHES, Found, References, load_references
from ablate.stages.base import Filter, Relation, Stage, Table, Transform, Verdict
from ablate.text.text_norm import word_spans

NGRAM = {"ngram": 13, "gpt3": 13, "cosmopedia": 10, "token_ratio": 8}
"""Method -> its published n."""
RATIO = {"cosmopedia": 0.5, "token_ratio": 0.7}


@dataclass(frozen=True, kw_only=True)
class Decontamination(Stage):
    """Find the tasks' items in training documents.

    Attributes:
        snapshot: folder of the task snapshot; its content counts for identity, its place does not.
        tasks: names of its tasks.
        method: `ngram`, `gpt3`, `cosmopedia` or `token_ratio`.
        match: what of an item is looked for: `question`, `question_answer` (with the right answer), or `both`,
            the one or the other.
        ngram: words that must match in a row; null for the method's own. An item with fewer must match whole.
        min_words: shorter items are not looked for; they would match by chance.
        min_hits: `ngram`: drop from this many matching n-grams on.
        ratio: `cosmopedia`, `token_ratio`: how much of an item may be given away; null for the method's own.
        window: `gpt3`: characters cut on both sides of a hit.
        min_piece: `gpt3`: characters of a piece that is kept.
        max_pieces: `gpt3`: pieces of a document that is kept.
    """

    name: ClassVar[str] = "decontamination"
    version: ClassVar[int] = 3
    snapshot: str | None = None
    tasks: tuple[str, ...] = ()
    method: str = "ngram"
    match: str = "question_answer"
    ngram: int | None = None
    min_words: int = 8
    min_hits: int = 1
    ratio: float | None = None
    window: int = 200
    min_piece: int = 200
    max_pieces: int = 10

    def __post_init__(self) -> None:
        if self.method not in NGRAM:
            raise ValueError(f"method must be one of {', '.join(NGRAM)}, got {self.method!r}")
        if self.match not in MATCHES:
            raise ValueError(f"match must be one of {', '.join(MATCHES)}, got {self.match!r}")
        if not 1 <= self.min_words <= self.n:
            raise ValueError(f"min_words must be in [1, ngram = {self.n}], got {self.min_words}")
        for name, least in (("min_hits", 1), ("max_pieces", 1), ("window", 0), ("min_piece", 0)):
            if getattr(self, name) < least:
                raise ValueError(f"{name} must be {least} or more, got {getattr(self, name)}")
        if self.ratio is not None and not 0 < self.ratio <= 1:
            raise ValueError(f"ratio must be in (0, 1], got {self.ratio}")

    @property
    def n(self) -> int:
        """Words of an n-gram."""
        return self.ngram if self.ngram is not None else NGRAM[self.method]

    def parameters(self) -> dict[str, Plain]:
        """Name the references by their digest, not by where they lie."""
        parameters = super().parameters()
        del parameters["snapshot"], parameters["tasks"]
        return parameters | {"references": self.references.digest}

    def steps(self) -> tuple[Filter | Transform | Relation, ...]:
        """Return a filter; for `gpt3` a filter and a transform."""
        if self.method == "gpt3":
            count = CountPieces(references=self.references, window=self.window, max_pieces=self.max_pieces)
            return (
                count,
                CutHits(references=self.references, window=self.window, min_piece=self.min_piece),
            )
        return (self.finder,)

    @property
    def finder(self) -> FindItems:
        """What tells which items a text gives away; also what `ngram`, `cosmopedia` and `token_ratio` drop by."""
        ratio = self.ratio if self.ratio is not None else RATIO.get(self.method, 0.0)
        return FindItems(
            references=self.references,
            in_order=self.method == "cosmopedia",
            ratio=ratio if self.method in RATIO else 0.0,
            min_hits=self.min_hits if self.method == "ngram" else 1,
        )

    @cached_property
    def references(self) -> References:
        """The items looked for."""
        return load_references(self.snapshot, self.tasks, self.n, self.min_words, self.match)


@dataclass(frozen=True, kw_only=True)
class Searching(Stage):
    """A step that looks for items; the items count by their digest.

    Attributes:
        references: the items.
    """

    references: References

    def parameters(self) -> dict[str, Plain]:
        """Name the references by their digest."""
        return super().parameters() | {"references": self.references.digest}


@dataclass(frozen=True, kw_only=True)
class FindItems(Searching, Filter):
    """Drop documents that give items away.

    Attributes:
        in_order: measure the share of characters that match in order, not of words in shared n-grams.
        ratio: share of an item from which on it is given away; in order, it must be exceeded.
        min_hits: matching n-grams from which on a document is dropped.
    """

    name: ClassVar[str] = "decontamination_items"
    version: ClassVar[int] = 2
    decide_only: ClassVar[tuple[str, ...]] = ("ratio", "min_hits")
    counts: ClassVar[tuple[str, ...]] = ("hits",)
    in_order: bool = False
    ratio: float = 0.0
    min_hits: int = 1

    def found(self, text: str) -> list[Found]:
        """Return the items that a text shares an n-gram with, whatever the ratio."""
        return self.references.matched(text) if self.in_order else self.references.covered(text)

    def given_away(self, share: Any) -> Any:
        """Tell whether a share, or each of several, is enough."""
        return share > self.ratio if self.in_order or self.ratio == 0 else share >= self.ratio

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """Count matching n-grams, and find the largest share of one item."""
        hits = len(self.references.hits(text))
        return {"hits": hits, "share": max((f.share for f in self.found(text)), default=0.0) if hits else 0.0}

    def decide(self, measured: Table) -> Verdict:
        """Drop for reason `contaminated`."""
        enough = (measured["hits"] >= self.min_hits) & self.given_away(measured["share"])
        return Verdict.first_of(contaminated=enough)


@dataclass(frozen=True, kw_only=True)
class CountPieces(Searching, Filter):
    """Drop documents that would be cut into too many pieces.

    Attributes:
        window: as for `CutHits`.
        max_pieces: of a document that is kept.
    """

    name: ClassVar[str] = "decontamination_pieces"
    version: ClassVar[int] = 2
    decide_only: ClassVar[tuple[str, ...]] = ("max_pieces",)
    counts: ClassVar[tuple[str, ...]] = ("hits",)
    window: int
    max_pieces: int

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """Count matching n-grams, and the pieces into which the document would be cut."""
        hits = len(self.references.hits(text))
        return {"hits": hits, "pieces": len(pieces(text, self.references, self.window)) if hits else 1}

    def decide(self, measured: Table) -> Verdict:
        """Drop for reason `contaminated`."""
        return Verdict.first_of(contaminated=measured["pieces"] > self.max_pieces)


@dataclass(frozen=True, kw_only=True)
class CutHits(Searching, Transform):
    """Cut hits out of documents.

    Attributes:
        window: characters cut on both sides of a hit.
        min_piece: characters of a piece that is kept.
    """

    name: ClassVar[str] = "decontamination_cut"
    version: ClassVar[int] = 3
    window: int
    min_piece: int = 0

    def transform(self, text: str) -> str:
        """Return the text without the hits and their surroundings; the pieces stand on lines of their own."""
        if not len(self.references.hits(text)):
            return text
        kept = pieces(text, self.references, self.window)
        return "\n".join(piece for piece in kept if len(piece) >= self.min_piece)


def pieces(text: str, references: References, window: int) -> list[str]:
    """Return what is left between the hits of a text, each with `window` characters on both sides taken out."""
    bounds = word_spans(text)
    kept, end = [], 0
    for first, count in references.hits(text).tolist():
        begin = bounds[first][0] - window
        if begin > end:
            kept.append(text[end:begin])
        end = max(end, bounds[first + count - 1][1] + window)
    kept.append(text[end:])
    return [part.strip() for part in kept if part.strip()]
