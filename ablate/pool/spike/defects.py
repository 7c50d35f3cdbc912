"""The defects: each makes of a document that carries it the same document with one known thing wrong."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from random import Random

from ablate.pool.spike.carrier import Carrier
from ablate.pool.testbed import prose
from ablate.pool.testbed.pages import BANNER, FOOTER, MENU

COPIES = ("exact_copies", "near_copies")
"""Documents that are added; the others take the place of the document that carries them."""
IN_PLACE = ("boilerplate", "foreign", "symbols", "shuffled", "leaked", "emails", "ips", "phones")
KINDS = (*COPIES, *IN_PLACE)
JUNK = ("#", "##", "...", "…", "|||", "~~~", "***", "»»", "=>", "¤¤", "%%%", "^^")
NAMES = ("anna", "tom", "office", "info", "maria", "lee", "press", "sales")
PUBLIC = (8, 23, 45, 91, 151, 185, 203)
"""First numbers of IPv4 addresses; what follows is kept out of the reserved blocks."""
AREA_CODES = (202, 206, 212, 303, 312, 404, 415, 512, 617, 713)


@dataclass(frozen=True)
class Planted:
    """A document with a defect.

    Attributes:
        text: its text.
        strength: how much of the defect, in the defect's own unit: the share of words replaced for `near_copies`
            and `symbols`; 1 for the others, which are there or not.
        pieces: what was added, each a text that can be looked for; none where words were changed.
    """

    text: str
    strength: float = 1.0
    pieces: tuple[str, ...] = ()


@dataclass(frozen=True)
class Settings:
    """What the defects are made with.

    Attributes:
        edits, symbol_shares: strengths of `near_copies` and `symbols`, taken in turn.
        languages: codes of the languages of `foreign`.
        items: for each task, question with answer of each item that `leaked` gives away; tasks are taken in turn.
    """

    edits: Sequence[float]
    symbol_shares: Sequence[float]
    languages: Sequence[str]
    items: Sequence[Sequence[str]] = ()


def plant(kind: str, page: Carrier, random: Random, rank: int, settings: Settings) -> Planted:
    """The document with the defect `kind`.

    Args:
        random: of this defect in this document.
        rank: the how-manieth of its kind, which strengths are taken in turn by.
    """
    made: Planted = globals()[kind](page, random, rank, settings)
    return made


def exact_copies(page: Carrier, random: Random, rank: int, settings: Settings) -> Planted:
    """The same once more."""
    return Planted(page.text)


def near_copies(page: Carrier, random: Random, rank: int, settings: Settings) -> Planted:
    """The same once more with a share of the words of its paragraphs replaced by others of the document."""
    share = settings.edits[rank % len(settings.edits)]
    vocabulary = sorted({word for paragraph in page.paragraphs for word in paragraph})
    return _replaced(page, random, share, lambda old: _other(random, vocabulary, old))


def symbols(page: Carrier, random: Random, rank: int, settings: Settings) -> Planted:
    """A share of the words replaced by runs of symbols."""
    share = settings.symbol_shares[rank % len(settings.symbol_shares)]
    return _replaced(page, random, share, lambda _: random.choice(JUNK))


def shuffled(page: Carrier, random: Random, rank: int, settings: Settings) -> Planted:
    """The words of each paragraph in a random order."""
    return Planted(
        page.rewritten([random.sample(paragraph, len(paragraph)) for paragraph in page.paragraphs])
    )


def foreign(page: Carrier, random: Random, rank: int, settings: Settings) -> Planted:
    """Sentences of another language in place of each paragraph, about as long; made as the testbed's are."""
    code = settings.languages[rank % len(settings.languages)]
    return Planted(
        page.rewritten([prose.foreign_words(random, code, len(paragraph)) for paragraph in page.paragraphs])
    )


def boilerplate(page: Carrier, random: Random, rank: int, settings: Settings) -> Planted:
    """A menu and a cookie banner above the text, a footer below."""
    menu = random.sample(MENU, 6)
    return Planted(page.framed(menu, BANNER, FOOTER), pieces=(BANNER, *FOOTER))


def leaked(page: Carrier, random: Random, rank: int, settings: Settings) -> Planted:
    """An item of a task in use, question and answer, as a paragraph of its own behind the longest."""
    item = " ".join(random.choice(settings.items[rank % len(settings.items)]).split())
    return Planted(page.with_paragraph(page.longest, item), pieces=(item,))


def emails(page: Carrier, random: Random, rank: int, settings: Settings) -> Planted:
    """An e-mail address, of a domain that nobody has (RFC 2606)."""
    address = f"{random.choice(NAMES)}.{random.randint(1, 9999)}@mail-{random.randint(1, 999)}.example.org"
    return _addressed(page, "Please write to {} if you know more about it.", address)


def ips(page: Carrier, random: Random, rank: int, settings: Settings) -> Planted:
    """A public IPv4 address."""
    numbers = (random.choice(PUBLIC), random.randint(20, 90), random.randint(0, 255), random.randint(1, 254))
    return _addressed(page, "The visitor came from the address {} last night.", ".".join(map(str, numbers)))


def phones(page: Carrier, random: Random, rank: int, settings: Settings) -> Planted:
    """A telephone number of those kept for fiction (555-0100 to 555-0199)."""
    number = f"({random.choice(AREA_CODES)}) 555-01{random.randint(0, 99):02d}"
    return _addressed(page, "You can call us at {} until noon.", number)


def _addressed(page: Carrier, sentence: str, address: str) -> Planted:
    """A sentence more in the longest paragraph."""
    return Planted(page.with_sentence(page.longest, sentence.format(address)), pieces=(address,))


def _replaced(page: Carrier, random: Random, share: float, other: Callable[[str], str]) -> Planted:
    """Replace a share of the words, one at least."""
    chosen = set(random.sample(range(page.n_words), max(1, round(share * page.n_words))))
    paragraphs, first = [], 0
    for paragraph in page.paragraphs:
        paragraphs.append([other(word) if first + i in chosen else word for i, word in enumerate(paragraph)])
        first += len(paragraph)
    return Planted(page.rewritten(paragraphs), share)


def _other(random: Random, vocabulary: Sequence[str], old: str) -> str:
    """A word that is not `old`, where there is one."""
    number = random.randrange(len(vocabulary))
    return vocabulary[number] if vocabulary[number] != old else vocabulary[number - 1]
