"""Substring and line deduplication: how fast, what each mode removes from real text, and a peer beside it.

    python results/benchmarks/substring.py --data ../shared/data --out results/benchmarks/substring.md

Run it in ablate's environment: it extracts the pages of `--data`/web with resiliparse, takes up to 200
documents of each file of `--data`/text, and calls itself in an environment of the peer's own (datatrove
pins older packages) for three-sentence deduplication of every `--peer-every`-th document.
"""

from __future__ import annotations

import argparse
import gzip
import importlib.metadata as metadata
import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PEERS = ["datatrove[processing]==0.10.1", "spacy==3.8.18"]
PER_TEXT_FILE = 200
KINDS = ("web pages", "plain texts")


def timed(work: Callable[[], Any]) -> tuple[Any, float]:
    """What it returns, and seconds of processor time: others may use the machine."""
    begun = time.process_time()
    result = work()
    return result, time.process_time() - begun


def megabytes(texts: list[str]) -> float:
    return sum(len(text.encode()) for text in texts) / 1e6


# ---- in ablate's environment -------------------------------------------------------------------------------------


def documents(data: Path) -> tuple[list[str], list[str]]:
    """Kinds and texts."""
    import numpy as np

    from ablate.corpus.annotate import Annotations
    from ablate.pool.pool import build_pool
    from ablate.pool.warc import Warc
    from ablate.reading.records import clean_text
    from ablate.stages.extraction import Extraction
    from ablate.store import Store

    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        pool = build_pool(Warc(paths=(str(data / "web" / "*.warc.gz"),)), store)
        annotations = Annotations(pool, store, workers=1)
        version = annotations.transform(annotations.root(), Extraction(method="resiliparse"))
        pages = [text for _, text in annotations.texts(version, np.arange(len(pool))) if text.strip()]
    plain = []
    for file in sorted((data / "text").glob("*.jsonl.gz")):
        with gzip.open(file, "rt", encoding="utf-8") as lines:
            texts = [clean_text(json.loads(line)["text"])[:100_000] for line in lines]
        plain += [
            text for text in texts[:: max(1, len(texts) // PER_TEXT_FILE)][:PER_TEXT_FILE] if text.strip()
        ]
    return [KINDS[0]] * len(pages) + [KINDS[1]] * len(plain), pages + plain


def modes() -> Iterator[tuple[str, Any]]:
    from ablate.stages.line_dedup import UNITS, LineDedup
    from ablate.stages.substring_dedup import SubstringDedup

    for name, make in [
        ("substrings of 50 tokens", SubstringDedup),
        *(
            (unit.replace("_", " "), lambda unit=unit, **other: LineDedup(unit=unit, **other))
            for unit in UNITS
        ),
    ]:
        yield name, make()
        yield f"{name}, keep none", make(keep="none")
        yield f"{name}, drop documents", make(on_hit="drop")
        yield f"{name}, drop above 20 %", make(on_hit="drop", max_share=0.2)


def cut_all(stage: Any, spans: Any, texts: list[str]) -> list[str]:
    """The texts after the stage; empty where it drops one."""
    import numpy as np

    from ablate.corpus.annotate import Cut

    after, rows = list(texts), np.unique(spans.document).tolist()
    if stage.on_hit == "cut":
        for row, text in zip(
            rows, Cut(stage, spans).transform_many([texts[row] for row in rows]), strict=True
        ):
            after[row] = text
    return after


def ours(kinds: list[str], texts: list[str]) -> Iterator[str]:
    import numpy as np

    counts_of = {kind: kinds.count(kind) for kind in KINDS}
    size = {kind: megabytes([t for k, t in zip(kinds, texts, strict=True) if k == kind]) for kind in KINDS}
    total, rows = sum(size.values()), np.arange(len(texts))
    yield "## What each mode removes\n"
    yield f"{', '.join(f'{counts_of[kind]:,} {kind} ({size[kind]:.1f} MB)' for kind in KINDS)}, one pool; an arm of one stage.\n"
    header = [
        f"{kind}: {what}" for kind in KINDS for what in ("documents dropped", "rewritten", "bytes removed")
    ]
    yield "| stage and mode | " + " | ".join(header) + " |\n| :-- |" + " --: |" * len(header)
    speed, slow = [], {}
    for name, stage in modes():
        key = json.dumps(stage.slow_identity())
        if key not in slow:
            stage.sketch_many(["One word, one mark. It rained."])
            sketches, sketching = timed(lambda stage=stage: stage.sketch_many(texts))
            counts, values = np.array([s.size for s in sketches]), np.concatenate(sketches)
            before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
            windows, relating = timed(lambda s=stage, v=values, c=counts: s.relate(v, c, rows, len(texts)))
            grown = 1024 * (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
            slow[key] = windows
            speed.append([name, total / sketching, total / relating, grown / values.size, values.size])
        spans, resolving = timed(lambda s=stage, w=slow[key]: s.resolve(w, rows))
        after, cutting = timed(lambda s=stage, spans=spans: cut_all(s, spans, texts))
        if len(speed[-1]) == 5:
            speed[-1] += [total / (resolving + cutting)]
        if stage.on_hit == "drop":
            measured = {"pieces": slow[key].n_pieces, "repeated_pieces": spans.pieces(len(texts))}
            keep = stage.decide(measured).keep
            after = [text if kept else "" for text, kept in zip(after, keep, strict=True)]
        line = [name]
        for kind in KINDS:
            pairs = [(a, b) for k, a, b in zip(kinds, texts, after, strict=True) if k == kind]
            left = megabytes([b for _, b in pairs])
            dropped = sum(not b for _, b in pairs)
            rewritten = sum(bool(b) and a != b for a, b in pairs)
            line += [
                f"{dropped:,} ({100 * dropped / len(pairs):.1f} %)",
                f"{rewritten:,} ({100 * rewritten / len(pairs):.1f} %)",
                f"{100 * (1 - left / size[kind]):.1f} %",
            ]
        yield "| " + " | ".join(line) + " |"
    yield "\n## Speed\n\nBy processor time, texts in memory. Sketches and repeats are made once per text version, for all arms; the last column is an arm's own part (first kept, cut).\n"
    yield "| stage | pieces | sketches MB/s | repeats MB/s | memory above the sketches, bytes a piece | an arm's cut MB/s |\n| :-- | --: | --: | --: | --: | --: |"
    for name, sketching, relating, memory, pieces, arm in speed:
        yield f"| {name} | {pieces:,} | {sketching:.1f} | {relating:.1f} | {memory:.0f} | {arm:.1f} |"


def beside_the_peer(texts: list[str], python: Path, folder: Path) -> Iterator[str]:
    """Three-sentence deduplication of C4's lines, ours and datatrove's."""
    import numpy as np

    from ablate.stages.c4_quality import C4Quality
    from ablate.stages.line_dedup import LineDedup
    from ablate.text.segments import sentence_spans
    from ablate.text.text_norm import words

    lines, _ = C4Quality().steps()
    texts = [text for text in map(lines.transform, texts) if text]
    stage, rows = LineDedup(unit="three_sentences"), np.arange(len(texts))

    def work(texts: list[str] = texts) -> list[str]:
        sketches = stage.sketch_many(texts)
        counts = np.array([s.size for s in sketches])
        windows = stage.relate(np.concatenate(sketches), counts, rows, len(texts))
        return cut_all(stage, stage.resolve(windows, rows), texts)

    def agreement(mine: list[str], theirs: list[str]) -> tuple[int, int]:
        """Documents with other words left, and how many of them have fewer in ours."""
        differ = [(a, b) for a, b in zip(map(words, mine), map(words, theirs), strict=True) if a != b]
        return len(differ), sum(len(a) < len(b) for a, b in differ)

    mine, cold = timed(work)
    _, warm = timed(work)
    by_line = ["\n".join(text[a:b] for a, b in sentence_spans(text)) for text in texts]
    given, made = folder / "given.json", folder / "made.json"
    given.write_text(json.dumps([texts, by_line]))
    subprocess.run([str(python), __file__, "--peer", str(given), str(made)], check=True)
    answer = json.loads(made.read_text())
    theirs, same_sentences = answer["texts"]
    size = megabytes(texts)
    changed = [sum(a != b for a, b in zip(after, texts, strict=True)) for after in (mine, theirs)]
    other, fewer = agreement(mine, theirs)
    other_by_line, fewer_by_line = agreement(work(by_line), same_sentences)
    yield "\n## Three-sentence spans beside datatrove\n"
    yield f"{len(texts):,} documents ({size:.1f} MB) after C4's line rules, which leave lines that end like sentences; processor time; datatrove {answer['version']} without its least document length. Ours remembers words it has met: the second number is a second run, as after a stage that met them.\n"
    yield "| | ours | ours, words met before | datatrove |\n| :-- | --: | --: | --: |"
    yield f"| MB/s, signatures to text | {size / cold:.1f} | {size / warm:.1f} | {size / answer['seconds']:.2f} |"
    yield f"| times datatrove's speed | {answer['seconds'] / cold:.0f} | {answer['seconds'] / warm:.0f} | 1 |"
    yield f"| documents rewritten | {changed[0]:,} | {changed[0]:,} | {changed[1]:,} |"
    yield f"| bytes removed | {100 * (1 - megabytes(mine) / size):.2f} % | | {100 * (1 - megabytes(theirs) / size):.2f} % |"
    yield f"\nThe same words are left in {100 * (1 - other / len(texts)):.2f} % of the documents; ours leaves fewer in {fewer} of the {other} others. datatrove's sentences run on over line breaks, ours end there. Given the same sentences, one a line, the same words are left in {100 * (1 - other_by_line / len(texts)):.2f} %, and ours leaves fewer in {fewer_by_line} of the {other_by_line} others: ours takes numbers for 0, accents off and leaves the first of overlapping equal spans whole."


# ---- in the peer's environment -----------------------------------------------------------------------------------


def peer(given: Path, made: Path) -> None:
    from datatrove.data import Document
    from datatrove.pipeline.dedup import SentenceDedupFilter, SentenceDedupSignature, SentenceFindDedups
    from datatrove.pipeline.dedup.sentence_dedup import SentDedupConfig

    def work(texts: list[str], split: bool) -> list[str]:
        config = SentDedupConfig(n_sentences=3, split_sentences=split, min_doc_words=0, min_num_sentences=0)
        with tempfile.TemporaryDirectory() as folder:
            signature = SentenceDedupSignature(f"{folder}/sig", config=config)
            signature.run(Document(text=text, id=str(i)) for i, text in enumerate(texts))
            SentenceFindDedups(f"{folder}/sig", f"{folder}/dup", config=config).run()
            step = SentenceDedupFilter(f"{folder}/dup", config=config)
            left = step.run(Document(text=text, id=str(i)) for i, text in enumerate(texts))
            after = {document.id: document.text for document in left}
        return [after.get(str(i), "") for i in range(len(texts))]

    texts, by_line = json.loads(given.read_text())
    work(["One word, one mark. It rained."], True)
    left, seconds = timed(lambda: work(texts, True))
    answer = {
        "texts": [left, work(by_line, False)],
        "seconds": seconds,
        "version": metadata.version("datatrove"),
    }
    made.write_text(json.dumps(answer))


def peer_python(folder: Path) -> Path:
    """The Python of the peer's environment, made when it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "--quiet", *PEERS], check=True)
    return python


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, help="folder with web/*.warc.gz and text/*.jsonl.gz")
    parser.add_argument("--every", type=int, default=1, help="take every so many-th document")
    parser.add_argument("--peer-every", type=int, default=2)
    parser.add_argument("--out", type=Path)
    parser.add_argument(
        "--peers", type=Path, default=ROOT / ".cache" / "peers", help="the peer's environment"
    )
    parser.add_argument("--peer", type=Path, nargs=2, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.peer:
        peer(*args.peer)
        return
    if not args.data:
        parser.error("give --data: a folder with web/*.warc.gz and text/*.jsonl.gz")
    for name in ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"):
        os.environ[name] = "1"
    sys.path.insert(0, str(ROOT))
    begun = time.monotonic()
    kinds, texts = documents(args.data)
    kinds, texts = kinds[:: args.every], texts[:: args.every]
    with tempfile.TemporaryDirectory() as folder:  # first, while no word has been met
        beside = list(beside_the_peer(texts[:: args.peer_every], peer_python(args.peers), Path(folder)))
    lines = [*ours(kinds, texts), *beside]
    versions = ", ".join(f"{name} {metadata.version(name)}" for name in ("pydivsufsort", "spacy", "numpy"))
    every = f" --every {args.every}" if args.every > 1 else ""
    head = [
        "# Substring and line deduplication\n",
        f"`python results/benchmarks/substring.py --data ../shared/data{every}`; {versions}, Python "
        f"{sys.version.split()[0]}; {time.monotonic() - begun:.0f} s.\n",
    ]
    page = "\n".join(head + lines) + "\n"
    print(page)
    if args.out:
        args.out.write_text(page, encoding="utf-8")


if __name__ == "__main__":
    main()
