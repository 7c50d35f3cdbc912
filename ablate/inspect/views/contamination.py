"""Which benchmark items stand in the documents, in which ones, and what decontamination leaves of them.

Looks at the documents that reach the arm's decontamination, as it finds items (`stages.decontamination.method` and
its parameters), and at the corpus the arm trains on; in a recipe without that stage, at the corpus by the stage's
defaults. Writes contamination.md and contamination.csv (task, item, row, key, url, n-grams, share: one line
for each item and document) into <study.dir>/contamination. The same arm gives the same bytes.

  inspect.samples=3                documents shown of each task, those that give away most items first

Example: ablate inspect contamination study=demo stages.decontamination.method=cosmopedia
"""

from __future__ import annotations

import textwrap
from collections import Counter

import numpy as np
import pyarrow as pa
import pyarrow.csv
from omegaconf import DictConfig

from ablate.benchmarks.snapshot import references
from ablate.corpus.annotate import Annotations, TextVersion
from ablate.corpus.dropped_texts import excerpt
from ablate.corpus.leaks import find_leaks, leak_finder
from ablate.corpus.view import build_corpus
from ablate.errors import ConfigError
from ablate.inspect.arm import open_arm, stage_outcomes
from ablate.inspect.page import SHORT, escape
from ablate.render.tables import aligned, markdown
from ablate.stages.decontamination import Decontamination
from ablate.store import atomic, write_text
from ablate.study.plan import folder_of
from ablate.text.text_norm import word_spans

HEADER = ("task", "items", "looked for", "given away", "share", "documents", "left in the corpus")
BEFORE, AFTER = 60, 240
"""Characters shown before and after the place where an item begins."""


def main(config: DictConfig) -> int:
    """Look for items; returns the exit status."""
    with open_arm(config) as (arm, builder):
        finder = leak_finder(arm.config)
        if finder is None:
            raise ConfigError(
                "no task is there as a file to look for: give evaluate.snapshot=<folder> and evaluate.tasks=[...] "
                "(`ablate snapshot` makes one)"
            )
        annotations = builder.annotations
        corpus = build_corpus(arm.stages(), annotations)
        reached = next((p for p in stage_outcomes(corpus) if p.stage == Decontamination.name), None)
        version, rows = (reached.before, reached.rows) if reached else (corpus.version, corpus.rows)
        found = find_leaks(annotations, version, rows, finder)
        left = find_leaks(annotations, corpus.version, corpus.rows, finder) if reached else found
        samples = {
            task: _samples(annotations, version, found, task, finder, config.inspect.samples)
            for task in finder.tasks
        }
    cells = _cells(finder, found, left)
    facts = [
        f"- method: `{finder.method}`, {finder.n} words in a row, `{finder.match}`",
        f"- documents: {rows.size:,} {'reach decontamination' if reached else 'of the corpus (no decontamination is enabled)'}, "
        f"{len(found['row'].unique()):,} give an item away",
        f"- pool: `{builder.pool.digest}`, corpus `{corpus.key}`",
    ]
    title = config.study.title or config.study.name
    parts = [f"# What the documents give away: {title}", "\n".join(facts), markdown(HEADER, cells)]
    for task, lines in samples.items():
        if lines:
            header = ("document", "items", "share", "where the first one stands")
            parts += [
                f"## {task}",
                markdown(
                    header, [[url, str(n), f"{s:.2f}", escape(excerpt(t, SHORT))] for url, n, s, t in lines]
                ),
            ]
    folder = folder_of(config) / "contamination"
    with atomic(folder / "contamination.csv") as part, part.open("wb") as file:
        pa.csv.write_csv(found, file)
    write_text(folder / "contamination.md", "\n\n".join(parts) + "\n")
    print("\n".join(facts) + "\n\n" + aligned(HEADER, cells))
    for task, lines in samples.items():
        for url, count, _, text in lines:
            print(
                f"\n{task}: {count:,} in {url}\n"
                + textwrap.indent(textwrap.shorten(text, 300, placeholder=" ..."), "    ")
            )
    print(f"\ncontamination: {folder / 'contamination.md'}")
    return 0


def _cells(finder: Decontamination, found: pa.Table, left: pa.Table) -> list[list[str]]:
    everything = Counter(reference.task for reference in references(finder.snapshot, finder.tasks))
    looked_for = Counter(task for task, _ in set(finder.references.names))
    counts = [_items_of(table) for table in (found, left)]
    documents = Counter(
        task for task, _ in set(zip(found["task"].to_pylist(), found["row"].to_pylist(), strict=True))
    )
    return [
        [
            task,
            f"{everything[task]:,}",
            f"{looked_for[task]:,}",
            f"{counts[0][task]:,}",
            f"{100 * counts[0][task] / everything[task]:.1f} %",
            f"{documents[task]:,}",
            f"{counts[1][task]:,}",
        ]
        for task in finder.tasks
    ]


def _items_of(table: pa.Table) -> Counter[str]:
    return Counter(
        task for task, _ in set(zip(table["task"].to_pylist(), table["item"].to_pylist(), strict=True))
    )


def _samples(
    annotations: Annotations,
    version: TextVersion,
    found: pa.Table,
    task: str,
    finder: Decontamination,
    count: int,
) -> list[tuple[str, int, float, str]]:
    """(url, items, largest share, text around the first) of the documents with most items of a task."""
    lines = [line for line in found.to_pylist() if line["task"] == task]
    items = Counter(line["row"] for line in lines)
    rows = [row for row, _ in sorted(items.items(), key=lambda e: (-e[1], e[0]))[:count]]
    shown: dict[int, tuple[str, int, float, str]] = {}
    for row, text in annotations.texts(version, np.array(sorted(rows), dtype=np.int64)):
        mine = [line for line in lines if line["row"] == row]
        names = {(line["task"], line["item"]) for line in mine}
        places = [
            one.words[0]
            for one in finder.finder.found(text)
            if finder.references.names[one.reference] in names
        ]
        begin = word_spans(text)[int(min(places))][0]
        around = " ".join(text[max(0, begin - BEFORE) : begin + AFTER].split())
        shown[row] = (mine[0]["url"] or f"row {row}", items[row], max(line["share"] for line in mine), around)
    return [shown[row] for row in rows]
