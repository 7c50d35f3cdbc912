"""What a drafted recipe keeps of the sample that it was drafted from; stages that would keep nothing are switched off."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from ablate.compose import compose, open_hydra
from ablate.config import make_stages, plain
from ablate.corpus.annotate import Annotations
from ablate.corpus.view import build_corpus
from ablate.errors import ConfigError, DataError
from ablate.folder.draft import Draft, draft
from ablate.folder.look import Look
from ablate.plain import Plain
from ablate.pool.held_out import document_digest, held_out_documents
from ablate.pool.pool import build_pool
from ablate.pool.source import Document, Skipped, Source
from ablate.reading.paths import shown
from ablate.stages.base import Stage
from ablate.store import Store, write_text


@dataclass(frozen=True)
class Off:
    """A stage that is switched off.

    Attributes:
        stage: its name in the recipe.
        why: what it did to the sample.
    """

    stage: str
    why: str


@dataclass(frozen=True)
class Checked:
    """A draft whose recipe keeps some of the sample.

    Attributes:
        draft: to write.
        off: stages that are switched off in it.
        documents: of the sample that are in the pool, so without the held-out ones.
        kept: of those, by the stages that are left.
    """

    draft: Draft
    off: tuple[Off, ...]
    documents: int
    kept: int


@dataclass(frozen=True)
class _Sample(Source):
    texts: tuple[Document, ...]

    def documents(self) -> Iterator[Document | Skipped]:
        yield from self.texts

    def request(self) -> dict[str, Plain]:
        return {"sample": [document_digest(document.text) for document in self.texts]}


def checked_draft(found: Look, name: str, *, to: Path, heldout: Path, count: int) -> Checked:
    """Draft a study, and run its recipe on the sample; arguments as those of `draft`.

    A stage that leaves no document of those that reach it (Gopher's stop words are English, say) ends a sweep, so the
    draft switches it off, and says so.

    Raises:
        ConfigError: when nothing is left beside the held-out documents.
    """
    with tempfile.TemporaryDirectory(prefix="ablate-init-") as place:
        trial, texts = Path(place), Path(place) / "heldout.jsonl"
        made = draft(found, name, to=trial, heldout=texts, count=count)
        write_text(texts, made.heldout)
        write_text(trial / "study" / f"{name}.yaml", made.study)
        held_out = held_out_documents(str(texts))
        documents = tuple(
            one.document for one in found.sample if document_digest(one.document.text) not in held_out
        )
        if not documents:
            raise ConfigError(
                f"init.folder: {shown(str(found.folder))} holds too few different documents for a study "
                f"({len(found.sample)} in the sample, none beside the held-out): give a larger folder"
            )
        off, kept = _run(_Sample(documents), name, trial)
    final = draft(found, name, to=to, heldout=heldout, count=count, off=[one.stage for one in off])
    return Checked(final, tuple(off), len(documents), kept)


def _run(sample: _Sample, name: str, trial: Path) -> tuple[list[Off], int]:
    """The stages that keep nothing, and how many documents the others keep."""
    config = compose([f"study={name}"], open_hydra(str(trial)))
    stages = make_stages({key: plain(config[key]) for key in ("stages", "recipe", "evaluate")})
    store = Store(trial / "store")
    annotations = Annotations(build_pool(sample, store), store, workers=1)
    off: list[Off] = []
    on: list[Stage] = []
    kept = len(annotations.pool)
    try:
        for stage in stages:
            try:
                kept = build_corpus([*on, stage], annotations).rows.size
                on.append(stage)
            except DataError as error:
                off.append(Off(stage.name, str(error).partition(". ")[0]))
    finally:
        annotations.close()
    return off, kept


def outcome(checked: Checked) -> Sequence[str]:
    """What the check found, in lines."""
    left = " without them" if checked.off else ""
    return [
        *(
            f"switched off: {one.why}; turn it on with stages.{one.stage}.enabled=true once it fits your documents"
            for one in checked.off
        ),
        f"the recipe{left} keeps {checked.kept} of {checked.documents} documents of the sample",
    ]
