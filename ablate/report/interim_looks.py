"""Seeds in rounds, as the report tells them: which contrast was closed when, and what that saved."""

from __future__ import annotations

from ablate.render.tables import markdown
from ablate.study.results import Study, current


def section(study: Study) -> list[str]:
    """The report's part on rounds; empty for a study that had none."""
    rule = study.plan.sequential
    if rule is None:
        return []
    found = current(study)
    least = rule.negligible
    text = (
        f"Seeds came in rounds of {list(rule.looks)}, and only to the arms of contrasts that were still open. A contrast is decided "
        f"when its sequential p-value, after Holm over all contrasts, is at most {rule.alpha:g}"
        + (f", negligible when its interval lies inside ±{least:g}" if least is not None else "")
        + f". Alpha is spent as {rule.spending.replace('_', ' ')} do (Lan & DeMets 1983), so the error holds over all looks; "
        "the p-values and intervals above allow for them (Jennison & Turnbull 1989). "
        f"**{len(study.records)} of {len(study.arms) * len(study.seeds)} runs were done.**"
    )
    cells = [[state.name, state.status, str(state.round), str(state.seeds), ""] for state in found]
    return [text, markdown(("contrast", "status", "round", "seeds", ""), cells)]
