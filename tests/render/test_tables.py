"""Pages of Markdown hold no HTML of a name."""

from __future__ import annotations

import pytest

from ablate.render.tables import without_tags


@pytest.mark.parametrize(
    ("page", "shown"),
    [
        ("arm <script>alert(1)</script>", "arm \\<script>alert(1)\\</script>"),
        ("<img src=x onerror=y>", "\\<img src=x onerror=y>"),
        ("<!-- gone -->", "\\<!-- gone -->"),
        ("p <0.001, 2 < 3, a <- b", "p <0.001, 2 < 3, a <- b"),
        ("`<store>/x` and <b>", "`<store>/x` and \\<b>"),
    ],
)
def test_a_tag_is_shown_and_not_obeyed(page: str, shown: str) -> None:
    """CommonMark 6.1: a backslash before `<` makes it a character, outside of code."""
    assert without_tags(page) == shown
