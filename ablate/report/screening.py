"""Which tasks can be believed at this scale: every task and metric of a study against the criteria."""

from __future__ import annotations

import math
from dataclasses import asdict
from typing import Any

from ablate.effects.screening import CHANCE_RANGE, MONOTONICITY, NON_RANDOM, SNR, Screening
from ablate.render.tables import markdown, p_text, unsigned
from ablate.study.results import Study

NUMBERS = ("monotonicity", "snr", "non_random", "signal", "signal_p", "ordering", "signal_noise", "noise")
COLUMNS = ("task", "metric", "believed", "failed", *NUMBERS, "chance", "points", "arms", "seeds")
HEADER = ("metric", "task", "monotonicity", "signal to noise", "above chance / sd", "range of arms / sd", "p equal arms", "ordering",
          "Signal and Noise", "checkpoint sd", "believed at this scale")  # fmt: skip


def told(found: Screening) -> str:
    """The answer for one task and metric, in words."""
    if not found.failed:
        return "yes"
    return f"{'no' if found.measured else 'not measured'}: {', '.join(found.failed)}"


def section(study: Study) -> list[str]:
    """The report's section: what was asked, and the table."""
    if not study.screened:
        return ["No curve to look at."]
    points, believed = study.points, [name for name, found in study.screened.items() if not found.failed]
    text = (
        f"FineWeb2's criteria (Penedo et al. 2025, arXiv 2506.20920) on these runs' own curves of {points} points: "
        f"*monotonicity*, Spearman's rank correlation of score and tokens, mean over runs, {MONOTONICITY:g} or more; *signal "
        f"to noise*, mean final score over the standard deviation between seeds of one arm (mean over the points), {SNR:g} or more; *above chance*, best "
        f"arm less chance over that deviation at the last point, {NON_RANDOM:g} or more. Bits per byte and other scores without a chance level have a zero that means "
        "nothing, so for them the last two give way to one: *range of arms / sd*, best arm less worst over that deviation at the last point, must "
        f"be more than equal arms show by luck (Tukey's studentized range, p {CHANCE_RANGE:g} or less over all tasks of the metric, as if arms were "
        "equally noisy). "
        "*Ordering*, Kendall's tau-a of the arms' order between consecutive points of the second half, only reported. "
        "*Signal and Noise* (Heineman et al. 2025, arXiv 2508.13144) sets the dispersion of the arms against the spread of a "
        "run's last checkpoints, both relative; *checkpoint sd* is that spread, a noise estimate that costs no second seed "
        "(a curve that still climbs counts its climb in it)."
    )
    rows = []
    for (task, metric), found in sorted(study.screened.items(), key=lambda e: _order(study, *e[0])):
        rows.append(
            [
                metric,
                task,
                unsigned(found.monotonicity, 2),
                unsigned(found.snr, 1),
                unsigned(found.non_random, 1),
                unsigned(found.signal, 1),
                p_text(found.signal_p),
                unsigned(found.ordering, 2),
                unsigned(found.signal_noise, 1),
                unsigned(study.checkpoint_sd(task, metric)),
                told(found),
            ]
        )
    parts = [text, markdown(HEADER, rows, left=2)]
    names = ", ".join(f"{task} ({metric})" for task, metric in believed)
    parts.append(f"**Believed at this scale:** {names or 'none'}. Every number is in `screening.csv`.")
    if points < 5 and any(math.isnan(found.monotonicity) for found in study.screened.values()):
        parts.append("More points make this sharper: `train.evaluations` sets them.")
    return parts


def _order(study: Study, task: str, metric: str) -> tuple[bool, str, int]:
    return metric != study.primary, metric, list(study.tasks).index(task)


def chosen(study: Study) -> str:
    """How the aggregate of the primary metric was put together, in words."""
    asked, used = study.aggregate, study.aggregated(study.primary)
    if asked == "screened":
        known = [
            task for task, metric in study.screened if metric == study.primary and task in study.candidates
        ]
        left = [f"{task} ({told(study.screened[task, study.primary])})" for task in known if task not in used]
        text = f"the aggregate takes the tasks that passed screening: {', '.join(used) or 'none did'}"
        text += f"; left out: {'; '.join(left)}" if left else ""
        if study.chosen_by_signal:
            text += (
                ". They were chosen by whether arms differ in them, so their gains are exploration here: name them in `evaluate.aggregate` "
                "of the next study for claims"
            )
        return text
    names = ", ".join(used) or "none"
    return f"the aggregate takes {'every task' if asked == 'all' else 'the tasks named in the plan'}: {names}"


def table(study: Study) -> list[list[Any]]:
    """Every task and metric under `COLUMNS`, the primary metric first."""
    rows = []
    for (task, metric), found in sorted(study.screened.items(), key=lambda e: _order(study, *e[0])):
        values = asdict(found)
        rows.append(
            [
                task,
                metric,
                "no" if found.failed else "yes",
                "; ".join(found.failed),
                *(values[name] for name in NUMBERS),
                study.tasks[task].chance.get(metric),
                study.points,
                len(study.ranked),
                len(study.seeds),
            ]
        )
    return rows
