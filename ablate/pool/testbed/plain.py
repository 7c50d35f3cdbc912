"""A quality score for the testbed, with a known bias: plain prose is good prose.

A classifier that was trained on plain prose scores a text by how much of it is such prose, and errs a little. It is right about
junk, and wrong about the dialect, whose pages are as good as any and alone tell of some towns (Gururangan et al. 2022, arXiv
2201.10474: whose language counts as high quality). Use: stage `python` with function=ablate.pool.testbed.plain:plainness.
"""

from __future__ import annotations

import hashlib
import re
from functools import lru_cache

from ablate.pool.testbed import prose
from ablate.pool.testbed.world import PHRASINGS

WORD = re.compile(r"[^\s.,;:!?()\"]+")
ERROR = 0.15
"""Half of the width of its error, which is uniform and drawn by a hash of the text."""


@lru_cache(maxsize=1)
def vocabulary() -> frozenset[str]:
    """Words of the testbed's plain prose, in lower case."""
    lists = (prose.WHO, prose.DID, prose.WHAT, prose.WHEN, prose.OPENERS, *PHRASINGS.values())
    return frozenset(word.lower() for texts in lists for text in texts for word in WORD.findall(text))


def plainness(text: str) -> float:
    """Share of the words, names left out, that plain prose has, plus or minus the error."""
    words = [word for word in WORD.findall(text) if word.islower() or word.startswith("#")]
    share = sum(word in vocabulary() for word in words) / len(words) if words else 0.0
    hashed = hashlib.blake2b(" ".join(text.split()).encode("utf-8", "replace"), digest_size=8).digest()
    return share + ERROR * (2 * int.from_bytes(hashed, "little") / 2**64 - 1)
