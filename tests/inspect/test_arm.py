"""What a stage received and kept, its steps taken together, is what the funnel says."""

from __future__ import annotations

from collections import Counter
from typing import Any

import numpy as np

from ablate.corpus.annotate import Annotations
from ablate.corpus.dropped_texts import is_markup
from ablate.corpus.funnel import funnel
from ablate.corpus.view import build_corpus
from ablate.inspect.arm import stage_outcomes
from ablate.pool.source import Document
from ablate.stages.c4_quality import C4Quality
from ablate.stages.exact_dedup import ExactDedup
from ablate.stages.extraction import Extraction
from ablate.stages.gopher_quality import GopherQuality
from ablate.store import Store

LONG = "The man and the cat have to be in the house with that dog of ours. "
PAGES = [
    Document(f"<html><body><p>{LONG * 6}</p></body></html>", "html", "https://a.example/0"),
    Document("Far too short.", url="https://a.example/1"),
    Document(LONG * 6, url="https://b.example/2"),
    Document(LONG * 4, url="https://b.example/3"),
    Document("no ending of the lines that have been with houses " * 20, url="https://b.example/4"),
    Document(LONG * 6, url="https://c.example/5"),
]


def test_passages_tell_what_the_funnel_tells(make_pool: Any, store: Store) -> None:
    annotations = Annotations(make_pool(store, PAGES), store, workers=1)
    stages = [
        Extraction(method="resiliparse"),
        GopherQuality(),
        C4Quality(min_sentences=5),
        ExactDedup(keep="first"),
    ]
    corpus = build_corpus(stages, annotations)
    lines = funnel(corpus, annotations, lambda version, rows: None)
    found = stage_outcomes(corpus)
    assert [outcome.stage for outcome in found] == [stage.name for stage in stages]
    for before, line, outcome in zip(lines[:-1], lines[1:], found, strict=True):
        assert (outcome.rows.size, outcome.kept.size) == (before["documents"], line["documents"])
        why = Counter(reason for reason in outcome.reason.tolist() if reason)
        assert why == line["dropped"] and why.total() == (~outcome.keep).sum()
    # C4 is two steps: the page without punctuation falls to the first, the one of four sentences to the second.
    c4 = found[2]
    assert c4.rows.tolist() == [0, 2, 3, 4, 5] and c4.kept.tolist() == [0, 2, 5]
    assert c4.reason.tolist() == [None, None, "too_few_sentences", "empty", None]
    assert found[-1].kept.tolist() == corpus.rows.tolist() == [0]


def test_markup_is_html_that_nothing_rewrote(make_pool: Any, store: Store) -> None:
    annotations = Annotations(make_pool(store, PAGES), store, workers=1)
    (outcome,) = stage_outcomes(build_corpus([Extraction(method="resiliparse")], annotations))
    rows = np.arange(3)
    assert is_markup(annotations, outcome.before, rows).tolist() == [True, False, False]
    assert is_markup(annotations, outcome.after, rows).tolist() == [False, False, False]
