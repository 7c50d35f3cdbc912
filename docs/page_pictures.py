"""The page as pictures: `python docs/page_pictures.py results/dashboard.html docs/figures` (needs the extra `browser`)."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

from playwright.sync_api import sync_playwright

VIEWS = {
    "page_light": (1180, 1330, "light"),
    "page_dark": (1180, 1330, "dark"),
    "page_phone": (390, 844, "light"),
    "page_print": (794, 1123, "light"),
}
VIEW = "#pick=gopher_quality&beside=web_loo"


def main(page: Path, folder: Path) -> None:
    """One picture per view, without the network."""
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=["--no-sandbox"])
        for name, (width, height, scheme) in VIEWS.items():
            context = browser.new_context(
                viewport={"width": width, "height": height}, color_scheme=scheme, offline=True
            )
            opened = context.new_page()
            opened.goto(page.resolve().as_uri() + VIEW)
            opened.wait_for_selector("html[data-drawn=all]")
            if name == "page_print":  # the first sheet of A4, at 96 dots an inch
                opened.emulate_media(media="print")
            opened.screenshot(path=folder / f"{name}.png")
        browser.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]), Path(sys.argv[2]))
