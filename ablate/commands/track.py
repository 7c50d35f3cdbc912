"""Show a study in a tracker: every run that ended and the report, from the study's folder alone.

tracker=wandb     Weights & Biases (pip install 'ablate[wandb]'); tracker.mode=offline needs no account, and
                  `wandb sync` uploads later
tracker=trackio   Trackio, a database on this machine without an account (pip install 'ablate[trackio]');
                  `trackio show` opens it
Without tracker=, the plan's own. `ablate sweep` with the same key shows runs while they train.

Trackers are mirrors: a run has the same id whenever and wherever it is shown, so what the tracker has already is left
as it is, a run that was cut off is shown anew, and runs that were taken from the store are there too. Runs are grouped
by arm, so a group is its seeds; their step is tokens. The report is a run of its own, kind report, with the
effects as a table. A tracker that fails costs a warning; this command then ends with status 1.

Example: ablate track study=demo tracker=wandb tracker.mode=offline
"""

from __future__ import annotations

from omegaconf import DictConfig

from ablate.config import make, plain
from ablate.errors import ConfigError
from ablate.study.plan import folder_of
from ablate.tracking.tracker import NoTracker


def main(config: DictConfig) -> int:
    """Track; returns the exit status."""
    from ablate.report.mirror import mirror_study
    from ablate.report.page import write_report
    from ablate.study.results import load_study
    from ablate.tracking.guard import Guard

    tracker = make(plain(config.tracker), "tracker")
    study = load_study(folder_of(config))
    if type(tracker) is NoTracker:
        tracker = make(study.plan.tracker, "tracker")
    if type(tracker) is NoTracker:
        raise ConfigError("no tracker: say which, tracker=wandb or tracker=trackio")
    write_report(study)
    mirrored = mirror_study(study, Guard(lambda: tracker))
    print(
        f"{mirrored.runs} of {len(study.plan.runs)} runs shown{', and the report' if mirrored.report else ''}"
    )
    return 0 if mirrored.report and mirrored.runs >= len(study.records) else 1
