"""`pool=sampled`: a part of a source that is too large to process, drawn so that what is asked can still be seen in it.

Documents drawn one by one lose their duplicates: of 100 copies a sample of 1 % holds one, and deduplication has nothing left to
do (Penedo et al. 2024, arXiv 2406.17557, appendix E.2). So what belongs together can be drawn together: near-duplicates by
their smallest min-hash or as whole clusters, re-crawls by their address, a host's pages by the host. Whatever is drawn,
every document has the same probability, so means over documents need no weights; what grows is their variance, and an interval
has to draw units again and not documents (`ablate.effects.cluster_bootstrap`).
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from itertools import islice
from typing import NamedTuple

import numpy as np

from ablate.errors import ConfigError, under
from ablate.fingerprint import mix64
from ablate.plain import Plain
from ablate.pool.drawn import SIZE, check_rate, is_drawn, left_out, said_of
from ablate.pool.origin import host
from ablate.pool.source import Document, Skipped, Source
from ablate.progress import track
from ablate.stages.extraction import Extraction
from ablate.stages.minhash_dedup import MinhashDedup

SAMPLING = 1
"""Raise it when the same source, rate and seed give another sample."""
BATCH = 256


class _Seen(NamedTuple):
    """A document on its way, with what it is drawn by."""

    document: Document
    number: int
    text: str


class _Clusters(NamedTuple):
    """Of each document of the source, by its number: what it is drawn with, and how many are in its cluster."""

    units: np.ndarray
    sizes: np.ndarray


@dataclass(frozen=True, kw_only=True)
class Sampled(Source):
    """Documents of another source, each with the same probability, in their order.

    `by` says what is drawn:
        documents: each by itself. The smallest variance for all that looks at one document; blind to duplicates.
        minhash: documents whose smallest hash over their word n-grams falls below a bound; a copy of Jaccard similarity J
            comes along with probability J + (1 - J) rate. One pass.
        clusters: whole connected components of near-duplicates, as `minhash_dedup` finds them in the whole source; the documents
            of one with more than 1 / rate are drawn one by one, since a single giant would be most of the sample. Two passes
            over the source; holds 8 bytes a band and document in memory.
        url, host: all documents of an address, or of a host.

    HTML is read as resiliparse's main content for this (a reference of its own: arms with another extractor have the same
    documents).

    Attributes:
        of: the source.
        by: as above.
        rate: probability, in (0, 1].
        seed: of the draw.
        ngram, bands, rows: of the signatures, as in `minhash_dedup`; no effect but for minhash (ngram) and clusters.
    """

    of: Source
    by: str = "clusters"
    rate: float
    seed: int = 0
    ngram: int = 5
    bands: int = 14
    rows: int = 8

    def __post_init__(self) -> None:
        if self.by not in ("documents", "minhash", "clusters", "url", "host"):
            raise ConfigError(f"by must be documents, minhash, clusters, url or host, got {self.by!r}")
        check_rate(self.rate)
        if self._reads_text:
            self._signatures()  # refuses what no signature can be

    @property
    def _reads_text(self) -> bool:
        return self.by in ("minhash", "clusters")

    def _signatures(self) -> MinhashDedup:
        bands, rows = (1, 1) if self.by == "minhash" else (self.bands, self.rows)
        try:
            return MinhashDedup(ngram=self.ngram, bands=bands, rows=rows)
        except ValueError as error:
            raise ConfigError(str(error)) from None

    def request(self) -> dict[str, Plain]:
        """Return the request of the source, and how is drawn from it."""
        drawn: dict[str, Plain] = {"version": SAMPLING, "by": self.by, "rate": self.rate, "seed": self.seed}
        if self._reads_text:
            drawn |= {
                "text": _reference().slow_identity(),
                "signatures": self._signatures().relate_identity(),
            }
        with under("of"):
            return {"of": self.of.request(), "sample": drawn}

    def versions(self) -> dict[str, str]:
        """Return versions of the source's libraries, and of the extractor where texts are read."""
        return self.of.versions() | (_reference().versions() if self._reads_text else {})

    def documents(self) -> Iterator[Document | Skipped]:
        """Yield the documents that are drawn, with `sample_rate`, `sample_unit` and `cluster_size` in their metadata; then a
        line on how many were not.
        """
        clusters = self._clusters() if self.by == "clusters" else None
        total = drawn = 0
        for batch in self._batches(with_text=self.by == "minhash"):
            seen = [item for item in batch if isinstance(item, _Seen)]
            units = clusters.units[[one.number for one in seen]] if clusters else self._units(seen)
            kept = is_drawn(units, self.rate, self.seed)
            total, drawn = total + len(seen), drawn + int(kept.sum())
            fates = iter(zip(units.tolist(), kept.tolist(), strict=True))
            for item in batch:
                if isinstance(item, Skipped):
                    yield item
                    continue
                unit, is_in = next(fates)
                if is_in:
                    size = {SIZE: int(clusters.sizes[item.number])} if clusters else {}
                    said = {**item.document.metadata, **said_of(unit, self.rate), **size}
                    yield replace(item.document, metadata=said)
        yield from left_out("the source", total, drawn, what="documents", by=self.by)

    def _batches(self, *, with_text: bool) -> Iterator[list[_Seen | Skipped]]:
        """The source's items, with reference texts where they are needed."""
        extract, number = _reference(), 0
        with under("of"):
            items = self.of.documents()
            while some := list(islice(items, BATCH)):
                pages = [
                    one.text for one in some if with_text and isinstance(one, Document) and one.kind == "html"
                ]
                read, batch = iter(extract.transform_many(pages)), list[_Seen | Skipped]()
                for one in some:
                    if isinstance(one, Skipped):
                        batch.append(one)
                        continue
                    text = next(read) if with_text and one.kind == "html" else one.text
                    batch.append(_Seen(one, number, text))
                    number += 1
                yield batch

    def _units(self, seen: Sequence[_Seen]) -> np.ndarray:
        """What each document is drawn by, as a number: shape (n,), uint64."""
        if self.by == "minhash":
            units: np.ndarray = (
                self._signatures().sketch_many([one.text for one in seen])[:, 0] if seen else _numbers(seen)
            )
            return np.where(units == 0, _numbers(seen), units)  # without a word: by itself
        if self.by == "documents":
            return _numbers(seen)
        name = _address if self.by == "url" else _host
        units = np.array([_hash(name(one.document)) for one in seen], dtype=np.uint64)
        unknown = np.array([not name(one.document) for one in seen], dtype=bool)
        return np.where(unknown, _numbers(seen), units)

    def _clusters(self) -> _Clusters:
        """Sketch the whole source and see what belongs together."""
        dedup, sketches, keys = self._signatures(), [], list[int]()
        batches = track(self._batches(with_text=True), "sketching the source", unit="batch")
        for batch in batches:
            seen = [item for item in batch if isinstance(item, _Seen)]
            if seen:
                sketches.append(dedup.sketch_many([one.text for one in seen]))
                keys += [
                    _hash(f"{one.document.kind}\0{one.document.url}\0{one.document.text}") for one in seen
                ]
        if not keys:
            return _Clusters(np.zeros(0, np.uint64), np.zeros(0, np.int64))
        everything = np.arange(len(keys))
        groups = dedup.relate(np.concatenate(sketches), everything, lambda rows: iter(()))
        label = groups.clusters(everything, len(keys))
        sizes = np.bincount(label)[label]
        smallest = np.full(int(label.max()) + 1, np.iinfo(np.uint64).max, dtype=np.uint64)
        np.minimum.at(smallest, label, np.asarray(keys, dtype=np.uint64))
        # A cluster is named by its own documents; one that is too large for the rate is drawn document by document.
        alone = mix64(np.arange(len(keys), dtype=np.uint64), 1)
        return _Clusters(np.where(sizes * self.rate > 1, alone, smallest[label]), sizes)


def _reference() -> Extraction:
    """What reads the text of a page that is drawn by its text."""
    return Extraction(method="resiliparse")


def _numbers(seen: Sequence[_Seen]) -> np.ndarray:
    """Units that no two documents share."""
    return mix64(np.array([one.number for one in seen], dtype=np.uint64), 1)


def _address(document: Document) -> str:
    return document.url


def _host(document: Document) -> str:
    return host(document.url)


def _hash(text: str) -> int:
    return int.from_bytes(hashlib.blake2b(text.encode("utf-8", "replace"), digest_size=8).digest(), "little")
