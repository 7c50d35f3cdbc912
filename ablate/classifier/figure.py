"""Calibration of a student: mean label against mean score."""

from __future__ import annotations

from collections.abc import Sequence

import matplotlib
from matplotlib.figure import Figure

from ablate.classifier.assess import BinValues
from ablate.render.figure import HELPS, NONE, PALE, STYLE


def calibration_figure(bins: Sequence[BinValues], title: str, *, binary: bool) -> Figure:
    """Bins with 95 % intervals beside the diagonal on which a calibrated student's lie."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(5.2, 4.4), layout="constrained")
        axis = figure.subplots()
        ends = [
            value
            for each in bins
            for value in (each["score"], each["label"], each["low"], each["high"])
            if value is not None
        ]
        low, high = (0.0, 1.0) if binary or not ends else (min(ends), max(ends))
        margin = 0.04 * ((high - low) or 1.0)
        axis.plot([low, high], [low, high], color=NONE, linewidth=1, linestyle=(0, (3, 2)), zorder=1)
        for each in bins:
            if each["low"] is not None and each["high"] is not None:
                axis.plot([each["score"]] * 2, [each["low"], each["high"]], color=HELPS, linewidth=2)
            axis.plot(each["score"], each["label"], "o", color=HELPS, markersize=5, zorder=3)
        axis.set_xlim(low - margin, high + margin)
        axis.set_ylim(low - margin, high + margin)
        axis.set_xlabel("mean score of the student" + (" (probability)" if binary else " (points)"))
        axis.set_ylabel("share labelled good" if binary else "mean label")
        axis.grid(color=PALE, linewidth=0.6)
        axis.set_axisbelow(True)
        axis.set_title(f"{title}: calibration")
    return figure
