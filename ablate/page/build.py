"""Join library, style, scripts and data into one HTML file that asks for nothing and runs nothing that it does not hold.

The content security policy names every script and style by its digest, so that no text of a study can become one. Data
stand in script blocks of a type that browsers do not run, and so do the scripts, packed, which the first one unpacks.
"""

from __future__ import annotations

import base64
import gzip
import hashlib
import html
import json
import math
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SOURCE, VENDOR = HERE / "source", HERE / "vendor"
OPEN, MAIN = "open.js", "main.js"
COMPRESSED_FROM = 8_000
"""Characters of a study from which on it is stored compressed."""
CURVE_DIGITS = 5
"""Digits of scores along a curve, which are only drawn; all other numbers keep theirs."""
COST = ("arm", "seed", "device", "run_s", "tokens_per_s")
"""What the page says of a run's cost; `cost.csv` has the rest."""
PLOT_STYLE = """:where(.plot-d6a7b5) {
  --plot-background: white;
  display: block;
  height: auto;
  height: intrinsic;
  max-width: 100%;
}
:where(.plot-d6a7b5 text),
:where(.plot-d6a7b5 tspan) {
  white-space: pre;
}"""
"""What Plot writes into each figure as its style, the only style that is not in our own file."""


@dataclass(frozen=True)
class Library:
    """A file of somebody else's, unmodified.

    Attributes:
        name, version, licence: of the package.
        file: in the folder `vendor`.
        package: where it was taken from.
        sha256: of its bytes, in hexadecimal digits.
    """

    name: str
    version: str
    licence: str
    file: str
    package: str
    sha256: str

    def text(self) -> str:
        """The file."""
        return (VENDOR / self.file).read_text(encoding="utf-8")


def libraries() -> list[Library]:
    """What the page is drawn with, in the order in which it is loaded."""
    listed = json.loads((VENDOR / "manifest.json").read_text(encoding="utf-8"))
    return [Library(**entry) for entry in listed]


@cache
def script() -> str:
    """Our own files as one script: in order of their names, and the one that starts it last; without the one that unpacks them."""
    files = sorted(SOURCE.glob("*.js"), key=lambda path: (path.name == MAIN, path.name))
    files = [path for path in files if path.name != OPEN]
    body = "\n".join(path.read_text(encoding="utf-8") for path in files)
    return f'(() => {{\n"use strict";\n{body}\n}})();\n'


def opening_script() -> str:
    """The script that unpacks the others and runs them."""
    return (SOURCE / OPEN).read_text(encoding="utf-8")


def page(studies: Sequence[Mapping[str, Any]], *, live: bool = False) -> str:
    """The page as text; the same studies give the same bytes.

    Args:
        studies: objects as `study.json` holds them; the first is shown first.
        live: whether a server is there to be asked for news; else the page may connect to nothing.
    """
    style = (SOURCE / "style.css").read_text(encoding="utf-8")
    scripts, first = [*(library.text() for library in libraries()), script()], opening_script()
    title = " · ".join(str(study["head"]["title"]) for study in studies[:3])
    parts = {
        "policy": policy([first, *scripts], [style, PLOT_STYLE], live=live),
        "title": html.escape(title + (" · ..." if len(studies) > 3 else "")),
        "style": f"<style>{style}</style>",
        "data": "\n".join(map(data_block, studies)),
        "live": ' data-live="yes"' if live else "",
        "scripts": "\n".join([*(_packed(text, "code") for text in scripts), f"<script>{first}</script>"]),
    }
    shell = (SOURCE / "shell.html").read_text(encoding="utf-8")
    return re.sub(r"\{\{(\w+)\}\}", lambda found: parts[found[1]], shell)


def policy(scripts: Sequence[str], styles: Sequence[str], *, live: bool) -> str:
    """The content security policy: these scripts, these styles, nothing else."""
    rules = {
        "default-src": "'none'",
        "script-src": " ".join(map(_source, scripts)),
        "style-src": " ".join(map(_source, styles)),
        "img-src": "data:",
        "base-uri": "'none'",
        "form-action": "'none'",
    }
    if live:
        rules["connect-src"] = "'self'"
    return "; ".join(f"{name} {value}" for name, value in rules.items())


def _source(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def data_block(study: Mapping[str, Any]) -> str:
    """A study as a block that a browser keeps and does not run; nothing in it can end the block."""
    text = json.dumps(_shorter(study), ensure_ascii=False, allow_nan=False, separators=(",", ":"))
    if len(text) < COMPRESSED_FROM:
        inert = text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
        return f'<script type="application/json" class="study">{inert}</script>'
    return _packed(text, "study")


def _packed(text: str, name: str) -> str:
    """A text as a block that a browser keeps and does not run, compressed."""
    packed = base64.b64encode(gzip.compress(text.encode(), mtime=0)).decode()
    return f'<script type="application/gzip" class="{name}">{packed}</script>'


def _shorter(study: Mapping[str, Any]) -> dict[str, Any]:
    """The study with its curves in fewer digits and the costs that are shown."""
    short, scores = dict(study), study["scores"]
    if scores.get("curve"):
        curves = [
            [None if run is None else [_rounded(value) for value in run] for run in runs]
            for runs in scores["curve"]
        ]
        short["scores"] = {**scores, "curve": curves}
    short["cost"] = {name: study["cost"][name] for name in COST if name in study["cost"]}
    return short


def _rounded(value: float | None) -> float | None:
    return value if value is None or not math.isfinite(value) else float(f"{value:.{CURVE_DIGITS}g}")
