"""Identity: everything that changes a result goes into a digest, nothing else does."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from typing import Any

import numpy as np


def _plain(value: Any) -> Any:
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {f.name: getattr(value, f.name) for f in dataclasses.fields(value)}
    if isinstance(value, np.generic):
        return value.item()
    if isinstance(value, (set, frozenset)):
        return sorted(value)
    raise TypeError(f"{type(value).__name__} has no canonical form; pass plain data")


def canonical_json(value: Any) -> str:
    """One text per value: sorted keys, no white space, NaN refused.

    Raises:
        ValueError: for NaN or an infinity, which have no JSON form.
        TypeError: for an object that is neither plain data nor a dataclass.
    """
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False,
                      allow_nan=False, default=_plain)  # fmt: skip


def digest(value: Any) -> str:
    """128-bit BLAKE2b of the canonical form, as 32 hex digits."""
    return hashlib.blake2b(canonical_json(value).encode(), digest_size=16).hexdigest()


def mix64(keys: np.ndarray, salt: int) -> np.ndarray:
    """Hash each key with `salt`: the splitmix64 finaliser (Steele et al. 2014), vectorised.

    Args:
        keys: shape (n,), uint64.
        salt: any integer; different salts give independent-looking orders.
    Returns:
        shape (n,), uint64.
    """
    with np.errstate(over="ignore"):
        start = np.uint64((salt * 0x9E3779B97F4A7C15 + 0x9E3779B97F4A7C15) & 0xFFFFFFFFFFFFFFFF)
        z = keys.astype(np.uint64) + start
        z = (z ^ (z >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        z = (z ^ (z >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        return z ^ (z >> np.uint64(31))
