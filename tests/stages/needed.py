"""What stages that do nothing by themselves are given where every stage is tested."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ablate.stages.language import MODEL

NEEDED: dict[str, dict[str, Any]] = {
    "column": {"column": "score", "min": 2.5},
    "regex": {"patterns": ("(?i)the", "[0-9]+")},
    "python": {"function": f"{Path(__file__).parent / 'functions.py'}:longest_word", "min": 4.0},
    "datatrove": {"class_path": f"{Path(__file__).parent / 'foreign_classes.py'}:LongWords"},
    "data_juicer": {"class_path": f"{Path(__file__).parent / 'foreign_classes.py'}:JuicerLength"},
    "fasttext": {"model": str(MODEL), "label": "en", "min": 0.5},
}
"""Stage -> parameters."""
