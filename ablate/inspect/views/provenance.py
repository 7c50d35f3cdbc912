"""What an arm is made of: for each source how its text came to be, who wrote it, what is kept, tokens, share and epochs.

A document that does not say how its text came to be is of unknown origin; nothing is called human. Shares and epochs are those
of the corpus as it is, at the budget of a run. Writes provenance.json into the study's folder.

Example: ablate inspect provenance study=demo
"""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
from omegaconf import DictConfig

from ablate.config import plain
from ablate.corpus.mixture import KEY
from ablate.corpus.tokens import token_counts
from ablate.inspect.arm import open_arm
from ablate.pool.digital_source import TERM, UNKNOWN
from ablate.pool.pool import Pool
from ablate.render.tables import aligned
from ablate.store import write_json
from ablate.study.run_key import budget_tokens

HEADER = ("source", "came to be", "by", "documents", "kept", "tokens", "share", "epochs")


@dataclass(frozen=True, kw_only=True)
class Part:
    """The documents of one source that came to be in one way, by one teacher.

    Attributes:
        source: as the pool names it.
        term: digital source type, or "unknown".
        teacher: who wrote it, with the digest of the weights where that is told; "" where that is not said.
        documents, kept: in the pool, and in the arm.
        tokens: of those kept.
        share: of the tokens that a run reads, in [0, 1].
        epochs: of the budget over those tokens; the same for every part, unless a mixture says otherwise.
    """

    source: str
    term: str
    teacher: str
    documents: int
    kept: int
    tokens: int
    share: float
    epochs: float


def main(config: DictConfig) -> int:
    """Show; returns the exit status."""
    with open_arm(config) as (arm, builder):
        arm = arm.having(**{key: plain(config[key]) for key in (KEY, "budget", "train")})
        prepared = builder.prepare(arm, config.seeds[0])
        counts = token_counts(builder.annotations, prepared.tokenizer, prepared.version, prepared.rows)
        budget = budget_tokens(arm, prepared)
        epochs = np.full(prepared.rows.size, budget / max(1, int(counts.sum())))
        if prepared.division:
            read = prepared.division.read(budget, config.proxy.context)
            for part, of in zip(prepared.division.parts, read, strict=True):
                epochs[part.members] = of.epochs
        found = parts(builder.pool, prepared.rows, counts, epochs)
    write_json(Path(config.study.dir) / "provenance.json", [asdict(one) for one in found])
    rows = [
        [
            one.source,
            one.term,
            one.teacher,
            f"{one.documents:,}",
            f"{one.kept:,}",
            f"{one.tokens:,}",
            f"{one.share:.1%}",
            f"{one.epochs:.2f}" if one.kept else "",
        ]
        for one in found
    ]
    print(aligned(HEADER, rows))
    print(f"provenance: {Path(config.study.dir) / 'provenance.json'}")
    return 0


def parts(pool: Pool, rows: np.ndarray, tokens: np.ndarray, epochs: np.ndarray) -> list[Part]:
    """What the pool and an arm are made of, real text first, then by name.

    Args:
        rows: shape (n,), int64: pool rows of the arm's documents, ascending.
        tokens: shape (n,), int64: of each of them.
        epochs: shape (n,), float64: how often a run reads each of them.
    """
    about = pool.columns("source", "metadata")
    names = [
        _named(source, json.loads(said))
        for source, said in zip(
            about.column("source").to_pylist(), about.column("metadata").to_pylist(), strict=True
        )
    ]
    known = sorted(set(names), key=lambda name: (name[1] != UNKNOWN, name))
    place = {name: number for number, name in enumerate(known)}
    code = np.array([place[name] for name in names], dtype=np.int64)
    documents = np.bincount(code, minlength=len(known))
    kept = np.bincount(code[rows], minlength=len(known))
    total = np.bincount(code[rows], weights=tokens, minlength=len(known)).astype(np.int64)
    read = np.bincount(code[rows], weights=tokens * epochs, minlength=len(known))
    everything = float(read.sum()) or 1.0
    return [
        Part(
            source=source,
            term=term,
            teacher=teacher,
            documents=int(documents[number]),
            kept=int(kept[number]),
            tokens=int(total[number]),
            share=float(read[number]) / everything,
            epochs=float(read[number]) / max(1, int(total[number])),
        )
        for number, (source, term, teacher) in enumerate(known)
    ]


def _named(source: str, said: dict[str, str]) -> tuple[str, str, str]:
    teacher = f"{said.get('teacher', '')} {str(said.get('weights', ''))[:12]}".strip()
    return source, str(said.get(TERM) or UNKNOWN), teacher
