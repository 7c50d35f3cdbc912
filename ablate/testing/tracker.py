"""`check_tracker`: whether runs can be shown by a tracker without depending on it."""

from __future__ import annotations

import copy
import dataclasses
import math

from ablate.testing.contract import ContractError, require, same
from ablate.tracking.tracker import Tracker


class _Fault(Exception):
    """What a run fails with here."""


def check_tracker(tracker: Tracker) -> None:
    """Show runs by a tracker: one that ends, one that fails, several at once, and the effects of a study.

    Args:
        tracker: one that needs no network.
    Raises:
        ContractError: for one that changes what it is shown, keeps a run's error to itself, or has no room for runs that
            are trained side by side.
    """
    what = type(tracker).__name__
    require(dataclasses.is_dataclass(tracker), f"{what} must be a dataclass: its fields are its parameters")
    config: dict[str, object] = {
        "train": {"tokens": 10, "lr": 0.1},
        "stages": {"language": {"enabled": None}},
    }
    before = copy.deepcopy(config)
    scores = {"facts": {"acc": 0.25, "bpb": math.nan}, "aggregate": {"acc": 0.5}}
    shown = copy.deepcopy(scores)
    with (
        tracker.run("study", "full", 0, config) as one,
        tracker.run("study", "without_a", 0, config) as other,
    ):
        for tokens in (5, 10):
            one.log(tokens, scores)
            other.log(tokens, scores)
        one.log(10, {})
    require(same(config, before), f"{what}.run changes the configuration of the run that it shows")
    require(same(scores, shown), f"{what} changes the scores that it is shown")
    try:
        with tracker.run("study", "full", 1, config):
            raise _Fault("this run fails")
    except _Fault:
        pass
    except Exception as error:
        raise ContractError(f"{what} puts another error in the place of a run's: {error!r}") from error
    else:
        raise ContractError(f"{what} keeps the error of a run to itself: the run would count as finished")
    rows: list[dict[str, object]] = [
        {
            "factor": "language",
            "estimate": 0.125,
            "p": math.nan,
            "verdict": "helps",
            "weights": {"full": 1.0},
        },
        {"factor": "url_filter", "estimate": None, "p": 0.5, "verdict": "", "weights": {}},
    ]
    kept = copy.deepcopy(rows)
    tracker.summary("study", ["factor", "estimate", "p", "verdict"], rows)
    tracker.summary("study", ["factor", "estimate", "p", "verdict"], [])
    require(same(rows, kept), f"{what} changes the effects that it is shown")
