"""How figures look and how they are written: SVG and PNG, the same bytes every time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import matplotlib

matplotlib.use("Agg")

from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ablate.store import atomic

HELPS, HURTS, NONE, INK, PALE = "#0072b2", "#d55e00", "#9a9a9a", "#222222", "#dddddd"
"""Okabe & Ito's palette: told apart with any colour vision."""
LINES = ("#000000", "#e69f00", "#56b4e9", "#009e73", "#f0e442", "#0072b2", "#d55e00", "#cc79a7")
STYLE: Any = {
    "svg.hashsalt": "ablate",
    "font.family": "DejaVu Sans",
    "font.size": 10,
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.edgecolor": INK,
    "axes.labelcolor": INK,
    "text.color": INK,
    "xtick.color": INK,
    "ytick.color": INK,
    "svg.fonttype": "path",
    "axes.titleweight": "bold",
    "axes.titlesize": 11,
    "axes.titlelocation": "left",
    "figure.facecolor": "white",
    "text.parse_math": False,  # a `$` in a title, an arm or a level is a dollar
}


def empty_figure(width: float, height: float, columns: int = 1) -> tuple[Figure, list[Axes]]:
    """Return an empty figure of this size in inches, with its panels side by side."""
    with matplotlib.rc_context(STYLE):
        figure = Figure(figsize=(width, height), layout="constrained")
        axes = figure.subplots(1, columns, squeeze=False)[0]
    return figure, list(axes)


def save(figure: Figure, path: Path, dpi: int = 150) -> None:
    """Write `path`.svg and `path`.png, the same bytes every time; `dpi` is of the PNG."""
    for kind in ("svg", "png"):
        metadata = {"Date": None, "Creator": None} if kind == "svg" else {"Software": None}
        with atomic(path.with_name(f"{path.name}.{kind}")) as part, matplotlib.rc_context(STYLE):
            figure.savefig(part, format=kind, dpi=dpi, bbox_inches="tight", metadata=metadata)
