"""What documents are grouped by: host, top-level domain, length, or any column of the pool."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ablate.errors import ConfigError, nearest
from ablate.pool.origin import host
from ablate.pool.pool import Pool

LENGTH = "length"
ADDRESS = ("host", "tld")
PLAIN = ("language", "source", "kind")
NONE = "(none)"
QUANTILES = 5
MAX_NUMBERS = 20
"""A numeric column with more distinct values than this is cut at its quantiles."""


@dataclass(frozen=True, eq=False)
class Grouping:
    """A partition of documents.

    Attributes:
        names: of the groups.
        code: shape (n,), int64: position in `names` of each document's group.
    """

    names: tuple[str, ...]
    code: np.ndarray

    @classmethod
    def of(cls, values: Sequence[str]) -> Grouping:
        """Group equal values, in the order of their names; an empty one is called "(none)"."""
        names, code = np.unique(np.array([value or NONE for value in values], object), return_inverse=True)
        return cls(tuple(names.tolist()), code.astype(np.int64))


def top_level_domain(name: str) -> str:
    """Last label of a host: "uk" of bbc.co.uk, since no list of public suffixes is used."""
    if ":" in name or name.rpartition(".")[2].isdigit():
        return "(IP address)"
    return name.rstrip(".").rpartition(".")[2]


def quantile_bins(values: np.ndarray, unit: str = "") -> Grouping:
    """Cut numbers into at most five groups of about equal size; equal numbers stay together.

    Args:
        values: shape (n,); a group of its own, "(none)", where NaN.
        unit: of the values, for the groups' names.
    Returns:
        Groups in ascending order, named by the smallest and the largest value in them.
    """
    values = np.asarray(values, dtype=np.float64)
    known = ~np.isnan(values)
    names: list[str] = []
    code = np.zeros(values.size, dtype=np.int64)
    if known.any():
        cuts = np.quantile(values[known], np.arange(1, QUANTILES) / QUANTILES, method="lower")
        part = np.searchsorted(np.unique(cuts), values[known], side="left")
        _, code[known] = np.unique(part, return_inverse=True)
        for number in range(int(code[known].max()) + 1):
            inside = values[known][code[known] == number]
            low, high = (
                f"{end:,.6g}" if end < 1e6 else f"{end:,.0f}" for end in (inside.min(), inside.max())
            )
            names.append(f"{low} to {high} {unit}".rstrip() if low != high else f"{low} {unit}".rstrip())
    if not known.all():
        code[~known] = len(names)
        names.append(NONE)
    return Grouping(tuple(names), code)


def pool_groupings(pool: Pool, by: Sequence[str]) -> dict[str, Grouping]:
    """Group all documents of a pool; `length` is left out, since it depends on the stage.

    Args:
        by: host, tld, length, language, source, kind, or names of the pool's metadata.
    Raises:
        ConfigError: when `by` is empty or names what the pool does not have; names the nearest.
    """
    if not by:
        raise ConfigError("inspect.by is empty: name at least one column, e.g. inspect.by=[host,length]")
    extra: list[dict[str, object]] = []
    if not set(by) <= {*ADDRESS, *PLAIN, LENGTH}:
        extra = [json.loads(line) for line in pool.column("metadata").to_pylist()]
    known = [*ADDRESS, LENGTH, *PLAIN, *sorted({name for row in extra for name in row})]
    found = {}
    for column in dict.fromkeys(by):
        if column not in known:
            raise ConfigError(
                f"inspect.by: the pool has no column {column!r}: {nearest(column, known)} "
                f"(known: {', '.join(known)})"
            )
        if column in ADDRESS:
            hosts = [host(url) for url in pool.column("url").to_pylist()]
            found[column] = Grouping.of(hosts if column == "host" else [*map(top_level_domain, hosts)])
        elif column in PLAIN:
            found[column] = Grouping.of(pool.column(column).to_pylist())
        elif column != LENGTH:
            found[column] = _metadata([row.get(column) for row in extra])
    return found


def _metadata(values: Sequence[object]) -> Grouping:
    given = [value for value in values if value is not None]
    numeric = all(isinstance(value, (int, float)) and not isinstance(value, bool) for value in given)
    if numeric and len(set(given)) > MAX_NUMBERS:
        return quantile_bins(np.array([np.nan if value is None else value for value in values], np.float64))
    return Grouping.of(["" if value is None else str(value) for value in values])
