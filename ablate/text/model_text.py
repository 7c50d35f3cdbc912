"""What gives the text of a language model away as broken: refusals, canned openings, loops."""

from __future__ import annotations

import re

import numpy as np

REFUSAL = re.compile(
    r"\b(?:i(?:['’]m| am) (?:sorry|afraid)|i apologi[sz]e|i (?:can(?:no|['’])t|cannot|am unable to|am not able to|won['’]t|"
    r"will not) (?:help|assist|provide|create|write|generate|fulfil+|comply|do that|answer|continue|complete)|"
    r"as an? (?:ai|artificial intelligence|(?:large )?language model)|i(?:['’]m| am) (?:just )?an? (?:ai|language model))\b",
    re.IGNORECASE,
)
"""A sentence in which a model speaks of itself or declines."""
REFUSAL_WITHIN = 300
"""Characters from the beginning in which it counts; later ones may be quoted."""
CANNED = re.compile(
    r"[\s*#>]*(?:(?:sure|certainly|of course|absolutely|great|okay|title)\s*[,!:.]|here(?:['’]s| is| are)\b[^\n]{0,80}:|"
    r"i hope this\b|hello[,! ]+(?:everyone|there|class|students|my)\b|my name is\b|"
    r"welcome to (?:this|our|the) (?:lesson|chapter|unit|course|tutorial|blog)\b)",
    re.IGNORECASE,
)
"""Openings in which a model talks to whoever asked, or that very many of its texts share (Cosmopedia cuts such ones out)."""
LONGEST_PERIOD = 60
"""Words of the longest piece whose repetition counts as a loop."""
LEAST_TIMES = 3
"""How often a piece must stand in a row."""


def is_refusal(text: str) -> bool:
    """Whether a model declines, or speaks of itself, at the beginning."""
    return REFUSAL.search(text[:REFUSAL_WITHIN]) is not None


def is_canned(text: str) -> bool:
    """Whether a text opens with talk to whoever asked."""
    return CANNED.match(text) is not None


def loop_share(text: str) -> float:
    """Share of the words that stand in a piece of up to 60 words said three times or more in a row, in [0, 1].

    Blanks and case make no difference; a sentence that comes again later, with others between, is no loop.
    """
    found = text.lower().split()
    if len(found) < 2 * LEAST_TIMES:
        return 0.0
    _, codes = np.unique(np.array(found, dtype=object), return_inverse=True)
    inside = np.zeros(codes.size, dtype=bool)
    for period in range(1, min(LONGEST_PERIOD, codes.size // LEAST_TIMES) + 1):
        same = np.concatenate([[False], codes[period:] == codes[:-period], [False]])
        edges = np.flatnonzero(np.diff(same.astype(np.int8))).reshape(-1, 2)
        long = np.diff(edges, axis=1)[:, 0] >= (LEAST_TIMES - 1) * period
        for begin, end in edges[long].tolist():
            inside[begin : end + period] = True
    return float(inside.mean())
