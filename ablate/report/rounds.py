"""Seeds in rounds, as the report tells them: which contrast was closed when, and what that saved."""

from __future__ import annotations

import numpy as np

from ablate.render.tables import markdown
from ablate.report.decision import score_table
from ablate.report.records import AGGREGATE, Study
from ablate.study.rounds import State, states


def current(study: Study, rounds: int | None = None) -> list[State]:
    """How far each contrast is, from the records alone.

    Args:
        study: whose plan has "sequential".
        rounds: to look at; None for those that any contrast has had.
    """
    looks = study.plan["sequential"]["rounds"]
    scores = np.full((len(study.arms), len(study.seeds)), np.nan)
    if study.records:
        measured = (task for task, info in study.tasks.items() if study.primary in info["higher_is_better"])
        task = AGGREGATE if study.aggregated(study.primary) else next(measured)
        scores = score_table(study, task, study.primary)
    if rounds is None:
        most = int(np.isfinite(scores).sum(axis=1).max(initial=0))
        rounds = sum(look <= most for look in looks) or 1
    same = [study.identical(contrast["weights"]) for contrast in study.plan["contrasts"]]
    return states(study.plan, scores, same, rounds)


def section(study: Study) -> list[str]:
    """The report's part on rounds; empty for a study that had none."""
    rule = study.plan.get("sequential")
    if rule is None:
        return []
    found = current(study)
    least = rule["negligible"]
    text = (
        f"Seeds came in rounds of {rule['rounds']}, and only to the arms of contrasts that were still open. A contrast is decided "
        f"when its sequential p-value, after Holm over all contrasts, is at most {rule['alpha']:g}"
        + (f", negligible when its interval lies inside ±{least:g}" if least is not None else "")
        + f". Alpha is spent as {rule['spending'].replace('_', ' ')} do (Lan & DeMets 1983), so the error holds over all looks; "
        "the p-values and intervals above allow for them (Jennison & Turnbull 1989). "
        f"**{len(study.records)} of {len(study.arms) * len(study.seeds)} runs were done.**"
    )
    cells = [[state.name, state.status, str(state.round), str(state.seeds), ""] for state in found]
    return [text, markdown(("contrast", "status", "round", "seeds", ""), cells)]
