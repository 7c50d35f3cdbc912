"""Run a whole design: build every arm's corpus, train and evaluate every run, report the gains.

Safe to repeat: a finished run is skipped, an interrupted one goes on where it was. When an arm fails
the others finish; the end names it and its log, and the exit status is 1.

seeds=[0,1,2,3,4,5,6,7] sequential.looks=[3,5,8] gives seeds in rounds, only to the arms of contrasts
that are still open; p-values and intervals allow for the looks.

As many runs train side by side, in lockstep and with as many threads as a short measurement finds
fastest on this machine (train.threads and train.stacked_runs fix them). Or by one of Hydra's launchers:
  hydra/launcher=basic                                one after another
  hydra/launcher=joblib hydra.launcher.n_jobs=2       several processes on this machine
  hydra/launcher=submitit_slurm                       a Slurm cluster (pip install 'ablate[slurm]')
  hydra/launcher=ray                                  Ray (pip install 'ablate[ray]')
On a cluster a job builds the corpora, then each run is a job. What counts is the records: a node that dies, a time limit,
a launcher that raises or a submitter that is killed cost no run that is done, and the same command, given while jobs
still live, waits for them and starts only what no job has.

Example: ablate sweep study=demo
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

from omegaconf import DictConfig

from ablate.commands import plan as planning
from ablate.errors import ConfigError
from ablate.store import Store
from ablate.study.plan import folder_of, freeze, make_plan, run_folder


def main(config: DictConfig) -> int:
    """Sweep; returns the exit status."""
    return run_plan(config, folder_of(config))


def run_plan(config: DictConfig, folder: Path) -> int:
    """Plan, run, report."""
    from ablate.study.sequential import sequential_sweep
    from ablate.study.sweep import sweep, sweep_distributed

    plan = make_plan(config)
    warnings = planning.check(plan, Path(config.store))
    plan = freeze(plan, folder, config.study.replan)
    store = Store(Path(config.store))
    if int(os.environ.get("WORLD_SIZE", 1)) > 1:
        if plan.sequential is not None:
            raise ConfigError("sequential.looks is not for torchrun; start the sweep without it")
        if any(arm.train.from_trunk for arm in plan.arms.values()):
            raise ConfigError("train.branch_from=reference is not for torchrun; start the sweep without it")
        failures = sweep_distributed(folder, store, config.workers)
        if int(os.environ.get("RANK", 0)) > 0:
            return 0
    else:
        say("\n".join([planning.describe(plan), *warnings]))
        doing = sweep if plan.sequential is None else sequential_sweep
        failures = doing(folder, store, config, say)
    from ablate.report.mirror import mirror_study
    from ablate.report.page import write_report
    from ablate.report.plan_check import plan_check_text
    from ablate.report.tables import terminal_table
    from ablate.study.results import load_study
    from ablate.study.run import guarded

    study = load_study(folder)
    rows = write_report(study)
    print(terminal_table(study, rows))
    if planned := plan_check_text(study):
        print(f"\n{planned}")
    print(f"\nreport: {folder / 'REPORT.md'}   effects: {folder / 'effects.csv'}")
    mirror_study(study, guarded(plan))
    for (arm, seed), error in failures.items():
        log = run_folder(folder, arm, seed) / "log.txt"
        print(f"FAILED {arm}, seed {seed}: {error}\n       log: {log}", file=sys.stderr)
    if failures:
        done = len(study.records)
        print(
            f"{len(failures)} runs failed, {done} are done; the same command tries the failed ones again",
            file=sys.stderr,
        )
    return 1 if failures else 0


def say(line: str) -> None:
    """Tell how far a sweep is."""
    print(line, flush=True)
