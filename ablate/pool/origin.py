"""Where a document comes from: its host, or where its address names none the source that it was read from."""

from __future__ import annotations

from urllib.parse import urlsplit


def host(url: str) -> str:
    """Host of an address in lower case, "" where there is none."""
    try:
        return urlsplit(url).hostname or ""
    except ValueError:  # an unclosed bracket
        return ""


def origin(url: str, source: str) -> str:
    """Name the origin of a document: `host a.example`, or `source NAME`."""
    return f"host {name}" if (name := host(url)) else f"source {source}"
