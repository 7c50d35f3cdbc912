"""How long the documents are that an arm keeps.

Example: ablate inspect lengths.py study=demo
"""

from __future__ import annotations

from statistics import median

from omegaconf import DictConfig

from ablate.corpus.view import build_corpus
from ablate.inspect.arm import open_arm


def main(config: DictConfig) -> int:
    """Print the median; returns the exit status."""
    with open_arm(config) as (arm, builder):
        corpus = build_corpus(arm.stages(), builder.annotations)
        sizes = [len(text) for _, text in builder.annotations.texts(corpus.version, corpus.rows)]
    print(f"{len(sizes)} documents are kept; half have {median(sizes):g} characters or fewer")
    return 0
