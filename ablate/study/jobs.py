"""What a job does of a planned study, in whatever process: build the corpora of some runs, train their trunks, do them."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ablate.executor.task import Executor
from ablate.fingerprint import digest
from ablate.store import Store, lock
from ablate.study.corpus_builder import CorpusBuilder
from ablate.study.plan import load_plan
from ablate.study.run import execute, guarded, show_run
from ablate.study.run_key import run_key
from ablate.study.run_state import RunName, catch, lock_path, mark_failed
from ablate.study.schema import Plan
from ablate.study.trunk import Origins, Trunk, train_trunks
from ablate.tracking.guard import Guard


def run_jobs(
    study: Path, store: Store, runs: Sequence[RunName], *, workers: int | None = 1, threads: int | None = None
) -> bool:
    """Do some runs of a planned study; returns whether none of them failed.

    A failure does not raise: it is written to the run's `failed.json` and `log.txt`, and the other runs go on.

    Args:
        workers: processes for curation that is still to do.
        threads: CPU threads, where `train.threads` leaves them open.
    """
    failures: dict[RunName, Exception] = {}
    tracker: Guard | None = None
    with ExitStack() as stack:
        locked = []
        for arm, seed in runs:
            with catch(failures, (arm, seed)):
                what = f"run {arm}, seed {seed}"
                stack.enter_context(lock(lock_path(study, arm, seed), what, wait=True))
                locked.append((arm, seed))
        try:
            plan = load_plan(study)
            tracker = guarded(plan)
            with CorpusBuilder(plan.reference_arm, store, workers) as builder:
                failures |= execute(plan, builder, study, locked, threads, tracker)
        except Exception as error:
            failures |= dict.fromkeys(locked, error)
        for (arm, seed), problem in failures.items():
            mark_failed(study, arm, seed, problem)
            if tracker:
                show_run(tracker, plan, study, arm, seed)
    return not failures


def trunk_jobs(
    study: Path, store: Store, runs: Sequence[RunName], *, workers: int | None = 1, threads: int | None = None
) -> bool:
    """Train the trunks that some runs branch off; returns whether none of them failed.

    Args:
        workers, threads: as for `run_jobs`.
    """
    plan = load_plan(study)
    with CorpusBuilder(plan.reference_arm, store, workers) as builder:
        origins = Origins(plan, builder)
        found = [origins.of(plan.arms[arm], seed) for arm, seed in runs]
        return not train_trunks([one for one in found if isinstance(one, Trunk)], threads)


def corpora_job(
    study: Path,
    store: Store,
    runs: Sequence[RunName],
    *,
    workers: int | None = 1,
    executor: Executor | None = None,
    threads: int | None = None,
) -> bool:
    """Build the corpora that some runs read, so that whoever asks for them next finds them; returns whether all could be.

    Args:
        workers, threads: as for `run_jobs`; nothing is trained.
        executor: who curates; None for so many processes of this machine.
    """
    plan = load_plan(study)
    failures: dict[RunName, Exception] = {}
    with CorpusBuilder(plan.reference_arm, store, workers, executor) as builder:
        origins = Origins(plan, builder)
        for name, seed in runs:
            with catch(failures, (name, seed)):  # who builds it next says so
                arm = plan.arms[name]
                run_key(arm, builder.prepare(arm, seed), store, seed, origins.of(arm, seed))
    corpora_built(plan, store, runs).touch()
    return not failures


def corpora_built(plan: Plan, store: Store, runs: Sequence[RunName]) -> Path:
    """Return the file that is there once a job has built the corpora of some runs."""
    return store.root / "jobs" / f"corpora-{digest([plan.digest, [list(run) for run in runs]])[:16]}.done"
