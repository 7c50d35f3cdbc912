"""Token files as Megatron-LM, NeMo and their kin read them: `.bin` and `.idx`.

Source: megatron/core/datasets/indexed_dataset.py. `.bin` has the ids one after another; `.idx`, little-endian: nine bytes `MMIDIDX\\0\\0`,
version 1 (uint64), the code of the ids' type (one byte: 8 for uint16, 4 for int32), the number of sequences and of document bounds
(uint64 each), the tokens of each sequence (int32), the byte at which each begins (int64), and the bounds of documents in sequences
(int64, from 0). Here each document is one sequence, end-of-text included (Megatron's `--append-eod`).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from ablate.errors import DataError
from ablate.export.base import DATA, TokenFormat

MAGIC = b"MMIDIDX\x00\x00"


class Megatron(TokenFormat):
    """Two files a shard, which share a prefix."""

    name = "megatron"
    endings = (".bin", ".idx")

    def write(self, ids: np.ndarray, counts: np.ndarray, paths: Sequence[Path]) -> None:
        """Write one shard."""
        if counts.max(initial=0) > np.iinfo(np.int32).max:
            raise DataError(
                f"a document of {counts.max():,} tokens: Megatron's index takes 2,147,483,647 at most"
            )
        code, dtype = (8, np.dtype("<u2")) if ids.itemsize == 2 else (4, np.dtype("<i4"))
        tokens, index = paths
        tokens.write_bytes(ids.astype(dtype).tobytes())
        begins = (np.cumsum(counts) - counts) * dtype.itemsize
        with index.open("wb") as file:
            file.write(MAGIC + struct.pack("<QBQQ", 1, code, counts.size, counts.size + 1))
            file.write(counts.astype("<i4").tobytes() + begins.astype("<i8").tobytes())
            file.write(np.arange(counts.size + 1, dtype="<i8").tobytes())

    def read_by(self, folder: str) -> str:
        """Say how it is read."""
        return f"Megatron-LM: --data-path, for each shard: {folder}/{DATA}/<name without .bin>"


FORMAT = Megatron()
