"""Samples of a pool with planted duplicates: what they say of deduplication, and how often their intervals are right.

A population of documents with 1, 2, 10, 100 and 1,000 copies, half of the documents without any. In each of 400 draws the share
that deduplication drops in the whole population is estimated from a sample of clusters (by `cluster_size`, with the interval of
`ablate.effects.cluster_bootstrap`), and taken from a sample of documents drawn one by one, as what deduplication drops there.
Units and draws are those of `ablate.corpus.sampled_source`; texts are not needed for this.

    python results/scale/sampling.py --out results/scale/sampling.md
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np

from ablate.effects.cluster_bootstrap import cluster_mean
from ablate.fingerprint import mix64
from ablate.pool.drawn import is_drawn

RATES, DRAWS = (0.02, 0.005), 400
COPIES = {1: 2, 2: 8, 10: 80, 100: 800, 1000: 8000}
"""Copies in a cluster -> one such cluster for so many documents."""


def population(documents: int) -> np.ndarray:
    """Shape (n,): the cluster of each document."""
    sizes = np.concatenate([np.full(documents // each, copies) for copies, each in COPIES.items()])
    return np.repeat(np.arange(sizes.size), sizes)


def row(documents: int, rate: float) -> list[str]:
    """One population at one rate."""
    label = population(documents)
    size = np.bincount(label)[label]
    truth = 1 - np.unique(label).size / label.size
    alone = mix64(np.arange(label.size, dtype=np.uint64), 1)
    unit = np.where(size * rate > 1, alone, mix64(label.astype(np.uint64), 2))
    inside, found, copies, random = 0, [], [], []
    for draw in range(DRAWS):
        some = np.flatnonzero(is_drawn(unit, rate, draw))
        mean = cluster_mean(1 - 1 / size[some], unit[some])
        inside += mean.low <= truth <= mean.high
        found.append(mean.mean)
        copies.append(1 / (1 - mean.mean))
        some = np.flatnonzero(is_drawn(alone, rate, 10_000 + draw))
        random.append(1 - np.unique(label[some]).size / some.size)
    share = inside / DRAWS
    error = np.sqrt(share * (1 - share) / DRAWS)
    return [
        f"{label.size:,}",
        f"{rate:.1%}",
        f"{truth:.1%}",
        f"{np.mean(found):.1%} ± {np.std(found):.1%}",
        f"{share:.1%} ± {error:.1%}",
        f"{1 / (1 - truth):.2f}",
        f"{np.mean(copies):.2f} ± {np.std(copies):.2f}",
        f"{np.mean(random):.1%} ± {np.std(random):.1%}",
    ]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--out", type=Path)
    parser.add_argument("--documents", type=int, nargs="+", default=[400_000, 4_000_000])
    asked = parser.parse_args()
    begun = time.process_time()
    rows = [row(documents, rate) for documents in asked.documents for rate in RATES]
    header = (
        "documents", "rate", "dropped, whole population", "clusters: estimate, sd over draws", "inside its 95 % interval",
        "copies a cluster", "clusters: estimate", "documents at random: dropped",
    )  # fmt: skip
    lines = ["| " + " | ".join(header) + " |", "| " + " | ".join("--:" for _ in header) + " |"]
    lines += ["| " + " | ".join(one) + " |" for one in rows]
    text = "\n".join(lines) + f"\n\n{DRAWS} draws each, {time.process_time() - begun:.0f} CPU seconds.\n"
    print(text)
    if asked.out:
        asked.out.write_text(text)


if __name__ == "__main__":
    main()
