"""ablate: measure what each stage of a pre-training data-curation pipeline is worth."""

__version__ = "0.1.0"
