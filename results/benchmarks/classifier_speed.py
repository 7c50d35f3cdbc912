"""Quality classifiers: documents a second of each student on one core.

    python results/benchmarks/classifier_speed.py --data ../shared/data --out results/benchmarks/classifier_speed.md

`--data` is a folder with `labels/`. Students are those of `classifier.py`, trained on DCLM's human labels.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from classifier import made_with, read, read_labelled, students, trained

from ablate.classifier.embedding import Embedding
from ablate.classifier.fast_text import FastText
from ablate.classifier.student import Scorer, Student
from ablate.render.tables import markdown
from ablate.text.text_norm import normal_chunks

SHORT = 1_000
"""Characters of a short web document: some 140 words, about the size of a product page or a forum post."""


def speed(data: Path, made: dict[str, Student | None]) -> tuple[list[list[str]], int, str]:
    """Documents a second with all words new, and with all words known, as they nearly are after a few shards."""
    files = (
        "dclm_human_quality",
        "english_llm_edu_scores",
        "danish_llm_edu_scores",
        "danish_human_edu_labels",
    )
    whole = [row["text"] for name in files for row in read(data / "labels" / f"{name}.jsonl.gz")]
    people = read_labelled(data / "labels" / "dclm_human_quality.jsonl.gz", "label")
    sets = {"short": [text[:SHORT] for text in whole], "whole": whole}
    rows = []
    for name, student in made.items():
        if student is None:
            rows.append([name, *["not run"] * 6])
            continue
        slow = isinstance(student, Embedding)
        some, learnt = (30, 100) if slow else (len(whole), len(people.texts))
        score = trained(student, people.texts[:learnt], people.labels[:learnt], binary=True, seed=0)
        score(["to load what is loaded on first use"])
        ways = {name: score}
        if isinstance(student, FastText):
            ways["fasttext, text as it is, one a call"] = _alone(student, people.texts, people.labels)
        for way, scorer in ways.items():
            cells = []
            for texts in sets.values():
                taken = texts[:: len(texts) // some][:some]
                size = sum(len(text.encode()) for text in taken) / 1e6
                new, known = _seconds(scorer, taken, passes=1 if slow else 5)
                cells += [
                    f"{len(taken) / new:,.0f}",
                    f"{len(taken) / known:,.0f}",
                    f"{size / new:.2f} to {size / known:.2f}",
                ]
            rows.append([way, *cells])
            print(rows[-1], flush=True)
    means = {name: np.mean([len(text.encode()) for text in texts]) for name, texts in sets.items()}
    words = np.mean([len(text.split()) for text in sets["short"]])
    return (
        rows,
        len(whole),
        f"short {means['short']:,.0f} bytes and {words:.0f} words, whole {means['whole']:,.0f} bytes",
    )


def _seconds(score: Scorer, texts: Sequence[str], passes: int) -> tuple[float, float]:
    """Median processor time of a pass with nothing remembered of any word, and of one that follows it."""
    spent: tuple[list[float], list[float]] = ([], [])
    for _ in range(passes):
        normal_chunks.clear()
        for times in spent:
            begin = time.process_time()
            score(texts)
            times.append(time.process_time() - begin)
    return float(np.median(spent[0])), float(np.median(spent[1]))


def _alone(student: FastText, texts: Sequence[str], labels: np.ndarray) -> Scorer:
    """fastText called as datatrove's and DCLM's filters do: line breaks out, one document after another."""
    import fasttext

    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / student.file
        student.fit(texts, labels, path, binary=True, seed=0)
        model = fasttext.load_model(str(path))

    def scores(asked: Sequence[str]) -> np.ndarray:
        return np.array([model.predict(text.replace("\n", " "), k=2)[1][0] for text in asked])

    return scores


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    begin, made = time.perf_counter(), students()
    rows, count, sizes = speed(given.data, made)
    parts = [
        "# Speed of the quality classifiers",
        f"`python results/benchmarks/classifier_speed.py --data ../shared/data --out {given.out}`",
        f"One core, {count:,} web documents, processor time; medians of five passes, one pass over 30 documents for "
        "embeddings. fastText's student remembers words: *new* is a pass with nothing remembered, *known* the pass after it, "
        f"and a long run is near the second. A short web document is a document's first {SHORT:,} characters. Mean sizes: "
        f"{sizes}. *Text as it is* is fastText without our normalising, called as datatrove's and DCLM's filters call it: the "
        "peer that bounds the speed from above.",
        markdown(
            (
                "student",
                "short documents/s, new",
                "known",
                "MB/s",
                "whole documents/s, new",
                "known",
                "MB/s",
            ),
            rows,
            remark=False,
        ),
        made_with(made, begin),
    ]
    given.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
