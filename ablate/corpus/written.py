"""Text that a trained run wrote, kept in the store as a source: documents with their provenance, and their tokens.

A text is named by the run that wrote it, how it was drawn, and how many documents it has; it is written once. Tokens are
those that its documents have read anew, as text of any other source.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pyarrow as pa

from ablate.corpus.tokens import Tokenize, TokenStream
from ablate.fingerprint import mix64
from ablate.plain import Plain
from ablate.pool.digital_source import MODEL_MADE, TERM
from ablate.store import once_files, whole_files

DOCUMENTS, IDS, COUNTS, ABOUT = "synthetic.jsonl", "ids.npy", "counts.npy", "about.json"
FIELDS = (TERM, "teacher", "weights", "generation", "number", "finish_reason", "defects")
"""What is said of its documents, beside the columns of every pool."""


@dataclass(frozen=True)
class Writing:
    """What a run wrote.

    Attributes:
        texts: one per document; may be empty.
        cut: of each, whether it was ended by its length.
        run: key of the run that wrote them.
        generation: the how-manieth model of its chain the run is, from 0.
    """

    texts: Sequence[str]
    cut: Sequence[bool]
    run: str
    generation: int


class WrittenText:
    """A text in the store.

    Args:
        folder: named by what the text is; may not be there yet.
        key: names it.
    """

    def __init__(self, folder: Path, key: str) -> None:
        self.folder, self.key = folder, key

    @property
    def there(self) -> bool:
        """Whether it is there as it was written."""
        return whole_files(self.folder)

    def keep(self, make: Callable[[], Writing], tokenize: Tokenize) -> None:
        """Write what `make` gives, unless it is there; a process that wants the same waits for the one that writes it."""

        def write(place: Path) -> None:
            made = make()
            table = tokenize.measure_many(list(made.texts))
            ids, counts = table["ids"], np.asarray(table["count"], dtype=np.int64)
            assert isinstance(ids, pa.LargeListArray)
            rows = [
                {
                    "text": text,
                    "source": "synthetic/chain",
                    TERM: MODEL_MADE,
                    "teacher": "proxy",
                    "weights": made.run,
                    "generation": made.generation,
                    "number": number,
                    "finish_reason": "length" if cut else "stop",
                    **({"defects": "cut_off"} if cut else {}),
                }
                for number, (text, cut) in enumerate(zip(made.texts, made.cut, strict=True))
            ]
            about = {
                "run": made.run,
                "generation": made.generation,
                "documents": len(rows),
                "tokens": int(counts.sum()),
                "cut_off": sum(made.cut),
                "empty": sum(not text.strip() for text in made.texts),
                "vocabulary": int(np.unique(ids.values.to_numpy()).size),
            }
            lines = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
            (place / DOCUMENTS).write_text(lines, encoding="utf-8")
            np.save(place / IDS, ids.values.to_numpy())
            np.save(place / COUNTS, counts)
            (place / ABOUT).write_text(json.dumps(about, indent=1) + "\n", encoding="utf-8")

        once_files(self.folder, "writing a generation's text", write, of={"text": self.key})

    def pool(self) -> dict[str, Plain]:
        """Return the configuration of a pool of its documents, without those that are empty."""
        return {"_target_": "ablate.pool.synthetic.Synthetic", "path": str(self.folder / DOCUMENTS)}

    def stream(self, *, seed: int, context: int) -> TokenStream:
        """Return its documents in the order of a seed."""
        counts = np.asarray(np.load(self.folder / COUNTS))
        keys = mix64(np.arange(counts.size, dtype=np.uint64), int(self.key[:15], 16))
        return TokenStream(
            [np.load(self.folder / IDS)],
            np.zeros(counts.size, dtype=np.int64),
            np.cumsum(counts) - counts,
            counts,
            keys,
            seed=seed,
            context=context,
        )
