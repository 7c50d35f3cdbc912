"""Curation against its peers: the same decisions, and how much faster; one core, the same documents, one run.

    python results/benchmarks/curation.py --data ../shared/data --out results/benchmarks/curation.md

Run it in ablate's environment: it extracts the pages with trafilatura, makes an environment of the peers'
own (datatrove pins older packages), and calls itself there. `--data` is a folder with `web/*.warc.gz` and
`text/*.jsonl.gz`; `--every 4` takes a quarter of the documents.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from itertools import combinations
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PEERS = [
    "datatrove[processing]==0.10.1",
    "spacy==3.8.18",
    "datasketch==1.6.5",
    "scipy",
    "hydra-core",
    "trafilatura<1.12",
]
PER_TEXT_FILE = 200


# ---- in ablate's environment -------------------------------------------------------------------------------------


def write_documents(data: Path, path: Path) -> None:
    """Every page after trafilatura, and up to 200 evenly spread documents of each text file."""
    import gzip

    sys.path.insert(0, str(ROOT))
    from ablate.corpus.annotate import Annotations
    from ablate.pool.pool import build_pool
    from ablate.pool.warc import Warc
    from ablate.stages.extraction import Extraction
    from ablate.store import Store

    with tempfile.TemporaryDirectory() as folder, path.open("w", encoding="utf-8") as out:
        store = Store(Path(folder))
        pool = build_pool(Warc(paths=(str(data / "web" / "*.warc.gz"),)), store)
        annotations = Annotations(pool, store)
        version = annotations.transform(annotations.root(), Extraction(method="trafilatura"))
        import numpy as np

        for row, text in annotations.texts(version, np.arange(len(pool))):
            if text.strip():
                out.write(json.dumps({"id": f"web/{row}", "kind": "web pages", "text": text}) + "\n")
        annotations.close()
        for file in sorted((data / "text").glob("*.jsonl.gz")):
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                texts = [json.loads(line)["text"] for line in lines]
            for number, text in enumerate(texts[:: max(1, len(texts) // PER_TEXT_FILE)][:PER_TEXT_FILE]):
                text = text.encode("utf-8", "replace").decode()[:100_000]
                if text.strip():
                    out.write(
                        json.dumps({"id": f"{file.stem}/{number}", "kind": "plain texts", "text": text})
                        + "\n"
                    )


def peer_python(folder: Path) -> Path:
    """The Python of the peers' environment, made when it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEERS], check=True)
    return python


# ---- in the peers' environment -----------------------------------------------------------------------------------


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    begun = time.perf_counter()
    result = work()
    return result, time.perf_counter() - begun


def run_ours(stage: Any, texts: list[str]) -> tuple[list[str | None], list[str]]:
    """Reason per document (None: kept) and the texts after the stage."""
    texts, reasons = list(texts), [None] * len(texts)
    for step in stage.steps():
        alive = [i for i, reason in enumerate(reasons) if reason is None]
        if hasattr(step, "transform"):
            for i in alive:
                texts[i] = step.transform(texts[i])
                if not texts[i].strip():
                    reasons[i] = "empty"
        else:
            verdict = step.decide(step.measure_many([texts[i] for i in alive]))
            for i, code in zip(alive, verdict.code, strict=True):
                reasons[i] = verdict.reasons[code - 1] if code else None
    return reasons, texts


def run_theirs(stage: Any, texts: list[str]) -> tuple[list[str | None], list[str]]:
    from datatrove.data import Document

    stage.stat_update = lambda *_, **__: None
    reasons: list[str | None] = []
    after = []
    for number, text in enumerate(texts):
        document = Document(text=text, id=str(number))
        try:
            result = stage.filter(document)
        except ZeroDivisionError:
            result = (False, "raises ZeroDivisionError")
        reasons.append(None if result is True else result[1] if isinstance(result, tuple) else "dropped")
        after.append(document.text)
    return reasons, after


def heuristics(documents: list[dict[str, str]]) -> Iterator[str]:
    from datatrove.pipeline import filters as peer

    from ablate.stages.c4_quality import C4Quality
    from ablate.stages.fineweb_quality import FineWebQuality
    from ablate.stages.gopher_quality import GopherQuality
    from ablate.stages.gopher_repetition import GopherRepetition

    pairs = [
        ("Gopher repetition", GopherRepetition(), peer.GopherRepetitionFilter()),
        ("Gopher quality", GopherQuality(), peer.GopherQualityFilter()),
        ("C4", C4Quality(), peer.C4QualityFilter()),
        ("C4 without terminal punctuation", C4Quality(terminal_punctuation=False), peer.C4QualityFilter(filter_no_terminal_punct=False)),
        ("FineWeb", FineWebQuality(), peer.FineWebQualityFilter()),
    ]  # fmt: skip
    texts = [document["text"] for document in documents]
    size = sum(len(text.encode()) for text in texts) / 1e6
    kinds = sorted({document["kind"] for document in documents})
    warm = "Loading takes no part in the race. One word, 1 mark."
    for _, ours, theirs in pairs:
        run_ours(ours, [warm])
        run_theirs(theirs, [warm])
    yield f"## Heuristic filters\n\n{len(texts):,} documents, {size:.1f} MB; both sides on one core, whole filter, texts in memory.\n"
    header = [
        "filter",
        *(f"keep/drop agree, {kind}" for kind in kinds),
        "texts differ",
        "ours MB/s",
        "datatrove MB/s",
        "ratio",
    ]
    yield "| " + " | ".join(header) + " |\n| :-- " + "| --: " * (len(header) - 1) + "|"
    total_ours = total_theirs = 0.0
    classes: list[str] = []
    for name, ours, theirs in pairs:
        (reasons, after), mine = timed(lambda stage=ours: run_ours(stage, texts))
        (expected, reference), peers = timed(lambda stage=theirs: run_theirs(stage, texts))
        total_ours, total_theirs = total_ours + mine, total_theirs + peers
        agree = []
        for kind in kinds:
            rows = [i for i, document in enumerate(documents) if document["kind"] == kind]
            same = sum((reasons[i] is None) == (expected[i] is None) for i in rows)
            agree.append(f"{100 * same / len(rows):.2f} % ({len(rows) - same} of {len(rows):,} differ)")
        kept = [i for i in range(len(texts)) if reasons[i] is None and expected[i] is None]
        changed = sum(after[i] != reference[i] for i in kept) if name.startswith("C4") else 0
        yield f"| {name} | {' | '.join(agree)} | {changed} | {size / mine:.2f} | {size / peers:.2f} | {peers / mine:.1f} |"
        differ = Counter((a, b) for a, b in zip(reasons, expected, strict=True) if a != b)
        classes += [
            f"| {name} | {a or 'kept'} | {b or 'kept'} | {count} |" for (a, b), count in differ.most_common()
        ]
    yield f"| all together | | | | {5 * size / total_ours:.2f} | {5 * size / total_theirs:.2f} | {total_theirs / total_ours:.1f} |"
    yield "\nEvery class of difference, reasons included (a document counts as agreeing when both drop it, for whatever reason):\n"
    yield "| filter | ours | datatrove | documents |\n| :-- | :-- | :-- | --: |\n" + (
        "\n".join(classes) or "| – | – | – | 0 |"
    )
    yield "\n`empty` against `too_few_sentences`: C4's line rules left no text; both drop the document."


def minhash(documents: list[dict[str, str]]) -> Iterator[str]:
    import datasketch
    import numpy as np
    from datatrove.data import Document
    from datatrove.pipeline.dedup import (
        MinhashDedupBuckets,
        MinhashDedupCluster,
        MinhashDedupFilter,
        MinhashDedupSignature,
    )
    from datatrove.pipeline.dedup.minhash import MinhashConfig

    from ablate.stages.minhash_dedup import MinhashDedup

    texts = [document["text"] for document in documents]
    size = sum(len(text.encode()) for text in texts) / 1e6
    stage = MinhashDedup()
    stage.sketch_many(texts[:1])
    sketches, ours = timed(lambda: stage.sketch_many(texts))
    rows = np.arange(len(texts))
    keys = np.arange(len(texts), dtype=np.uint64)
    lengths = np.array([len(text) for text in texts])
    groups, relating = timed(lambda: stage.relate(sketches, rows))
    verdict, resolving = timed(lambda: stage.resolve(groups, rows, keys=keys, n_bytes=lengths))
    whole_ours = ours + relating + resolving

    config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8)
    with tempfile.TemporaryDirectory() as folder:
        items = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
        signature = MinhashDedupSignature(output_folder=f"{folder}/sig", config=config)
        signature.get_shingles("one two three four five six")
        _, theirs = timed(lambda: signature.run(iter(items)))

        def rest() -> list[str]:
            for bucket in range(14):
                MinhashDedupBuckets(f"{folder}/sig", f"{folder}/buckets", config=config).run(None, bucket, 14)
            MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove", config=config).run(None, 0, 1)
            return [document.id for document in MinhashDedupFilter(f"{folder}/remove").run(iter(items), 0, 1)]

        kept_theirs, clustering = timed(rest)
    whole_theirs = theirs + clustering

    def sketch_datasketch() -> list[Any]:
        signatures = []
        for text in texts:
            words = text.lower().split()
            one = datasketch.MinHash(num_perm=112, seed=1)
            one.update_batch([" ".join(words[i : i + 5]).encode() for i in range(max(1, len(words) - 4))])
            signatures.append(one)
        return signatures

    _, theirs_datasketch = timed(sketch_datasketch)
    yield f"\n## MinHash\n\n{len(texts):,} documents, {size:.1f} MB, word 5-grams, 14 bands of 8 rows; one core.\n"
    yield "| | ours MB/s | peer MB/s | ratio |\n| :-- | --: | --: | --: |"
    yield f"| signatures, datatrove | {size / ours:.2f} | {size / theirs:.3f} | {theirs / ours:.1f} |"
    yield f"| signatures, datasketch (words split at blanks, update_batch) | {size / ours:.2f} | {size / theirs_datasketch:.3f} | {theirs_datasketch / ours:.1f} |"
    yield f"| signatures, buckets, clusters, filter; datatrove | {size / whole_ours:.2f} | {size / whole_theirs:.3f} | {whole_theirs / whole_ours:.1f} |"

    # What was found, against brute force over all pairs that share a shingle.
    shingles = [set(stage.shingles(text).tolist()) for text in texts]
    where: dict[int, list[int]] = {}
    for number, grams in enumerate(shingles):
        for gram in grams:
            where.setdefault(gram, []).append(number)
    pairs = Counter(
        pair for rows_ in where.values() if 1 < len(rows_) <= 200 for pair in combinations(rows_, 2)
    )
    true = {pair: shared / len(shingles[pair[0]] | shingles[pair[1]]) for pair, shared in pairs.items()}
    dropped = int((~verdict.keep).sum())
    yield f"\nDropped: ours {dropped}, datatrove {len(texts) - len(kept_theirs)}. Pairs by true Jaccard similarity, and the share that a band of ours joins beside 1 - (1 - s^8)^14:\n"
    yield "| Jaccard | pairs | joined by ours | expected |\n| :-- | --: | --: | --: |"
    for low, high in ((0.3, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01)):
        inside = [(pair, s) for pair, s in true.items() if low <= s < high]
        if inside:
            joined = sum(bool((sketches[a] == sketches[b]).any()) for (a, b), _ in inside)
            expected = sum(1 - (1 - min(s, 1.0) ** 8) ** 14 for _, s in inside)
            yield f"| {low:.1f} to {min(high, 1.0):.1f} | {len(inside)} | {joined} | {expected:.1f} |"


def race(path: Path, out: Path | None, every: int) -> None:
    """Both sides in this process, then the page."""
    sys.path.insert(0, str(ROOT))
    import importlib.metadata as metadata

    with path.open(encoding="utf-8") as file:
        documents = [json.loads(line) for line in file][::every]
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("datatrove", "spacy", "datasketch", "numpy")
    )
    lines = [
        "# Curation against its peers",
        f"\n`python results/benchmarks/curation.py --data ../shared/data{f' --every {every}' if every > 1 else ''}`; {versions}, Python {sys.version.split()[0]}.\n",
        *heuristics(documents),
        *minhash(documents),
    ]
    page = "\n".join(lines) + "\n"
    print(page)
    if out:
        out.write_text(page, encoding="utf-8")


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with web/*.warc.gz and text/*.jsonl.gz")
    parser.add_argument(
        "--documents",
        type=Path,
        help="documents written by an earlier call; used inside the peers' environment",
    )
    parser.add_argument("--every", type=int, default=1)
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--peers", type=Path, default=ROOT / ".cache" / "peers", help="where the peers' environment lies"
    )
    args = parser.parse_args()
    if args.documents:
        race(args.documents, args.out, args.every)
        return
    if not args.data:
        parser.error("give --data: a folder with web/*.warc.gz and text/*.jsonl.gz")
    with tempfile.TemporaryDirectory() as folder:
        documents = Path(folder) / "documents.jsonl"
        write_documents(args.data, documents)
        again = [
            str(peer_python(args.peers)),
            __file__,
            "--documents",
            str(documents),
            "--every",
            str(args.every),
        ]
        if args.out:
            again += ["--out", str(args.out)]
        one_thread = {name: "1" for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")}
        sys.exit(subprocess.run(again, env={**os.environ, **one_thread}).returncode)


if __name__ == "__main__":
    main()
