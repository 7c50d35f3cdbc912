"""The stages by what they are worth, the best first, for `study.sections=[ranking.py:Ranking]`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

from ablate.render.tables import markdown, signed
from ablate.report.effects_table import headline
from ablate.report.row import Row
from ablate.report.section import Section
from ablate.study.results import Study


class Ranking(Section):
    """Ranks the gains that the report leads with."""

    title: ClassVar[str] = "Which stage is worth most"

    def paragraphs(self, study: Study, rows: Sequence[Row]) -> list[str]:
        """Return a table of the gains, the largest first."""
        lead = sorted(headline(rows, study), key=lambda row: -row.estimate)
        cells = [[str(place), row.name, signed(row.estimate)] for place, row in enumerate(lead, start=1)]
        return [markdown(("place", "stage", "gain"), cells)] if cells else []
