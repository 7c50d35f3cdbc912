"""Does the ranking of the arms hold at another setting? From arms that were run at several levels of it."""

from __future__ import annotations

import math
from collections.abc import Iterator

from ablate.render.tables import markdown
from ablate.report.decision import HEADER, Decision, cells, compared
from ablate.study.results import Study, score_table, tasks_with

FEWEST = 3
"""Arms that a ranking needs."""


def sections(study: Study) -> Iterator[tuple[str, list[str]]]:
    """For each factor that is no stage and that the arms are crossed with: its name, and what to say of it."""
    for factor in study.plan.factors:
        if factor.name not in study.plan.stages and (rows := ranked(study, factor.name)):
            yield factor.name, _told(study, factor.name, factor.full, rows)


def ranked(study: Study, setting: str) -> list[Decision]:
    """Each other level against the first: one row per level, task and metric; empty where arms lack twins."""
    blocks: dict[str, dict[tuple[str, ...], int]] = {}
    for number, arm in enumerate(study.arms):
        levels = dict(study.plan.arms[arm].levels)
        at = levels.pop(setting)
        if number in study.distinct:
            blocks.setdefault(at, {})[tuple(levels.values())] = number
    if not blocks:
        return []
    (_, first), *others = blocks.items()
    rows = []
    for level, block in others:
        twins = [key for key in first if key in block]
        if len(twins) < FEWEST:
            continue
        for metric in study.metrics:
            for task in tasks_with(study, metric):
                table = score_table(study, task, metric)
                there, here = table[[block[key] for key in twins]], table[[first[key] for key in twins]]
                rows.append(compared(f"{setting}={level}", task, metric, there, here))
    return rows


def _told(study: Study, setting: str, first: str, rows: list[Decision]) -> list[str]:
    shown = [row for row in rows if row.metric == study.primary]
    said = [
        f"The same arms at {setting}={first} and at other values: of all pairs of arms, the share that both rank alike. "
        f"`clear pairs` are those that the runs at {setting}={first} tell apart (t over seeds, 5 %); `one seed alone` is what "
        "one of its seeds reaches against the others. Where that is far below 100 %, the ranking is noise before it is "
        "anything else. (Wang et al., arXiv 2512.24503: at a tiny learning rate small proxies rank data as large "
        "models do; at the usual one not always.)"
    ]
    said += [f"- {_verdict(row, setting, first)}" for row in shown if row.task == shown[0].task]
    return ["\n".join([said[0], "", *said[1:]]), markdown(HEADER, cells(shown), left=2)]


def _verdict(row: Decision, setting: str, first: str) -> str:
    where = f"**{row.cheap}** against {setting}={first}, {row.task}"
    if row.clear_pairs == 0:
        return f"{where}: no pair of arms can be told apart at {setting}={first}, so there is no ranking to keep."
    kept = row.clear_accuracy
    share = f"{100 * kept:.0f} % of the {row.clear_pairs} clear pairs keep their order"
    if math.isclose(kept, 1.0):
        return f"{where}: the ranking is **stable**: {share}."
    return f"{where}: the ranking is **not stable**: {share}."
