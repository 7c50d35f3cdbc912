"""What a plan predicts of itself, as `plan.json` freezes it: cost, noise and what could be detected."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from ablate.fingerprint import LATER


@dataclass(frozen=True)
class Probe:
    """What a short probe measured on one machine.

    Attributes:
        documents: in the pool.
        setup_s: loading what curation needs, and starting its workers.
        curate_s: of one document, in every arm of the study, all workers together.
        start_s: of a process before its first run: tasks read and tokenised.
        processes: that train side by side, as the sweep would have it.
        tokens_per_s: of training, all processes together.
        evaluate_s: of one evaluation.
        tokens_left: of a document of the pool, on average, after the full recipe; 0 where that was not seen.
    """

    documents: int
    setup_s: float
    curate_s: float
    start_s: float
    processes: int
    tokens_per_s: float
    evaluate_s: float
    tokens_left: float = 0.0


@dataclass(frozen=True, kw_only=True)
class Cost:
    """What a sweep is expected to take on the machine that was probed.

    Attributes:
        runs: of the plan; arms that turn out to have the same texts share theirs.
        at_once: runs that train side by side.
        curate_s: all curation, in seconds.
        run_s: one run, its evaluations included.
        total_s: the whole sweep.
        trunks, trunk_s: that runs branch off, and seconds of each.
        probe: what all this was computed from.
    """

    runs: int
    at_once: int
    curate_s: float
    run_s: float
    total_s: float
    trunks: int = field(default=0, metadata=LATER)
    trunk_s: float = field(default=0.0, metadata=LATER)
    probe: Probe


@dataclass(frozen=True)
class PriorNoise:
    """The noise of a run as it is known before any is done.

    Attributes:
        sd: standard deviation of a run's headline score, beyond what its seed gives all arms alike.
        source: where the figure comes from, in words.
    """

    sd: float
    source: str


@dataclass(frozen=True, kw_only=True)
class Prediction:
    """What a plan predicts.

    Attributes:
        flops: of training, all runs and trunks together.
        cost: on the machine that was probed; None without a probe.
        noise: of a run; None where none was given.
        mde: estimand -> smallest effect that is called in 80 % of studies, in the primary metric's units; None for one
            that detects nothing, and as a whole without a noise figure.
    """

    flops: float
    cost: Cost | None = None
    noise: PriorNoise | None = None
    mde: Mapping[str, float | None] | None = None
