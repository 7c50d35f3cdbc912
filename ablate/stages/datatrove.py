"""A filter or formatter of datatrove (Penedo et al., github.com/huggingface/datatrove), by import path and arguments."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from ablate.stages.foreign import Foreign


@dataclass(frozen=True, kw_only=True)
class DataTrove(Foreign):
    """What has datatrove's `filter(document)` or `format(text)`; a filter may rewrite the document, as C4's does.

    A document has a text, or an address in its metadata, and nothing else.
    """

    name: ClassVar[str] = "datatrove"
    library: ClassVar[str] = "datatrove"
