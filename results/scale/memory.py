"""What one process keeps of each document: peak memory of curating made-up pools of two sizes, and its slope.

    python results/scale/memory.py FOLDER [DOCUMENTS]

Texts are short (twelve words), so that what counts per document is not hidden behind the texts of a shard; four of ten are
copies of another. Each size is curated in a process of its own with one worker: a filter, exact and min-hash
deduplication, funnel, ledger. Sizes are DOCUMENTS and four times as many.
"""

from __future__ import annotations

import os
import random
import resource
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ablate.corpus.annotate import Annotations
from ablate.corpus.funnel import funnel
from ablate.corpus.ledger import write_ledger
from ablate.corpus.view import build_corpus
from ablate.plain import Plain
from ablate.pool.pool import build_pool
from ablate.pool.source import Document, Source
from ablate.stages.exact_dedup import ExactDedup
from ablate.stages.gopher_quality import GopherQuality
from ablate.stages.minhash_dedup import MinhashDedup
from ablate.store import Store


@dataclass(frozen=True)
class MadeUp(Source):
    """So many documents of twelve words."""

    count: int

    def request(self) -> dict[str, Plain]:
        return {"made_up": self.count}

    def documents(self) -> Iterator[Document]:
        letters = random.Random(0)
        for number in range(self.count):
            copied = number % 10 < 4
            words = random.Random(number // 20 if copied else -number).choices(range(10_000), k=12)
            text = "the of " + " ".join(f"w{word}" for word in words)
            yield Document(
                text, url=f"https://site{letters.randrange(9999)}.example/{number}/of/a/usual/length"
            )


def curate(folder: Path, count: int) -> None:
    """Curate a pool that is there; prints the peak of this process in MiB."""
    store = Store(folder)
    annotations = Annotations(build_pool(MadeUp(count), store), store, workers=1)
    stages = [GopherQuality(min_words=1), ExactDedup(keep="first"), MinhashDedup()]
    corpus = build_corpus(stages, annotations)
    funnel(corpus, annotations, lambda version, rows: None)
    write_ledger(corpus, annotations, folder / "ledger")
    files = sum(1 for path in folder.rglob("*") if path.is_file())
    print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024, files, len(annotations.pool.bounds) - 1)


def main() -> None:
    """Print a line for each size and the slope between them."""
    folder = Path(sys.argv[1])
    if len(sys.argv) == 4:
        curate(folder, int(sys.argv[2]))
        return
    least = int(sys.argv[2]) if len(sys.argv) > 2 else 100_000
    peaks = []
    for count in (least, 4 * least):
        build_pool(MadeUp(count), Store(folder / str(count)))  # not part of what is measured
        command = [sys.executable, __file__, str(folder / str(count)), str(count), "curate"]
        said = subprocess.run(command, check=True, capture_output=True, text=True, env=os.environ).stdout
        peak, files, shards = said.split()[-3:]
        peaks.append(float(peak))
        print(f"{count:>9,} documents: {float(peak):8.1f} MiB, {files} files for {shards} shards", flush=True)
    print(f"{(peaks[1] - peaks[0]) * 2**20 / (3 * least):.0f} bytes a document")


if __name__ == "__main__":
    main()
