"""What the intervals lean on, checked: pairing, equal noise, gains that add up, few seeds, items, missing runs."""

from __future__ import annotations

from collections.abc import Sequence

from ablate.report.findings import additivity, noise, runs
from ablate.report.findings.base import Finding
from ablate.report.findings.components import components
from ablate.report.findings.dose import doses
from ablate.report.findings.intervals import seeds_and_items, unbalanced
from ablate.report.row import Row
from ablate.study.results import Study, headline_scores


def findings(study: Study, rows: Sequence[Row]) -> list[Finding]:
    """Look at the headline's scores for all that its intervals lean on; nothing where there is no score.

    Args:
        study: whose.
        rows: of its effects.
    """
    table = headline_scores(study)
    if table is None:
        return []
    return [
        *runs.missing_arms(study),
        *runs.shards(study),
        *runs.arithmetic(study),
        *noise.pairing(study, table),
        *noise.seeds_by_stages(study, table, rows),
        *noise.shared_arm(study, table, rows),
        *noise.few_seeds(study, rows),
        *noise.shape(study, table),
        *noise.bounds(study, table),
        *noise.equal_noise(study, table, rows),
        *additivity.additivity(study, table, rows),
        *additivity.near_full_leans(study, table, rows),
        *additivity.aliased(study, rows),
        *seeds_and_items(study, rows),
        *unbalanced(study, table, rows),
        *additivity.best(study, table, rows),
        *doses(study, table, rows),
        *components(study, table),
    ]


def section(study: Study, rows: Sequence[Row]) -> list[str]:
    """Findings and warnings about the headline's gains, as Markdown."""
    if headline_scores(study) is None:
        return ["No score to look at."]
    found = findings(study, rows)
    listed = "\n".join(f"- {one}" for one in found if one.listed)
    parts = [listed, *(str(one) for one in found if not one.listed)]
    return [part for part in parts if part] or ["Nothing to warn of."]
