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
    "pyarrow",
    "trafilatura<1.12",
]
PER_TEXT_FILE = 200
BLANKS = "blanks or more at line ends"
"""Documents with blanks before a line's end, or lines that end otherwise than in LF: ours measures them without."""
FOUR = ("Gopher repetition", "Gopher quality", "C4", "FineWeb")
EXPLAINED = "`empty` against `too_few_sentences`: C4's line rules left no text; both drop the document."
STATISTICS_EXPLAINED = (
    "Where they differ: datatrove joins the words of an n-gram without anything between, so `'` `''` and "
    "`''` `'` are one n-gram to it and two to us. Blanks other than one space (tabs, no-break spaces) are"
    " words to spaCy and none to us; between the end of a sentence and a further mark they make one more "
    "sentence there, and with blanks made single spaces the counts are equal. No decision above hangs on "
    "either."
)


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
    from ablate.text.lines import plain_lines

    def kind_of(text: str, kind: str) -> str:
        return kind if plain_lines(text) == text else BLANKS

    with tempfile.TemporaryDirectory() as folder, path.open("w", encoding="utf-8") as out:
        store = Store(Path(folder))
        pool = build_pool(Warc(paths=(str(data / "web" / "*.warc.gz"),)), store)
        annotations = Annotations(pool, store)
        version = annotations.transform(annotations.root(), Extraction(method="trafilatura"))
        import numpy as np

        for row, text in annotations.texts(version, np.arange(len(pool))):
            if text.strip():
                out.write(
                    json.dumps({"id": f"web/{row}", "kind": kind_of(text, "web pages"), "text": text}) + "\n"
                )
        annotations.close()
        for file in sorted((data / "text").glob("*.jsonl.gz")):
            with gzip.open(file, "rt", encoding="utf-8") as lines:
                texts = [json.loads(line)["text"] for line in lines]
            for number, text in enumerate(texts[:: max(1, len(texts) // PER_TEXT_FILE)][:PER_TEXT_FILE]):
                text = text.encode("utf-8", "replace").decode()[:100_000]
                if text.strip():
                    out.write(
                        json.dumps(
                            {
                                "id": f"{file.stem}/{number}",
                                "kind": kind_of(text, "plain texts"),
                                "text": text,
                            }
                        )
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
    """The result and the CPU seconds it took; everything here runs on one thread."""
    begun = time.process_time()
    result = work()
    return result, time.process_time() - begun


def run_together(stages: list[Any], texts: list[str]) -> None:
    """Measure and decide with several stages in one pass over the texts, as `Annotations` does."""
    from ablate.stages.base import Transform

    for begin in range(0, len(texts), 256):
        some = texts[begin : begin + 256]
        for stage in stages:
            current = some
            for step in stage.steps():
                if isinstance(step, Transform):
                    current = step.transform_many(current)
                else:
                    step.decide(step.measure_many(current))


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
    from ablate.text.segments import WORDS

    pairs = [
        ("Gopher repetition", GopherRepetition(), peer.GopherRepetitionFilter()),
        ("Gopher quality", GopherQuality(), peer.GopherQualityFilter()),
        ("C4", C4Quality(), peer.C4QualityFilter()),
        (
            "C4 without terminal punctuation",
            C4Quality(terminal_punctuation=False),
            peer.C4QualityFilter(filter_no_terminal_punct=False),
        ),
        ("FineWeb", FineWebQuality(), peer.FineWebQualityFilter()),
    ]
    texts = [document["text"] for document in documents]
    size = sum(len(text.encode()) for text in texts) / 1e6
    kinds = sorted({document["kind"] for document in documents})
    warm = "Loading takes no part in the race. One word, 1 mark."
    for _, ours, theirs in pairs:
        run_ours(ours, [warm])
        run_theirs(theirs, [warm])
    yield (
        f"## Heuristic filters\n\n{len(texts):,} documents, {size:.1f} MB; whole filter, texts in memory, CPU seconds of "
        "one thread. Each of ours starts with nothing remembered.\n"
    )
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
        WORDS.clear()
        (reasons, after), mine = timed(lambda stage=ours: run_ours(stage, texts))
        (expected, reference), peers = timed(lambda stage=theirs: run_theirs(stage, texts))
        if name in FOUR:
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
        for (a, b), count in differ.most_common():
            some = [documents[i]["id"] for i in range(len(texts)) if (reasons[i], expected[i]) == (a, b)]
            classes.append(f"| {name} | {a or 'kept'} | {b or 'kept'} | {count} | {', '.join(some[:3])} |")
    WORDS.clear()
    _, together = timed(lambda: run_together([ours for name, ours, _ in pairs if name in FOUR], texts))
    blank = " |" * len(kinds)
    yield f"| the four, one after another |{blank} | {size / total_ours:.2f} | {size / total_theirs:.2f} | {total_theirs / total_ours:.1f} |"
    yield f"| **the four, in one pass** (as `ablate` measures them) |{blank} | {size / together:.2f} | {size / total_theirs:.2f} | **{total_theirs / together:.1f}** |"
    yield "\nEvery class of difference, reasons included (a document counts as agreeing when both drop it, for whatever reason):\n"
    yield "| filter | ours | datatrove | documents | e.g. |\n| :-- | :-- | :-- | --: | :-- |\n" + (
        "\n".join(classes) or "| – | – | – | 0 | |"
    )
    yield "\n" + EXPLAINED


def statistics(documents: list[dict[str, str]]) -> Iterator[str]:
    """Is a statistic the peer's, to the last digit? Its filter must keep at our value, and drop one step beyond."""
    import numpy as np
    from datatrove.pipeline import filters as peer

    from ablate.stages.c4_quality import C4Quality
    from ablate.stages.fineweb_quality import FineWebQuality
    from ablate.stages.gopher_quality import GopherQuality
    from ablate.stages.gopher_repetition import GopherRepetition

    off = dict.fromkeys(
        (
            "min_doc_words",
            "max_doc_words",
            "min_avg_word_length",
            "max_avg_word_length",
            "max_symbol_word_ratio",
            "max_bullet_lines_ratio",
            "max_ellipsis_lines_ratio",
            "max_non_alpha_words_ratio",
            "min_stop_words",
        )
    )
    none = dict.fromkeys(("dup_line_frac", "dup_para_frac", "dup_line_char_frac", "dup_para_char_frac"))
    grams: dict[str, Any] = {"top_n_grams": (), "dup_n_grams": ()}
    loose = {"line_punct_thr": 0, "short_line_thr": 2, "char_duplicates_ratio": 2, "new_line_ratio": 1e9}

    def quality(name: str) -> Callable[[float], Any]:
        return lambda limit: peer.GopherQualityFilter(**{**off, name: limit})

    def repetition(name: str) -> Callable[[float], Any]:
        return lambda limit: peer.GopherRepetitionFilter(**{**none, **grams, name: limit})

    def ngram(name: str, n: int) -> Callable[[float], Any]:
        return lambda limit: peer.GopherRepetitionFilter(**{**none, **grams, name: ((n, limit),)})

    def fineweb(name: str) -> Callable[[float], Any]:
        return lambda limit: peer.FineWebQualityFilter(**{**loose, name: limit})

    def sentences(limit: float) -> Any:
        return peer.C4QualityFilter(
            min_num_sentences=limit, filter_lorem_ipsum=False, filter_curly_bracket=False
        )

    c4 = C4Quality(lorem_ipsum=False, curly_bracket=False)
    # ours, column, the peer's filter with nothing but that limit, whether the limit is a least value.
    checks: list[tuple[Any, str, Callable[[float], Any], bool]] = [
        (GopherQuality(), "words", quality("min_doc_words"), True),
        (GopherQuality(), "mean_length", quality("min_avg_word_length"), True),
        (GopherQuality(), "bullet_lines", quality("max_bullet_lines_ratio"), False),
        (GopherQuality(), "ellipsis_lines", quality("max_ellipsis_lines_ratio"), False),
        (GopherQuality(), "alpha_words", quality("max_non_alpha_words_ratio"), True),
        (GopherQuality(), "stop_words", quality("min_stop_words"), True),
        (GopherRepetition(), "dup_paragraphs", repetition("dup_para_frac"), False),
        (GopherRepetition(), "dup_paragraph_chars", repetition("dup_para_char_frac"), False),
        (GopherRepetition(), "dup_lines", repetition("dup_line_frac"), False),
        (GopherRepetition(), "dup_line_chars", repetition("dup_line_char_frac"), False),
        *((GopherRepetition(), f"top_{n}_gram", ngram("top_n_grams", n), False) for n in (2, 3, 4)),
        *((GopherRepetition(), f"dup_{n}_gram", ngram("dup_n_grams", n), False) for n in range(5, 11)),
        (c4, "sentences", sentences, True),
        (FineWebQuality(), "punctuated_lines", fineweb("line_punct_thr"), True),
        (FineWebQuality(), "short_lines", fineweb("short_line_thr"), False),
        (FineWebQuality(), "duplicate_chars", fineweb("char_duplicates_ratio"), False),
        (FineWebQuality(), "line_breaks", fineweb("new_line_ratio"), False),
    ]
    some = [d for d in documents if len(d["text"]) <= 20_000 and d["kind"] != BLANKS]
    some = some[:: max(1, len(some) // 150)]
    yield (
        f"\n### Statistics\n\n{len(some)} documents of at most 20,000 characters. A statistic is the same to the last digit when the "
        "peer's filter keeps the document with our value as its limit and drops it one step of a float64 (of a count: 1) "
        "beyond. A value of 0 turns the peer's rule off, so it is not tested.\n"
    )
    yield "| statistic | documents tested | equal to the last digit | differs in |\n| :-- | --: | --: | :-- |"
    for ours, column, limited, least in checks:
        tested, differs = 0, []
        for document in some:
            text = document["text"]
            for step in ours.steps()[:-1]:
                text = step.transform_many([text])[0]
            value = ours.steps()[-1].measure_many([text])[column][0]
            if not value > 0:
                continue
            whole = isinstance(value, np.integer)
            beyond = value + 1 if whole else np.nextafter(value, np.inf if least else -np.inf)
            keeps = [
                run_theirs(limited(limit), [document["text"]])[0][0] is None for limit in (value, beyond)
            ]
            tested += 1
            if keeps != [True, False]:
                differs.append(document["id"])
        yield f"| {type(ours).__name__}.{column} | {tested} | {tested - len(differs)} | {', '.join(differs)} |"
    yield "\n" + STATISTICS_EXPLAINED


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
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    from ablate.stages.minhash_dedup import MinhashDedup

    texts = [document["text"] for document in documents]
    size = sum(len(text.encode()) for text in texts) / 1e6
    stage = MinhashDedup()
    stage.sketch_many(texts[:1])
    sketches, ours = timed(lambda: stage.sketch_many(texts))
    rows = np.arange(len(texts))
    keys = np.arange(len(texts), dtype=np.uint64)
    lengths = np.array([len(text) for text in texts])
    groups, relating = timed(
        lambda: stage.relate(sketches, rows, lambda some: ((row, texts[row]) for row in some))
    )
    verdict, resolving = timed(lambda: stage.resolve(groups, rows, keys=keys, n_bytes=lengths))
    whole_ours = ours + relating + resolving

    def peer(seed: int) -> tuple[list[np.ndarray], int, float, float]:
        """Of each band, the group that each document is in; documents kept; seconds of signatures and of all."""
        config = MinhashConfig(n_grams=5, num_buckets=14, hashes_per_bucket=8, seed=seed)
        with tempfile.TemporaryDirectory() as folder:
            items = [Document(text=text, id=str(number)) for number, text in enumerate(texts)]
            signature = MinhashDedupSignature(output_folder=f"{folder}/sig", config=config)
            signature.get_shingles("one two three four five six")
            _, signing = timed(lambda: signature.run(iter(items)))

            def rest() -> list[str]:
                for bucket in range(14):
                    MinhashDedupBuckets(f"{folder}/sig", f"{folder}/buckets", config=config).run(
                        None, bucket, 14
                    )
                MinhashDedupCluster(f"{folder}/buckets", f"{folder}/remove", config=config).run(None, 0, 1)
                return [
                    document.id for document in MinhashDedupFilter(f"{folder}/remove").run(iter(items), 0, 1)
                ]

            kept, clustering = timed(rest)
            bands = []
            for path in sorted(Path(folder, "buckets").glob("*.dups")):
                pairs = np.frombuffer(path.read_bytes(), dtype="<u4").reshape(-1, 4)[:, [1, 3]]
                graph = coo_array((np.ones(len(pairs)), (pairs[:, 0], pairs[:, 1])), shape=(len(texts),) * 2)
                bands.append(connected_components(graph, directed=False)[1])
        return bands, len(kept), signing, signing + clustering

    theirs_bands, theirs_kept, theirs, whole_theirs = peer(seed=1)
    again_bands, again_kept, _, _ = peer(seed=2)

    def sketch_datasketch() -> list[Any]:
        signatures = []
        for text in texts:
            words = text.lower().split()
            one = datasketch.MinHash(num_perm=112, seed=1)
            one.update_batch([" ".join(words[i : i + 5]).encode() for i in range(max(1, len(words) - 4))])
            signatures.append(one)
        return signatures

    _, theirs_datasketch = timed(sketch_datasketch)
    yield f"\n## MinHash\n\n{len(texts):,} documents, {size:.1f} MB, word 5-grams, 14 bands of 8 rows; CPU seconds of one thread.\n"
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
    yield (
        f"\nDropped: ours {int((~verdict.keep).sum())}; datatrove {len(texts) - theirs_kept} with its hash seed 1, "
        f"{len(texts) - again_kept} with seed 2. Pairs by true Jaccard similarity of the shingles (brute force over all pairs "
        "that share one), how many share a band, and how many 1 - (1 - s^8)^14 gives:\n"
    )
    yield "| Jaccard | pairs | ours | datatrove, seed 1 | datatrove, seed 2 | expected |\n| :-- | --: | --: | --: | --: | --: |"
    ours_bands = list(sketches.T)
    for low, high in ((0.3, 0.5), (0.5, 0.6), (0.6, 0.7), (0.7, 0.8), (0.8, 0.9), (0.9, 1.01)):
        inside = [(pair, s) for pair, s in true.items() if low <= s < high]
        if inside:
            first, second = np.array([pair for pair, _ in inside]).T
            joined = [
                int(np.any([band[first] == band[second] for band in bands], axis=0).sum())
                for bands in (ours_bands, theirs_bands, again_bands)
            ]
            expected = sum(1 - (1 - min(s, 1.0) ** 8) ** 14 for _, s in inside)
            yield f"| {low:.1f} to {min(high, 1.0):.1f} | {len(inside)} | {' | '.join(map(str, joined))} | {expected:.1f} |"
    clusters = [groups.clusters(rows, rows.size), merged(theirs_bands), merged(again_bands)]
    together = [{pair for label in members(one) for pair in combinations(label, 2)} for one in clusters]
    at = {pair for pair, s in true.items() if s >= 0.75}
    yield "\nPairs of documents in one cluster:\n"
    yield "| | pairs | of these with Jaccard >= 0.75 (precision) | share of all such pairs (recall) | in common with ours |\n| :-- | --: | --: | --: | --: |"
    for name, found in zip(("ours", "datatrove, seed 1", "datatrove, seed 2"), together, strict=True):
        hits = len(found & at)
        yield f"| {name} | {len(found)} | {100 * hits / max(1, len(found)):.1f} % | {100 * hits / max(1, len(at)):.1f} % | {len(found & together[0])} |"
    yield f"\nThe two seeds of datatrove have {len(together[1] & together[2])} pairs in common: what other hash functions change."


def merged(bands: list[Any]) -> Any:
    """Connected components of documents that share a group in any band."""
    import numpy as np
    from scipy.sparse import coo_array
    from scipy.sparse.csgraph import connected_components

    n = bands[0].size
    columns = np.concatenate([n + number * n + band for number, band in enumerate(bands)])
    size = n * (len(bands) + 1)
    graph = coo_array(
        (np.ones(columns.size), (np.tile(np.arange(n), len(bands)), columns)), shape=(size, size)
    )
    return connected_components(graph, directed=False)[1][:n]


def members(labels: Any) -> list[list[int]]:
    """The documents of each cluster of two or more."""
    found: dict[int, list[int]] = {}
    for document, label in enumerate(labels.tolist()):
        found.setdefault(label, []).append(document)
    return [some for some in found.values() if len(some) > 1]


def race(path: Path, out: Path | None, every: int) -> None:
    """Both sides in this process, then the page."""
    sys.path.insert(0, str(ROOT))
    import importlib.metadata as metadata

    begun = time.perf_counter()
    with path.open(encoding="utf-8") as file:
        documents = [json.loads(line) for line in file][::every]
    versions = ", ".join(
        f"{name} {metadata.version(name)}" for name in ("datatrove", "spacy", "datasketch", "numpy")
    )
    lines = [
        "# Curation against its peers",
        f"\n`python results/benchmarks/curation.py --data ../shared/data --out results/benchmarks/curation.md{f' --every {every}' if every > 1 else ''}`; {versions}, Python {sys.version.split()[0]}.\n",
        *heuristics(documents),
        *statistics(documents),
        *minhash(documents),
    ]
    took, computing = time.perf_counter() - begun, time.process_time()
    lines.insert(2, f"The race took {took / 60:.0f} minutes, {computing / 60:.0f} of them on the CPU.\n")
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
