"""Does runs: trains and evaluates arms under seeds, or takes from the store what they computed, and writes their records.

What a run computes is kept in the store under its run key, so studies share it: a checkpoint while it trains, then
`result.json` and `items.parquet`. A study's folder holds, for each of its runs, a `record.json` made from that result and
from what is known of the arm's corpus, or a `failed.json` with the reason why there is none.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path

from ablate.config import make
from ablate.store import Store, lock
from ablate.study.corpus_builder import CorpusBuilder
from ablate.study.open_run import OpenRun
from ablate.study.opening import Opener
from ablate.study.plan import run_folder
from ablate.study.record import read_record
from ablate.study.recording import record_run
from ablate.study.run_state import RunName, catch, is_done
from ablate.study.schema import Plan
from ablate.study.tracked import tracked
from ablate.study.training import train_runs
from ablate.study.trunk import Origins, Trunk, train_trunks
from ablate.tracking.guard import Guard
from ablate.train.kept import is_kept


def execute(
    plan: Plan,
    builder: CorpusBuilder,
    study: Path,
    runs: Sequence[RunName],
    threads: int | None = None,
    tracker: Guard | None = None,
) -> dict[RunName, Exception]:
    """Train and evaluate runs, or take what the store already has of them, and write their records.

    Runs of one shape are trained in lockstep.

    Args:
        study: folder of the plan.
        runs: which of its runs; those that are done are passed over.
        threads: CPU threads, where `train.threads` leaves them open.
        tracker: where runs are shown; None for the plan's.
    Returns:
        The error of each run that failed.
    """
    failures: dict[RunName, Exception] = {}
    opened: list[OpenRun] = []
    origins = Origins(plan, builder)
    opener = Opener(plan, builder, origins, study, threads)
    for name in runs:
        with catch(failures, name):
            if not is_done(study, *name) or plan.arms[name[0]].train.keep_weights:
                opened.append(opener.open(name))
    needed = {run.name: run.origin for run in opened if isinstance(run.origin, Trunk)}
    failed_trunks = train_trunks(list(needed.values()), threads)
    failures |= {
        name: failed_trunks[trunk.key] for name, trunk in needed.items() if trunk.key in failed_trunks
    }
    opened = [run for run in opened if run.name not in failures]
    keeps_books = int(os.environ.get("RANK", 0)) == 0  # under torchrun only the first process logs and writes
    if tracker is None and keeps_books:
        tracker = guarded(plan)
    with ExitStack() as stack:
        to_do = {run.result: run for run in opened if not run.is_complete}
        if keeps_books:
            # In one order everywhere, so that no two processes wait for one another. Who had to wait finds the result.
            for result in sorted(to_do):
                arm, seed = to_do[result].name
                with catch(failures, (arm, seed)):
                    what = f"run {arm}, seed {seed} (or one with the same corpus)"
                    stack.enter_context(lock(result / ".lock", what, wait=True))
        alike: dict[str, list[OpenRun]] = {}
        for run in to_do.values():
            with catch(failures, run.name):
                if run.name not in failures and not run.is_complete:
                    if keeps_books:
                        run.clear()
                    alike.setdefault(run.shape, []).append(run)
        for group in alike.values():
            failures |= train_runs(plan, builder, origins, group, threads, tracker)
    if keeps_books:
        for run in opened:
            if run.name not in failures and not is_done(study, *run.name):
                with catch(failures, run.name):
                    record_run(builder, run)
                    if tracker:  # taken from the store or trained here: what is shown is made from the record
                        show_run(tracker, plan, study, *run.name)
    return failures


def lacks_weights(plan: Plan, store: Store, study: Path, run: RunName) -> bool:
    """Tell whether a run that is done should have kept its weights, and the store does not have them."""
    arm, seed = run
    if not plan.arms[arm].train.keep_weights:
        return False
    return not is_kept(store.root / "runs" / read_record(run_folder(study, arm, seed)).run)


def guarded(plan: Plan) -> Guard:
    """Return the plan's tracker; what goes wrong with it costs a warning."""
    return Guard(lambda: make(plan.tracker, "tracker"))


def show_run(tracker: Guard, plan: Plan, study: Path, arm: str, seed: int) -> bool:
    """Show a run that ended as its folder tells it; returns whether the tracker has it now."""
    if tracker.silent:
        return False
    try:
        run = tracked(plan, study, arm, seed)
    except Exception as error:
        tracker.warn(error)
        return False
    return run is not None and tracker.show(run)
