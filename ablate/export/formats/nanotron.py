"""Token files as datatrove writes and nanotron reads them: `.ds`, `.ds.index`, `.ds.metadata`.

Source: datatrove, pipeline/tokens/tokenizer.py (TokenizedFile) and utils/dataset.py (DatatroveFolderDataset), which nanotron's
`TokenizedBytesFolderDataset` is. `.ds` has the ids one after another, little-endian, 2 or 4 bytes each; `.ds.index` where each
document ends, in tokens, as uint64; `.ds.metadata` tokenizer and token size, tokens, and tokens in words.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ablate.export.base import DATA, TokenFormat


class Nanotron(TokenFormat):
    """Three files a shard."""

    name = "nanotron"
    endings = (".ds", ".ds.index", ".ds.metadata")

    def write(self, ids: np.ndarray, counts: np.ndarray, paths: Sequence[Path]) -> None:
        """Write one shard."""
        tokens, index, metadata = paths
        tokens.write_bytes(ids.astype(ids.dtype.newbyteorder("<")).tobytes())
        index.write_bytes(np.cumsum(counts).astype("<u8").tobytes())
        metadata.write_text(f"tokenizer|{ids.itemsize}\n{ids.size}\n{ids.size:,} T", encoding="utf-8")

    def read_by(self, folder: str) -> str:
        """Say how it is read."""
        return (
            f"nanotron: dataset_folder: {folder}/{DATA}   (its TokenizedBytes datasets; token size: line 1 of a .ds.metadata)\n"
            f'datatrove: DatatroveFolderDataset("{folder}/{DATA}", seq_len=2048, filename_pattern="*.ds", token_size=...)'
        )


FORMAT = Nanotron()
