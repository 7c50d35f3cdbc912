"""What an arm is made of, by hand count."""

from __future__ import annotations

from typing import Any

import numpy as np

from ablate.inspect.views.provenance import Part, parts
from ablate.pool.digital_source import MODEL_MADE, TERM
from ablate.pool.source import Document
from ablate.store import Store


def test_parts_by_source_and_origin(make_pool: Any, store: Store) -> None:
    made = {TERM: MODEL_MADE, "teacher": "local_model", "weights": "0123456789abcdef"}
    pages = [
        Document("one", source="books"),
        Document("two", source="books"),
        Document("three", source="synthetic/story", metadata=made),
        Document("four", source="synthetic/story", metadata=made),
        Document("five", source="books", metadata={TERM: "DigitalCaptureDigitalSource"}),
    ]
    pool = make_pool(store, pages)
    found = parts(pool, np.array([0, 2, 3]), np.array([10, 20, 10]), np.full(3, 3.0))
    same: dict[str, Any] = {"epochs": 3.0}
    assert found == [
        Part(source="books", term="unknown", teacher="", documents=2, kept=1, tokens=10, share=0.25, **same),
        Part(
            source="books",
            term="DigitalCaptureDigitalSource",
            teacher="",
            documents=1,
            kept=0,
            tokens=0,
            share=0.0,
            epochs=0.0,
        ),
        Part(
            source="synthetic/story",
            term=MODEL_MADE,
            teacher="local_model 0123456789ab",
            documents=2,
            kept=2,
            tokens=30,
            share=0.75,
            **same,
        ),
    ]
