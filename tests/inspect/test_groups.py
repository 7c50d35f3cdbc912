"""How documents are grouped, and what is said when they cannot be."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ablate.errors import ConfigError
from ablate.inspect.groups import Grouping, host, pool_groupings, quantile_bins, top_level_domain
from ablate.pool.source import Document
from ablate.store import Store


@pytest.mark.parametrize(
    ("url", "name", "tld"),
    [
        ("https://News.BBC.co.uk:8080/a?b#c", "news.bbc.co.uk", "uk"),
        ("http://user@example.org.", "example.org.", "org"),
        ("http://127.0.0.1/x", "127.0.0.1", "(IP address)"),
        ("http://[2001:db8::1]/x", "2001:db8::1", "(IP address)"),
        ("http://[2001:db8/x", "", ""),
        ("localhost", "", ""),
        ("", "", ""),
    ],
)
def test_host_and_top_level_domain(url: str, name: str, tld: str) -> None:
    assert host(url) == name
    assert top_level_domain(name) == tld


def labels(grouping: Grouping) -> list[str]:
    return [grouping.names[code] for code in grouping.code]


def test_quantile_bins_are_even_named_by_their_ends_and_keep_ties_together() -> None:
    even = quantile_bins(np.arange(1, 101), "bytes")
    assert even.names == (
        "1 to 20 bytes",
        "21 to 40 bytes",
        "41 to 60 bytes",
        "61 to 80 bytes",
        "81 to 100 bytes",
    )
    assert np.bincount(even.code).tolist() == [20] * 5
    assert labels(quantile_bins(np.array([7, 7, 7, 7, 7, 7, 7, 7, 7, 9]))) == ["7"] * 9 + ["9"]
    assert labels(quantile_bins(np.array([3.0, np.nan]))) == ["3", "(none)"]
    assert quantile_bins(np.zeros(0)).names == ()


def test_pool_columns_and_metadata(make_pool: Any, store: Store) -> None:
    pages = [
        Document(
            f"text {i}",
            url=f"https://h{i % 2}.example/{i}",
            source="crawl",
            language="en" if i else "",
            metadata={"score": i / 7, "kind_of_page": "news"} if i < 30 else {},
        )
        for i in range(40)
    ]
    found = pool_groupings(make_pool(store, pages), ["host", "language", "score", "kind_of_page", "length"])
    assert set(found) == {"host", "language", "score", "kind_of_page"}  # length depends on the stage
    assert labels(found["host"])[:3] == ["h0.example", "h1.example", "h0.example"]
    assert labels(found["language"])[:2] == ["(none)", "en"]
    assert np.bincount(found["score"].code).tolist() == [6] * 5 + [10]  # quintiles of 30, and those without
    assert labels(found["kind_of_page"])[29:31] == ["news", "(none)"]


def test_unknown_and_missing_columns(make_pool: Any, store: Store) -> None:
    pool = make_pool(store, [Document("a", metadata={"date": "2024"})])
    with pytest.raises(ConfigError, match=r"no column 'hots': did you mean 'host'\?.*known: .*date"):
        pool_groupings(pool, ["hots"])
    with pytest.raises(ConfigError, match=r"inspect.by is empty: name at least one column"):
        pool_groupings(pool, [])
