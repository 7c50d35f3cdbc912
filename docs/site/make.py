"""Build docs/ and what it links to into a site that needs no network: build/site/html/index.html.

Run: make docs      (needs the extra `docs`; warnings, links that lead nowhere among them, are errors)
"""

from __future__ import annotations

import argparse
import shutil
from collections.abc import Iterable
from pathlib import Path

import notebook
import pages
import reference
from sphinx.cmd.build import main as sphinx

HERE = Path(__file__).parent
MADE = [
    "reference/commands",
    "reference/configuration/index",
    "reference/python",
    "reference/plugins",
    "reference/frames",
]
"""Pages that are made from the code; they stand in the part of the navigation where one looks things up."""


def toctree(names: Iterable[str], caption: str = "") -> str:
    """Return a part of the navigation, which the page itself does not show."""
    head = ["", "```{toctree}", ":hidden:", *([f":caption: {caption}"] if caption else [])]
    return "\n".join([*head, "", *names, "```", ""])


def lay_out(source: Path) -> None:
    """Write the site's source into a folder: the repository's pages under their own paths, and those made from the code."""
    found = pages.pages()
    parts = list(pages.parts())
    listed = {path for _, entries in parts for path in entries}
    for page in found.values():
        text = page.text
        if page.path == pages.FRONT:
            for caption, entries in parts:
                names = [f"/{path.with_suffix('')}" for path in entries]
                text += toctree([*names, *(f"/{name}" for name in MADE if caption == "Look up")], caption)
        elif below := [path for path in page.below if path not in listed]:
            text += toctree(f"/{path.with_suffix('')}" for path in below)
        write(source / pages.on_site(page.path), text)
    for path in pages.files(found):
        (source / path).parent.mkdir(parents=True, exist_ok=True)
        shutil.copyfile(pages.ROOT / path, source / path)
    notebooks(source)
    write(source / "reference/commands.md", reference.command_page())
    write(source / "reference/frames.md", reference.frames_page())
    for name, text in reference.configuration_pages().items():
        write(source / f"reference/configuration/{name}.md", text)
    for name, text in reference.python_pages().items():
        write(source / f"reference/{name}.rst", text)


def notebooks(source: Path) -> None:
    """Write the page of each notebook and one that names them."""
    folder = source / "notebooks"
    made = sorted((pages.ROOT / "notebooks").glob("*.ipynb"))
    folder.mkdir(exist_ok=True)
    for path in made:
        notebook.as_page(path, folder / f"{path.stem}.md")
    words = "Executed on the results that the repository ships; the sources, in percent format, lie in its `notebooks/`."
    write(
        folder / "index.md",
        "\n".join(["# Notebooks", "", words, "", "```{toctree}", *(path.stem for path in made), "```", ""]),
    )


def write(path: Path, text: str) -> None:
    """Write a page and the folders above it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def build(out: Path) -> int:
    """Build the site into `out`/html, its source into `out`/source; both are emptied first. Returns Sphinx's exit status."""
    for name in ("source", "html", "doctrees"):
        shutil.rmtree(out / name, ignore_errors=True)
    lay_out(out / "source")
    places = ["-d", str(out / "doctrees"), str(out / "source"), str(out / "html")]
    return sphinx(["-b", "html", "-q", "-W", "--keep-going", "-c", str(HERE), *places])


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=pages.ROOT / "build/site")
    given = parser.parse_args()
    status = build(given.out)
    if not status:
        print(f"site: {given.out / 'html/index.html'}")
    raise SystemExit(status)
