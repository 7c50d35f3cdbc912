"""The testbed's pages: prose in HTML with navigation, banners and footers around it, and its truth."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from html import escape
from random import Random
from typing import Any

from ablate.errors import ConfigError
from ablate.fingerprint import LATER
from ablate.pool.testbed import prose
from ablate.pool.testbed.world import World

TEASERS = (
    "How to choose a garden chair that lasts for many summers", "Seven walks for a weekend in the mountains",
    "Our readers have voted for the most beautiful doors", "What to do when the kettle does not whistle any more",
    "The ten best ways to store apples until the spring", "Why more and more people bake their own bread",
    "A short guide to tents, sleeping bags and rucksacks", "Subscribe to our weekly letter and miss nothing",
    "Share this page with your friends and your family", "Log in or create an account to leave a comment",
)  # fmt: skip
MENU = ("Home", "News", "Travel", "Culture", "Weather", "Contact", "About us", "Archive")
BANNER = "This site stores small files on your device in order to remember your choices; read more or accept all of them"
FOOTER = (
    "All rights reserved by the publisher and the authors of the respective articles",
    "Imprint, terms and conditions, accessibility statement, advertising, careers and press",
    "Follow us on all channels and never miss an update from the editors of this site",
)


@dataclass(frozen=True, kw_only=True)
class TestbedConfig:
    """How many pages there are and what is wrong with them. Rates are shares of all pages.

    Attributes:
        seed: of everything.
        pages: how many.
        towns, values, islands: size of the world, see `World`.
        foreign, symbols, repetitive, braces, contradicting, quiz: pages of that kind.
        reposts: copies of press releases; of these `exact` are unchanged, the others have a new first
            sentence.
        clusters: how many different releases there are; sizes fall off as 1 / rank.
        emails, ips: clean pages with such an address in the text.
        popularity: exponent of Zipf's law for the towns that pages tell of, see `World`; 0 for all alike.
        dialect: pages in a dialect, which alone tell of `dialect_towns` towns.
        untold_towns: that no page tells of.
    """

    seed: int = 0
    pages: int = 10_000
    towns: int = 30
    values: int = 16
    islands: int = 40
    foreign: float = 0.16
    symbols: float = 0.14
    repetitive: float = 0.14
    braces: float = 0.14
    contradicting: float = 0.0
    quiz: float = 0.02
    reposts: float = 0.26
    exact: float = 0.2
    clusters: int = 40
    emails: float = 0.05
    ips: float = 0.03
    popularity: float = field(default=0.0, metadata=LATER)
    dialect: float = field(default=0.0, metadata=LATER)
    dialect_towns: int = field(default=0, metadata=LATER)
    untold_towns: int = field(default=0, metadata=LATER)

    def __post_init__(self) -> None:
        shares = {name: getattr(self, name) for name in (*KINDS, "exact", "emails", "ips")}
        for name, share in shares.items():
            if not 0 <= share <= 1:
                raise ConfigError(f"{name} must be in [0, 1], got {share}")
        if sum(shares[name] for name in KINDS) > 1:
            raise ConfigError(f"the shares of {', '.join(KINDS)} must not add up to more than 1")
        for name, least in (("pages", 1), ("towns", 2), ("values", 4), ("islands", 1), ("clusters", 1)):
            if getattr(self, name) < least:
                raise ConfigError(f"{name} must be {least} or more, got {getattr(self, name)}")
        if not (math.isfinite(self.popularity) and self.popularity >= 0):
            raise ConfigError(f"popularity must be 0 or more, got {self.popularity}")
        if min(self.dialect_towns, self.untold_towns) < 0:
            raise ConfigError("dialect_towns and untold_towns must be 0 or more")
        if self.dialect and self.dialect_towns < 2:
            raise ConfigError(
                f"dialect_towns must be 2 or more where pages are in the dialect, got {self.dialect_towns}"
            )
        plain, least = self.towns - self.dialect_towns - self.untold_towns, 6 if self.popularity else 2
        if plain < least:
            raise ConfigError(
                f"towns must leave {least} or more beside dialect_towns and untold_towns, got {self.towns} - "
                f"{self.dialect_towns} - {self.untold_towns}"
            )

    @cached_property
    def world(self) -> World:
        """What the pages tell of."""
        return World(
            self.seed,
            self.towns,
            self.values,
            self.islands,
            self.popularity,
            self.dialect_towns,
            self.untold_towns,
        )


KINDS = ("foreign", "symbols", "repetitive", "braces", "contradicting", "quiz", "reposts", "dialect")


@dataclass(frozen=True)
class Page:
    """One page and what is true of it.

    Attributes:
        url: its address.
        html: its source.
        truth: `kind`, `language`, `cluster` (of reposts; -1), `exact`, `emails`, `ips`, `islands`.
        text: the paragraphs, as a perfect extractor would return them.
    """

    url: str
    html: str
    truth: dict[str, Any]
    text: str = field(repr=False)


def generate(config: TestbedConfig) -> Iterator[Page]:
    """Every page in order; each depends on the seed and its number alone, so memory stays small."""
    weights = [1 / rank for rank in range(1, config.clusters + 1)]
    for number in range(config.pages):
        yield _page(config, weights, number)


def _page(config: TestbedConfig, weights: list[float], number: int) -> Page:
    world = config.world
    random = Random(f"page {config.seed} {number}")
    truth: dict[str, Any] = {"kind": "clean", "language": "en", "cluster": -1, "exact": False}
    truth |= {"emails": 0, "ips": 0, "islands": []}
    draw = random.random()
    for kind in KINDS:
        share = getattr(config, kind)
        if draw < share:
            truth["kind"] = kind
            break
        draw -= share
    kind = truth["kind"]
    if kind == "foreign":
        truth["language"], paragraphs = prose.foreign(random)
    elif kind == "quiz":
        paragraphs, truth["islands"] = prose.quiz(random, world)
    elif kind == "reposts":
        truth["cluster"] = random.choices(range(config.clusters), weights)[0]
        paragraphs = prose.release(Random(f"cluster {config.seed} {truth['cluster']}"))
        truth["exact"] = random.random() < config.exact
        if not truth["exact"]:
            paragraphs = prose.edited(random, paragraphs)
    elif kind in ("contradicting", "dialect"):
        paragraphs = getattr(prose, kind)(random, world)
    elif kind == "clean":
        paragraphs = prose.article(random, world)
        _add_addresses(config, random, paragraphs, truth)
    else:
        paragraphs = getattr(prose, kind)(random)
    host = f"{random.choice(('daily', 'old', 'blue', 'my', 'the'))}-{random.choice(('post', 'page', 'corner', 'herald'))}"
    url = f"https://{host}-{random.randint(1, 60)}.example/{number}"
    return Page(url, _html(random, paragraphs), truth, "\n\n".join(paragraphs))


def _add_addresses(
    config: TestbedConfig, random: Random, paragraphs: list[str], truth: dict[str, Any]
) -> None:
    if random.random() < config.emails:
        truth["emails"] = 1
        name = f"{random.choice(('anna', 'tom', 'office', 'info'))}.{random.randint(1, 999)}@mail-{random.randint(1, 99)}.org"
        paragraphs[-1] += f" Please write to {name} if you know more about it."
    if random.random() < config.ips:
        truth["ips"] = 1
        address = f"{random.choice((8, 23, 45, 91, 151))}.{random.randint(0, 255)}.{random.randint(0, 255)}.{random.randint(1, 254)}"
        paragraphs[-1] += f" The server with the address {address} keeps a copy of the letter."


def _html(random: Random, paragraphs: list[str]) -> str:
    body = "\n".join(f"<p>{escape(paragraph, quote=False)}</p>" for paragraph in paragraphs)
    menu = "".join(f'<li><a href="/{item.lower()}">{item}</a></li>' for item in random.sample(MENU, 4))
    teasers = "".join(
        f'<li><a href="/t/{random.randint(1, 999)}">{t}</a></li>' for t in random.sample(TEASERS, 5)
    )
    footer = "".join(f"<p>{line}</p>" for line in FOOTER)
    return (
        f'<!DOCTYPE html>\n<html><head><meta charset="utf-8"><title>{random.choice(TEASERS)}</title></head><body>\n'
        f'<header><nav><ul>{menu}</ul></nav></header>\n<div id="cookie-banner" class="cookie">{BANNER}</div>\n'
        f'<main><article>\n{body}\n</article></main>\n<aside class="sidebar related"><ul>{teasers}</ul></aside>\n'
        f'<footer class="footer">{footer}</footer>\n</body></html>\n'
    )


def heldout(config: TestbedConfig, documents: int = 60) -> Iterator[str]:
    """Clean articles of the same world that stand on no page."""
    for number in range(documents):
        yield "\n\n".join(prose.article(Random(f"heldout {config.seed} {number}"), config.world))
