"""Which pages the site has and how one walks through them: found from README.md by following links, kept in no list.

A row of the README's table "Where to read on" is a part of the navigation; a page that is reached from another page only
stands below that one.
"""

from __future__ import annotations

import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
FRONT = PurePosixPath("README.md")
LINK = re.compile(r"(?<=\]\()([^)\s#:]+)((?:#[^)\s]*)?\))")
"""The target of a link to a file, then its anchor and the closing bracket."""
FENCED = re.compile(r"(^ *```.*?^ *```\s*?$)", re.DOTALL | re.MULTILINE)


@dataclass
class Page:
    """A Markdown page of the repository.

    Attributes:
        path: from the repository's root.
        text: with its links made those of the site.
        below: pages that were first reached from this one, in the order of its links.
    """

    path: PurePosixPath
    text: str
    below: list[PurePosixPath] = field(default_factory=list)


def target(page: PurePosixPath, link: str) -> PurePosixPath:
    """Return the path of a link's target from the root; that of a folder is its README.md, or else index.md."""
    path = PurePosixPath(posixpath.normpath(page.parent / link))
    if (ROOT / path).is_dir():
        return path / ("README.md" if (ROOT / path / "README.md").exists() else "index.md")
    return path


def links(page: PurePosixPath, text: str) -> list[PurePosixPath]:
    """Return the targets of a page's links to files, in order; what stands in code blocks is no link."""
    outside = FENCED.split(text)[::2]
    return [target(page, match[1]) for part in outside for match in LINK.finditer(part)]


def on_site(path: PurePosixPath) -> PurePosixPath:
    """Return where a file lies in the site's source: the front page is index.md, an executed notebook its page."""
    if path == FRONT:
        return PurePosixPath("index.md")
    return path.with_suffix(".md") if path.suffix == ".ipynb" else path


def relinked(page: PurePosixPath, text: str) -> str:
    """Return a page's text with links that lead to the same files on the site."""

    def moved(match: re.Match[str]) -> str:
        to = on_site(target(page, match[1]))
        return posixpath.relpath(to, page.parent) + match[2]

    parts = FENCED.split(text)
    return "".join(part if number % 2 else LINK.sub(moved, part) for number, part in enumerate(parts))


def pages() -> dict[PurePosixPath, Page]:
    """Return every page that links lead to from the front page, breadth first."""
    text = (ROOT / FRONT).read_text(encoding="utf-8")
    found = {FRONT: Page(FRONT, relinked(FRONT, text))}
    queue = [(FRONT, text)]
    for path, text in queue:
        for to in links(path, text):
            if to.suffix == ".md" and to not in found and (ROOT / to).is_file():
                own = (ROOT / to).read_text(encoding="utf-8")
                found[to] = Page(to, relinked(to, own))
                found[path].below.append(to)
                queue.append((to, own))
    return found


def files(found: dict[PurePosixPath, Page]) -> set[PurePosixPath]:
    """Return the other files that these pages show or link to: pictures, tables, scripts."""
    linked = {
        to
        for page in found.values()
        for to in links(page.path, (ROOT / page.path).read_text(encoding="utf-8"))
    }
    return {to for to in linked if to.suffix not in (".md", ".ipynb") and (ROOT / to).is_file()}


def parts() -> Iterator[tuple[str, list[PurePosixPath]]]:
    """Give each part of the navigation, its caption and its pages: the rows of the README's last table of links."""
    for line in (ROOT / FRONT).read_text(encoding="utf-8").splitlines():
        if row := re.match(r"\| \*\*(.+?)\*\* \| (.*) \|$", line):
            yield (
                row[1].capitalize(),
                [to for to in dict.fromkeys(links(FRONT, row[2])) if to.suffix == ".md"],
            )
