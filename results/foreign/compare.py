"""FineWeb's published filters as they are, through `datatrove`, beside ours: decisions, texts and price on real pages.

    python results/foreign/compare.py --data ../shared/data --python venv/bin/python --out results/foreign

`--data` is a folder with `web/*.warc.gz`, of which `--files` names some; `--python` the interpreter of an environment with datatrove[processing] and spacy.
Pages are extracted with resiliparse, and every filter sees all of them. Times are CPU seconds of one process.
"""

from __future__ import annotations

import argparse
import csv
import tempfile
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ablate.corpus.annotate import Annotations
from ablate.corpus.view import Corpus, build_corpus
from ablate.pool.pool import build_pool
from ablate.pool.warc import Warc
from ablate.stages.base import Stage
from ablate.stages.c4_quality import C4Quality
from ablate.stages.datatrove import DataTrove
from ablate.stages.extraction import Extraction
from ablate.stages.fineweb_quality import FineWebQuality
from ablate.stages.gopher_quality import GopherQuality
from ablate.stages.gopher_repetition import GopherRepetition
from ablate.stages.language import MODEL, Language
from ablate.store import Store
from ablate.testing.stage import slow_half
from ablate.text.lines import plain_lines

WARM = ["One word, 1 mark. Another sentence."]
"""What ours load is no page's time; theirs have loaded before they are asked."""


def pairs(python: str) -> Iterator[tuple[str, Stage, DataTrove]]:
    """Name, ours, theirs: in FineWeb's order, with FineWeb's arguments (examples/fineweb.py of datatrove)."""

    def theirs(name: str, **given: Any) -> DataTrove:
        return DataTrove(class_path=f"datatrove.pipeline.filters.{name}", python=python, **given)

    # LanguageFilter fetches its model from the network; this is the same model in a file, at the same threshold.
    lid = {"model_url": str(MODEL), "keep_labels": [["en", 0.65]], "newline_replacement": " "}
    yield "language", Language(), theirs("FastTextClassifierFilter", init_args=lid)
    yield "Gopher repetition", GopherRepetition(), theirs("GopherRepetitionFilter")
    yield "Gopher quality", GopherQuality(), theirs("GopherQualityFilter")
    c4 = {"filter_no_terminal_punct": False}
    yield (
        "C4 quality",
        C4Quality(terminal_punctuation=False),
        theirs("C4QualityFilter", init_args=c4, gives="keep_and_text"),
    )
    yield "FineWeb quality", FineWebQuality(), theirs("FineWebQualityFilter")


def reason_of_each(corpus: Corpus, n: int) -> list[str | None]:
    """Why each document of the pool is dropped; None for those that are kept."""
    found: list[str | None] = [None] * n
    for decision in corpus.decisions[1:]:  # the first is the extraction's
        rows, verdict = decision.rows, decision.verdict
        for row, code in zip(rows.tolist(), verdict.code.tolist(), strict=True):
            if code:
                found[row] = verdict.reasons[code - 1]
    return found


def main() -> None:
    asked = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    asked.add_argument("--data", type=Path, required=True)
    asked.add_argument("--python", required=True)
    asked.add_argument("--files", default="*.warc.gz")
    asked.add_argument("--out", type=Path, required=True)
    given = asked.parse_args()
    extraction = Extraction(method="resiliparse")
    with tempfile.TemporaryDirectory() as folder:
        store = Store(Path(folder))
        pool = build_pool(Warc(paths=(str(given.data / "web" / given.files),)), store)
        annotations = Annotations(pool, store, workers=1)
        base = build_corpus([extraction], annotations)
        texts = dict(annotations.texts(base.version, base.rows))
        clean = {row for row, text in texts.items() if plain_lines(text) == text}
        rows, classes = [], []
        for name, ours, theirs in pairs(given.python):
            for step in ours.steps():
                slow_half(step, WARM)
            corpora = [build_corpus([extraction, stage], annotations) for stage in (ours, theirs)]
            kept = [set(corpus.rows.tolist()) for corpus in corpora]
            both = sorted(kept[0] & kept[1])
            left = [dict(annotations.texts(corpus.version, corpus.rows)) for corpus in corpora]
            spent = [
                sum(
                    annotations.cpu_s(step, segments=base.version.segments, rows=base.rows)
                    for step in stage.steps()
                )
                for stage in (ours, theirs)
            ]
            differ = kept[0] ^ kept[1]
            rows.append(
                {
                    "filter": name,
                    "pages": len(texts),
                    "kept_by_ours": len(kept[0]),
                    "kept_by_datatrove": len(kept[1]),
                    "differ": len(differ),
                    "differ_of_clean_lf": len(differ & clean),
                    "clean_lf": len(clean),
                    "texts_differ": sum(left[0][row] != left[1][row] for row in both),
                    "ours_ms_per_page": f"{1e3 * spent[0] / len(texts):.2f}",
                    "datatrove_ms_per_page": f"{1e3 * spent[1] / len(texts):.2f}",
                }
            )
            print(rows[-1], flush=True)
            said = [reason_of_each(corpus, len(pool)) for corpus in corpora]
            counted = Counter((mine, other) for mine, other in zip(*said, strict=True) if mine != other)
            classes += [
                {"filter": name, "ours": mine or "kept", "datatrove": other or "kept", "pages": count}
                for (mine, other), count in counted.most_common()
            ]
            for path, table in (("decisions.csv", rows), ("differences.csv", classes)):
                if table:
                    with (given.out / path).open("w", newline="", encoding="utf-8") as file:
                        writer = csv.DictWriter(file, list(table[0]), lineterminator="\n")
                        writer.writeheader()
                        writer.writerows(table)
        annotations.close()


if __name__ == "__main__":
    main()
