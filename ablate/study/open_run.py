"""A run that is ready to be trained, and what the store already has of it."""

from __future__ import annotations

import shutil
from dataclasses import dataclass
from pathlib import Path

from ablate.corpus.branch import BranchStream
from ablate.corpus.mixture import MixtureStream
from ablate.corpus.tokens import TokenStream
from ablate.fingerprint import canonical_json
from ablate.store import SUM, clear_parts, whole
from ablate.study.corpus_builder import Prepared
from ablate.study.run_key import budget_tokens
from ablate.study.run_state import RunName
from ablate.study.schema import Arm
from ablate.study.trunk import Origin
from ablate.train.kept import is_kept

Reading = TokenStream | BranchStream | MixtureStream
"""What a run reads."""


@dataclass(frozen=True, eq=False)
class OpenRun:
    """A run whose corpus is built, ready to be trained.

    Attributes:
        name: arm and seed.
        arm: as planned, or at an earlier generation of its chain.
        prepared: the arm's corpus.
        stream: the tokens that the run reads, in the order of its seed; those of its trunk first where it has one.
        origin: what it branches off; None from scratch.
        folder: in the study, where its record goes.
        result: in the store, where what it computes is kept under its run key.
    """

    name: RunName
    arm: Arm
    prepared: Prepared
    stream: Reading
    origin: Origin | None
    folder: Path
    result: Path

    @property
    def tokens(self) -> int:
        """How many tokens the model has seen at the end, those of its trunk included."""
        return budget_tokens(self.arm, self.prepared)

    @property
    def keeps_weights(self) -> bool:
        """Return whether its final weights stay in the store."""
        return self.arm.train.keep_weights

    @property
    def shape(self) -> str:
        """What runs must have in common to be trained in lockstep: model, settings, tasks, tokens, tokenizer."""
        alike = [self.arm.config[group] for group in ("proxy", "train", "evaluate")]
        return canonical_json([*alike, self.tokens, self.prepared.tokenizer.digest])

    @property
    def has_result(self) -> bool:
        """Whether the store has what it computes, undamaged."""
        return all([whole(self.result / name) for name in ("result.json", "items.parquet")])

    @property
    def is_complete(self) -> bool:
        """Whether the store has all that is wanted of it: what it computes, and its weights where it keeps them."""
        return self.has_result and (not self.keeps_weights or is_kept(self.result))

    def clear(self) -> None:
        """Remove what it must not resume from: unfinished files, and a checkpoint whose scores so far are damaged or gone."""
        from ablate.train import checkpoint

        clear_parts(self.result)
        points = {path.name for path in self.result.glob("curve/*.json")}
        # A checksum that is left alone tells of a point whose file is gone.
        points |= {path.name[1:].removesuffix(SUM) for path in self.result.glob(f"curve/.*{SUM}")}
        if not all([whole(self.result / "curve" / name) for name in points]):
            shutil.rmtree(self.result / "curve")
            checkpoint.remove(self.result)
