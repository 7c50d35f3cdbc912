"""Personal data: e-mail addresses and public IPv4 addresses are replaced, and counted.

Source: FineWeb (arXiv 2406.17557, section 3.7), as datatrove's `PIIFormatter`. Where this differs from it, an
address must also stand like one: version and section numbers, parts of longer numbers and image names
such as logo@2x.png stay; the replacement is one reserved address instead of a rotating list.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.stages.base import Filter, Relation, Table, Transform, Verdict

EMAIL = re.compile(
    r"\b(?=\w)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}){0,8}"
    r"@(?![\d.]{1,4}x\.(?:png|jpe?g|gif|webp|svg|avif|ico|bmp)\b)(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
IPV4 = re.compile(
    r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}"
    r"(?!\w|\.\d|-(?:\d{1,3}[a-z]|alpha|beta|rc|dev|pre|final|release|snapshot)"
    r"|\.(?:x|p\d|tar|tgz|gz|bz2|xz|zip|7z|rar|exe|msi|msu|deb|rpm|apk|dmg|pkg|iso|jar|war|whl|egg|dll|so|js|css|pdf)\b)",
    re.IGNORECASE,
)
NUMBERED = re.compile(
    r"(?:"
    r"\b(?:versions?|vers?\.?|v\.?|releases?|rel\.?|revisions?|rev\.?|builds?|firmwares?|kernel|patch(?:es)?|updates?|drivers?"
    r"|sections?|sect?\.?|chapters?|clauses?|articles?|paragraphs?|para\.?|tables?|figures?|fig\.?|appendix|oid|level)"
    r"\s*(?:no\.?|number|is|was|to|from|before|after|until|since|than|up\s+to)?\s*[:=#(\"']?"
    r"|§+"
    r")\s*$",
    re.IGNORECASE,
)
"""What stands before a number that is no address."""
PRODUCT = re.compile(r"(?<![\w./:-])(?!ip\b)[a-z][\w+]*[/-]$", re.IGNORECASE)
"""A product before its version, Firefox/3.6.0.1 or openssl-1.0.2.1; a host such as dial-8.8.8.8.net is none."""
LIST = re.compile(r"\s*(?:,|;|/|-|–|\bto\b|\band\b|\bor\b|&|\s)*\s*(?:\bv\.?)?\s*")
"""What stands between the numbers of a list: what holds of the first holds of all."""
BEFORE = 32
"""Characters looked at before a number."""


def scrub(text: str, emails: str | None, ips: str | None) -> tuple[str, int, int]:
    """Replace addresses.

    Args:
        text: any.
        emails, ips: what to put in their place; None leaves that kind alone.
    Returns:
        The text, how many e-mail addresses and how many IP addresses were replaced.
    """
    n_emails = n_ips = 0
    if emails is not None and "@" in text:
        text, n_emails = EMAIL.subn(emails, text)
    if ips is None:
        return text, n_emails, 0
    parts, done, last_number = [], 0, -1
    for match in IPV4.finditer(text):
        if not _is_public(match.group()):
            continue
        before, after = (
            text[max(0, match.start() - BEFORE) : match.start()],
            text[match.end() : match.end() + 2],
        )
        in_list = last_number >= 0 and LIST.fullmatch(text, last_number, match.start())
        in_host = after.startswith(".") and after[1:].isalpha()
        if in_list or NUMBERED.search(before) or (PRODUCT.search(before) and not in_host):
            last_number = match.end()
            continue
        parts += [text[done : match.start()], ips]
        done, n_ips = match.end(), n_ips + 1
    return ("".join([*parts, text[done:]]) if parts else text), n_emails, n_ips


def _is_public(number: str) -> bool:
    """Whether it is an address that may belong to somebody: not private, reserved, loopback or malformed."""
    try:
        address = ipaddress.IPv4Address(number)
    except ValueError:
        return False
    return address.is_global and not address.is_multicast


@dataclass(frozen=True, kw_only=True)
class CountPii(Filter):
    """Count what will be replaced; keeps every document.

    Attributes:
        emails, ips: which kinds.
    """

    name: ClassVar[str] = "pii_counts"
    version: ClassVar[int] = 1
    counts: ClassVar[tuple[str, ...]] = ("emails", "ips")
    emails: bool = True
    ips: bool = True

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """How many of each kind."""
        _, emails, ips = scrub(text, "" if self.emails else None, "" if self.ips else None)
        return {"emails": emails, "ips": ips}

    def decide(self, measured: Table) -> Verdict:
        """No reason to drop."""
        return Verdict(np.zeros(measured["emails"].size, dtype=np.int8), ())


@dataclass(frozen=True, kw_only=True)
class Pii(Transform):
    """Replace addresses by fixed ones that belong to nobody.

    Attributes:
        emails, ips: which kinds.
        email_replacement: an address of a reserved domain (RFC 2606).
        ip_replacement: an address reserved for documentation (RFC 5737).
    """

    name: ClassVar[str] = "pii"
    version: ClassVar[int] = 2
    emails: bool = True
    ips: bool = True
    email_replacement: str = "email@example.com"
    ip_replacement: str = "192.0.2.1"

    def steps(self) -> tuple[Filter | Transform | Relation, ...]:
        """Count, then replace."""
        return (CountPii(emails=self.emails, ips=self.ips), self)

    def transform(self, text: str) -> str:
        """Private, reserved and loopback addresses stay."""
        emails = self.email_replacement if self.emails else None
        return scrub(text, emails, self.ip_replacement if self.ips else None)[0]
