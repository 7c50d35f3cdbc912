"""A browser for the page: Debian's chromium through Playwright, with the network off."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from ablate.page.build import page as html_page


@dataclass
class Opened:
    """A page in a browser, and what it did that it must not.

    Attributes:
        page: Playwright's.
        said: errors and warnings of the console, uncaught errors, dialogs.
        asked: addresses that it asked for beside its own file.
    """

    page: Any
    said: list[str] = field(default_factory=list)
    asked: list[str] = field(default_factory=list)


Open = Callable[..., Opened]


@pytest.fixture
def opened(browser: Any, tmp_path: Path) -> Iterator[Open]:
    """Opens studies as a file, as by a double click: `opened([study, ...], hash, width=, scheme=)`."""
    contexts = []

    def start(
        studies: Sequence[Mapping[str, Any]], view: str = "", *, width: int = 1280, scheme: str = "light"
    ) -> Opened:
        path = tmp_path / "page.html"
        path.write_text(html_page(studies), encoding="utf-8")
        context = browser.new_context(
            viewport={"width": width, "height": 900},
            color_scheme=scheme,
            offline=True,
            permissions=["clipboard-read", "clipboard-write"],
        )
        contexts.append(context)
        found = Opened(context.new_page())
        found.page.on(
            "console",
            lambda message: found.said.append(message.text) if message.type in ("error", "warning") else None,
        )
        found.page.on("pageerror", lambda error: found.said.append(str(error)))
        found.page.on("dialog", lambda dialog: (found.said.append(dialog.message), dialog.dismiss()))
        found.page.on("request", lambda request: found.asked.append(request.url))
        found.page.goto(path.as_uri() + view)
        found.page.wait_for_selector("html[data-ready]", timeout=120_000)
        found.asked = [url for url in found.asked if not url.startswith((path.as_uri(), "data:"))]
        return found

    yield start
    for context in contexts:
        context.close()
