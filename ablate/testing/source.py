"""`check_source`: whether the same request always reads the same documents."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ablate.pool.source import Document, Skipped, Source
from ablate.testing.contract import check_canonical, require, same, variations


def check_source(source: Source, *, values: Mapping[str, Sequence[object]] | None = None) -> None:
    """Read a small source several times, with other values of its fields.

    Args:
        source: over a few documents.
        values: field -> values worth trying beside the usual ones.
    Raises:
        ContractError: when a field changes what is read and not the request, or two readings differ.
    """
    what = type(source).__name__
    check_canonical(source.request(), f"the request of {what}")
    read = list(source.documents())
    for item in read:
        require(
            isinstance(item, (Document, Skipped)), f"{what} must yield Document or Skipped, got {item!r:.60}"
        )
        if isinstance(item, Document):
            require(
                isinstance(item.text, str) and item.kind in ("html", "text"),
                f"{what} must give each document a text and a kind of html or text, got {item!r:.60}",
            )
            check_canonical(dict(item.metadata), f"the metadata of a document of {what}")
    require(
        same(list(source.documents()), read),
        f"{what} reads other documents, or another order, the second time",
    )
    request = source.request()
    for name, value, changed in variations(source, values):
        try:
            if not same(changed.request(), request):  # another pool, which may hold what it likes
                continue
            other = list(changed.documents())
        except Exception:  # a value that makes the source unreadable says nothing
            continue
        require(
            same(other, read),
            f"{what}.{name}={value!r} changes what is read, and the request stays: the pool that was read before "
            "would be taken",
        )
