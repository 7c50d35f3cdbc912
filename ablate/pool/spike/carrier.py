"""A document that can carry a defect: its running text, and where that stands in the page or the text."""

from __future__ import annotations

import html
import re
from collections.abc import Sequence
from dataclasses import dataclass

from ablate.pool.source import Document

LEAST_WORDS = 50
"""Words in paragraphs of a document that carries a defect; Gopher's rules drop shorter ones for that alone."""
LEAST_PARAGRAPH = 8
"""Words of a line or `<p>` that counts as a paragraph; shorter ones are menus, captions and headings."""
LARGEST = 4_000_000
"""Characters of a document that carries one."""
UNSEEN = re.compile(
    r"<!--.*?(?:-->|\Z)|<(script|style|textarea|template|noscript|svg|head)\b[^<>]*>.*?(?:</\1\s*>|\Z)",
    re.DOTALL | re.IGNORECASE,
)
BLOCKS = "p|div|table|ul|ol|dl|li|h[1-6]|section|article|form|pre|blockquote|figure|nav|aside|body|html"
PARAGRAPH = re.compile(
    rf"<p(?:\s[^<>]*)?>((?:[^<]+|<(?!/?(?:{BLOCKS})\b))*+)</p\s*>", re.DOTALL | re.IGNORECASE
)
TAG = re.compile(r"<[^<>]*>")
LINE = re.compile(r"[^\r\n]+")
BODY = re.compile(r"<body\b[^<>]*>", re.IGNORECASE)
END = re.compile(r"</body\s*>", re.IGNORECASE)


@dataclass(frozen=True)
class Carrier:
    """A document's text with its paragraphs.

    Attributes:
        text: HTML source or plain text.
        is_html: which of the two.
        spans: begin and end in `text` of each paragraph's content, ascending, disjoint.
        paragraphs: the words of each, as a reader sees them.
    """

    text: str
    is_html: bool
    spans: tuple[tuple[int, int], ...]
    paragraphs: tuple[tuple[str, ...], ...]

    @property
    def n_words(self) -> int:
        """Words in paragraphs."""
        return sum(map(len, self.paragraphs))

    @property
    def longest(self) -> int:
        """The paragraph with most words, the first of several: running text, where footers have paragraphs too."""
        return max(range(len(self.paragraphs)), key=lambda number: len(self.paragraphs[number]))

    def written(self, text: str) -> str:
        """Text as it stands in this document: escaped in a page."""
        return html.escape(text, quote=False) if self.is_html else text

    def rewritten(self, paragraphs: Sequence[Sequence[str]]) -> str:
        """The document with other words in its paragraphs; marks inside a rewritten paragraph of a page go."""
        parts, last = [], 0
        for (begin, end), old, new in zip(self.spans, self.paragraphs, paragraphs, strict=True):
            if tuple(new) != old:
                parts += [self.text[last:begin], self.written(" ".join(new))]
                last = end
        return "".join([*parts, self.text[last:]])

    def with_sentence(self, number: int, sentence: str) -> str:
        """The document with a sentence more at the end of one paragraph."""
        end = self.spans[number][1]
        return f"{self.text[:end].rstrip()} {self.written(sentence)}{self.text[end:]}"

    def with_paragraph(self, number: int, paragraph: str) -> str:
        """The document with a paragraph more behind one of its own."""
        end = self.spans[number][1]
        if not self.is_html:
            return f"{self.text[:end]}\n{paragraph}{self.text[end:]}"
        end = self.text.index(">", end) + 1  # of </p>
        return f"{self.text[:end]}\n<p>{self.written(paragraph)}</p>{self.text[end:]}"

    def framed(self, menu: Sequence[str], banner: str, footer: Sequence[str]) -> str:
        """The document with a menu and a banner above and a footer below, marked up as such in a page."""
        if not self.is_html:
            return "\n".join([*menu, banner, "", self.text.rstrip("\n"), "", *footer, ""])
        seen = UNSEEN.sub(lambda found: " " * len(found[0]), self.text)
        body = BODY.search(seen)
        begin = body.end() if body else self.text.rindex("<", 0, self.spans[0][0])
        ends = [found.start() for found in END.finditer(seen)]
        end = ends[-1] if ends and ends[-1] >= begin else len(self.text)
        items = "".join(f'<li><a href="#">{self.written(item)}</a></li>' for item in menu)
        above = f'\n<nav><ul>{items}</ul></nav>\n<div class="cookie-banner" role="dialog"><p>{self.written(banner)}</p></div>\n'
        lines = "".join(f"<p>{self.written(line)}</p>" for line in footer)
        below = f'\n<footer class="footer">{lines}</footer>\n'
        return f"{self.text[:begin]}{above}{self.text[begin:end]}{below}{self.text[end:]}"


def carrier(document: Document) -> Carrier | None:
    """The document as a carrier; None where it has too little running text.

    In a page paragraphs are `<p>` elements without other blocks inside, in a text lines; words are what
    blanks separate, so that scripts without blanks carry nothing.
    """
    text, is_html = document.text, document.kind == "html"
    if len(text) > LARGEST:
        return None
    if is_html:
        seen = UNSEEN.sub(lambda found: " " * len(found[0]), text)
        found = [(match.span(1), html.unescape(TAG.sub(" ", match[1]))) for match in PARAGRAPH.finditer(seen)]
    else:
        found = [(match.span(), match[0]) for match in LINE.finditer(text)]
    spans, paragraphs = [], []
    for span, content in found:
        words = tuple(content.split())
        if len(words) >= LEAST_PARAGRAPH:
            spans.append(span)
            paragraphs.append(words)
    made = Carrier(text, is_html, tuple(spans), tuple(paragraphs))
    return made if made.n_words >= LEAST_WORDS else None
