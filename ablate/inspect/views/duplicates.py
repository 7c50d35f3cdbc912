"""How well near-duplicates are found: candidate pairs and clusters beside true similarities.

Looks at the documents that reach the arm's deduplication. On a subsample every pair is compared
exactly: Jaccard similarity of the stage's own word shingles, precision and recall of its candidate
pairs and of its clusters at several thresholds, and the share of pairs found beside the S-curve that
its bands and rows promise (and, where the stage verifies by Jaccard, its least similarity). And it shows candidate pairs, sampled over the range of true similarity, with
their texts from where they first differ. Writes duplicates.md and candidates.{svg,png} into
<study.dir>/duplicates. The same arm gives the same bytes.

  inspect.stage=exact_dedup    another deduplication of the recipe than its MinHash stage
  inspect.subsample=2000       documents compared each with each
  inspect.pairs=30             candidate pairs on the page; the terminal shows inspect.samples of each stratum

Example: ablate inspect duplicates study=demo inspect.subsample=1000
"""

from __future__ import annotations

import textwrap
from dataclasses import dataclass

import numpy as np
from omegaconf import DictConfig

from ablate.corpus.annotate import Annotations
from ablate.corpus.view import Corpus, Decision, build_corpus
from ablate.errors import ConfigError, DataError, nearest
from ablate.fingerprint import canonical_json, mix64
from ablate.inspect.arm import open_arm
from ablate.inspect.duplicates_page import Bin, Shown, duplicates_page, terminal
from ablate.inspect.figure import curve_figure
from ablate.inspect.retention import Share
from ablate.inspect.similarity import (
    Agreement,
    Curve,
    Pairs,
    agreement,
    all_pairs,
    candidate_pairs,
    jaccard,
    s_curve,
)
from ablate.render.figure import save
from ablate.stages.base import Groups, Relation
from ablate.stages.minhash_dedup import MinhashDedup
from ablate.store import write_text
from ablate.study.plan import folder_of

THRESHOLDS = (0.7, 0.75, 0.8, 0.85, 0.9)
EDGES = (0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.75, 0.8, 0.85, 0.9, 0.95, 1.0)
"""Bins of true similarity, each from its edge up to the next; the last holds equal texts."""
FLOOR = EDGES[0]
STRATA = (0.0, 0.5, 0.7, 0.75, 0.8, 0.9, 1.0)
BUCKET = 64
"""Documents of one bucket whose pairs are listed when pairs are sampled."""
DRAWN = 5_000
"""Candidate pairs whose similarity is computed, from which the strata are filled."""
SUBSAMPLE, PAIRS = 11, 12
"""Salts of the hash orders."""
CONTEXT = 80


@dataclass(frozen=True, eq=False)
class Found:
    """What was compared.

    Attributes:
        documents: that reach the stage.
        compared: of these, each with each.
        n_candidates: pairs of compared documents that the stage takes for duplicates.
        bins: pairs and candidates by true similarity.
        agreements: one for each threshold.
    """

    documents: int
    compared: int
    n_candidates: int
    bins: tuple[Bin, ...]
    agreements: tuple[Agreement, ...]


def main(config: DictConfig) -> int:
    """Compare; returns the exit status."""
    with open_arm(config) as (arm, builder):
        corpus = build_corpus(arm.stages(), builder.annotations)
        decision, shingler = choose(corpus, config.inspect.stage)
        groups = builder.annotations.groups(decision.before, _relation(decision))
        found = compare(decision, shingler, groups, builder.annotations, config.inspect.subsample)
        shown = sample_pairs(decision, shingler, groups, builder.annotations, config.inspect.pairs)
    folder, title = folder_of(config) / "duplicates", config.study.title or config.study.name
    similarities, curve = np.linspace(0, 1, 201), _curve(decision)
    figure = curve_figure(
        similarities,
        curve(similarities) if curve else None,
        [(b.mean, b.share.total, b.share.hits, *b.share.interval) for b in found.bins if b.share.total],
        f"{title}: {decision.stage}",
    )
    save(figure, folder / "candidates")
    settings = {
        "pool": f"`{builder.pool.digest}`, {len(builder.pool):,} documents",
        "corpus": f"`{corpus.key}`",
        "stage": f"`{canonical_json(decision.step.identity())}`",
        "shingles": f"word {shingler.ngram}-grams",
        "settings": f"`inspect.subsample={config.inspect.subsample}` `inspect.pairs={config.inspect.pairs}`",
    }
    heading = (
        f"{decision.stage}: {found.documents:,} documents reach it, {int((~decision.verdict.keep).sum()):,} are dropped; "
        f"{found.compared:,} compared each with each, {found.n_candidates:,} candidate pairs among them"
    )
    page = duplicates_page(title, heading, found.bins, found.agreements, shown, FLOOR, settings)
    write_text(folder / "duplicates.md", page)
    print(terminal(heading, found.bins, found.agreements, shown, config.inspect.samples))
    print(f"\nduplicates: {folder / 'duplicates.md'}")
    return 0


def choose(corpus: Corpus, stage: str | None) -> tuple[Decision, MinhashDedup]:
    """The deduplication to look at, and the MinHash stage whose shingles define similarity.

    Raises:
        ConfigError: when the arm has no deduplication, or none of that name.
    """
    known = {d.stage: d for d in corpus.decisions if isinstance(d.step, Relation)}
    if not known:
        raise ConfigError(
            "no deduplication is enabled in this recipe: add one, e.g. recipe=fineweb, or enable it"
        )
    if stage is not None and stage not in known:
        raise ConfigError(f"inspect.stage: no enabled deduplication {stage!r}: {nearest(stage, known)}")
    minhash = [d for d in known.values() if isinstance(d.step, MinhashDedup)]
    decision = known[stage] if stage else (minhash or list(known.values()))[0]
    if isinstance(decision.step, MinhashDedup):
        return decision, decision.step
    first = minhash[0].step if minhash else MinhashDedup()
    assert isinstance(first, MinhashDedup)
    return decision, first


def _relation(decision: Decision) -> Relation:
    assert isinstance(decision.step, Relation)
    return decision.step


def _curve(decision: Decision) -> Curve | None:
    """Chance that the stage joins a pair of given Jaccard similarity; None where that does not decide it."""
    step = decision.step
    if not isinstance(step, MinhashDedup) or step.verify == "edit":
        return None
    bands, rows, least = step.bands, step.rows, step.min_similarity if step.verify == "jaccard" else 0.0
    return lambda similarity: np.where(np.asarray(similarity) >= least, s_curve(similarity, bands, rows), 0.0)


def compare(
    decision: Decision, shingler: MinhashDedup, groups: Groups, annotations: Annotations, subsample: int
) -> Found:
    """Compare documents each with each: a subsample by hash of their keys, or all when there are fewer.

    Raises:
        DataError: when fewer than two documents reach the stage.
    """
    if decision.rows.size < 2:
        raise DataError(
            f"{decision.stage}: {decision.rows.size} document reaches it; two are needed to compare"
        )
    hashes = mix64(annotations.pool.keys[decision.rows], SUBSAMPLE)
    rows = np.sort(decision.rows[np.argsort(hashes, kind="stable")[:subsample]])
    shingles = [shingler.shingles(text) for _, text in annotations.texts(decision.before, rows)]
    pairs = all_pairs(shingles, FLOOR)
    first, second = candidate_pairs(groups, rows, np.arange(rows.size))
    candidates = first * rows.size + second
    curve = _curve(decision)
    return Found(
        decision.rows.size,
        rows.size,
        candidates.size,
        tuple(_bins(pairs, candidates, rows.size, curve)),
        tuple(agreement(pairs, candidates, rows.size, at, curve) for at in THRESHOLDS),
    )


def _bins(pairs: Pairs, candidates: np.ndarray, n: int, curve: Curve | None) -> list[Bin]:
    is_candidate = np.isin(pairs.codes(n), candidates, assume_unique=True)
    edges = np.array([*EDGES, np.inf])
    number = np.searchsorted(edges, pairs.similarity, side="right") - 1
    below = Share(int(candidates.size - is_candidate.sum()), n * (n - 1) // 2 - pairs.similarity.size)
    bins = [Bin(0.0, FLOOR, float("nan"), below, float("nan"))]
    for i, (low, high) in enumerate(zip(edges[:-1].tolist(), edges[1:].tolist(), strict=True)):
        inside = number == i
        some = pairs.similarity[inside]
        expected = float(curve(some).mean()) if curve and some.size else float("nan")
        mean = float(some.mean()) if some.size else float("nan")
        share = Share(int(is_candidate[inside].sum()), int(inside.sum()))
        bins.append(Bin(low, min(high, 1.0), mean, share, expected))
    return bins


def sample_pairs(
    decision: Decision, shingler: MinhashDedup, groups: Groups, annotations: Annotations, count: int
) -> list[Shown]:
    """Candidate pairs in strata of true similarity, as many of each as there are, least similar first."""
    rows, keys = decision.rows, annotations.pool.keys
    hashes = mix64(keys[rows], PAIRS)
    first, second = candidate_pairs(groups, rows, hashes, BUCKET)
    if first.size == 0:
        return []
    order = np.argsort(mix64(hashes[first] ^ mix64(hashes[second], 1), PAIRS), kind="stable")[:DRAWN]
    first, second = first[order], second[order]
    wanted = np.unique(np.concatenate([first, second]))
    texts = dict(annotations.texts(decision.before, rows[wanted]))
    shingles = {place: shingler.shingles(texts[int(rows[place])]) for place in wanted.tolist()}
    # Texts without a word have no similarity; they are candidates only where their bytes are equal.
    true = [jaccard(shingles[i], shingles[j]) for i, j in zip(first.tolist(), second.tolist(), strict=True)]
    similarity = np.nan_to_num(np.array(true), nan=1.0)
    stratum = np.searchsorted(np.array(STRATA), similarity, side="right") - 1
    urls, shown = annotations.pool.column("url"), []
    for place in _allocate(stratum, count):
        a, b = int(rows[first[place]]), int(rows[second[place]])
        shown.append(
            Shown(
                float(similarity[place]),
                STRATA[stratum[place]],
                int((stratum == stratum[place]).sum()),
                first.size,
                (urls[a].as_py(), urls[b].as_py()),
                from_difference(texts[a], texts[b]),
            )
        )
    return sorted(shown, key=lambda pair: (pair.similarity, pair.urls))


def _allocate(stratum: np.ndarray, count: int) -> list[int]:
    """Positions, one of each stratum in turn, until there are `count` or none is left."""
    turn = np.zeros(stratum.size, dtype=np.int64)
    for number in np.unique(stratum):
        inside = stratum == number
        turn[inside] = np.arange(inside.sum())
    taken: list[int] = np.lexsort((stratum, turn))[:count].tolist()
    return taken


def from_difference(first: str, second: str) -> tuple[str, str]:
    """Both texts shortened, from a little before the place where they first differ."""
    same = zip(first, second, strict=False)
    place = next((i for i, (a, b) in enumerate(same) if a != b), min(len(first), len(second)))
    start = 0 if first == second else max(0, place - CONTEXT)
    return _shorten(first, start), _shorten(second, start)


def _shorten(text: str, start: int) -> str:
    cut = ("... " if start else "") + " ".join(text[start : start + 2_000].split())
    return textwrap.shorten(cut, 300, placeholder=" ...") or cut[:300]
