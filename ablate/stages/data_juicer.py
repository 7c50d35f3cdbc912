"""A filter or mapper of Data-Juicer (Chen et al. 2023, arXiv 2309.02033), by import path and arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ablate.stages.foreign import Foreign


@dataclass(frozen=True, kw_only=True)
class DataJuicer(Foreign):
    """What computes statistics of a text and judges by them (`gives=keep`), or maps a text (`gives=text`).

    A sample has a text and nothing else. Filters give no reason, so what they drop is `dropped`.
    """

    name: ClassVar[str] = "data_juicer"
    library: ClassVar[str] = "data_juicer"
