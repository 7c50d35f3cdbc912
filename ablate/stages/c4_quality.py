"""C4's rules: drop bad lines, then documents with a curly bracket, lorem ipsum or few sentences.

Source: Raffel et al. 2020 (JMLR 21-140), section 2.2, and its code; details as in datatrove's
C4QualityFilter. FineWeb ran it without the terminal punctuation rule (arXiv 2406.17557, section 3.5).
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import ClassVar

from ablate.stages.base import Filter, Stage, Step, Table, Transform, Verdict
from ablate.text.segments import count_sentences

CITATION = re.compile(r"\[\d*]|\[edit]|\[citation needed]")
TERMINAL = (".", "?", "!", '"', "'")
POLICY = ("terms of use", "privacy policy", "cookie policy", "uses cookies", "use of cookies", "use cookies")
LOREM = "lorem ipsum"


@dataclass(frozen=True, kw_only=True)
class C4Quality(Stage):
    """Line rules, then document rules on the lines that are left.

    Attributes:
        terminal_punctuation: keep only lines that end in . ? ! or a quote, and not in an ellipsis.
        min_words_per_line: keep only lines of at least this many words.
        max_word_length: drop lines with a longer word, in characters.
        citations: remove Wikipedia's citation marks such as [3].
        javascript: drop lines that mention it.
        policy: drop lines that mention cookies, privacy policies or terms of use.
        curly_bracket: drop documents with "{".
        lorem_ipsum: drop documents with that phrase.
        min_sentences: drop documents with fewer sentences.
    """

    name: ClassVar[str] = "c4_quality"
    version: ClassVar[int] = 2
    terminal_punctuation: bool = True
    min_words_per_line: int = 3
    max_word_length: int = 1000
    citations: bool = True
    javascript: bool = True
    policy: bool = True
    curly_bracket: bool = True
    lorem_ipsum: bool = True
    min_sentences: int = 5

    def __post_init__(self) -> None:
        for name in ("min_words_per_line", "max_word_length", "min_sentences"):
            if getattr(self, name) < 0:
                raise ValueError(f"{name} must not be negative, got {getattr(self, name)}")

    def steps(self) -> tuple[Step, ...]:
        """Put lines first; lines that condemn the document are left for the document rules to see."""
        lines = C4Lines(
            terminal_punctuation=self.terminal_punctuation,
            min_words_per_line=self.min_words_per_line,
            max_word_length=self.max_word_length,
            citations=self.citations,
            javascript=self.javascript,
            policy=self.policy,
            curly_bracket=self.curly_bracket,
            lorem_ipsum=self.lorem_ipsum,
        )
        documents = C4Documents(
            curly_bracket=self.curly_bracket, lorem_ipsum=self.lorem_ipsum, min_sentences=self.min_sentences
        )
        return lines, documents


@dataclass(frozen=True, kw_only=True)
class C4Lines(Transform):
    """The line rules of `C4Quality`, in the order of the reference."""

    name: ClassVar[str] = "c4_lines"
    terminal_punctuation: bool
    min_words_per_line: int
    max_word_length: int
    citations: bool
    javascript: bool
    policy: bool
    curly_bracket: bool
    lorem_ipsum: bool

    def transform(self, text: str) -> str:
        """Return the lines that are kept."""
        kept = []
        for line in text.splitlines():
            line = line.strip()
            tokens = line.split()
            if len(line) > self.max_word_length and max(map(len, tokens)) > self.max_word_length:
                continue
            if self.citations and "[" in line:
                line = CITATION.sub("", line)
            if self.terminal_punctuation and (not line.endswith(TERMINAL) or line.endswith("...")):
                continue
            if len(tokens) < self.min_words_per_line:
                continue
            lower = line.lower()
            condemned = self.lorem_ipsum and LOREM in lower
            if not condemned and self.javascript and "javascript" in lower:
                continue
            condemned = condemned or (self.curly_bracket and "{" in line)
            if not condemned and self.policy and any(phrase in lower for phrase in POLICY):
                continue
            kept.append(line)
        return "\n".join(kept).strip()


@dataclass(frozen=True, kw_only=True)
class C4Documents(Filter):
    """The document rules of `C4Quality`."""

    name: ClassVar[str] = "c4_documents"
    version: ClassVar[int] = 2
    libraries: ClassVar[tuple[str, ...]] = ("spacy",)
    decide_only: ClassVar[tuple[str, ...]] = ("curly_bracket", "lorem_ipsum", "min_sentences")
    curly_bracket: bool
    lorem_ipsum: bool
    min_sentences: int

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """Measure what the rules look at."""
        return {
            "lorem_ipsum": LOREM in text.lower(),
            "curly_bracket": "{" in text,
            "sentences": count_sentences(text),
        }

    def decide(self, measured: Table) -> Verdict:
        """Drop for the reasons of the reference."""
        return Verdict.first_of(
            lorem_ipsum=measured["lorem_ipsum"] & self.lorem_ipsum,
            curly_bracket=measured["curly_bracket"] & self.curly_bracket,
            too_few_sentences=measured["sentences"] < self.min_sentences,
        )
