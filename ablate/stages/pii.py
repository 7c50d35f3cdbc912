"""Personal data: e-mail addresses and public IPv4 addresses are replaced, and counted.

Source: FineWeb (arXiv 2406.17557, section 3.7), as datatrove's `PIIFormatter`. Where this differs from it, an
address must also stand like one: version and section numbers, parts of longer numbers and image names
such as logo@2x.png stay; the replacement is one reserved address instead of a rotating list. Letters of another
script beside an address are its border, full-width forms count as their ASCII, and addresses with letters beyond
ASCII (RFC 6531) are found.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from ablate.stages.base import Filter, Relation, Table, Transform, Verdict
from ablate.text.letters import HAS_WIDE, LATIN, OTHER, WIDE
from ablate.text.scripts import UNSPACED_SET

ATEXT = rf"[!#$%&'*+/=?^`{{|}}~0-9_{LATIN}-]"
LATIN_LOCAL = rf"(?<![0-9_{LATIN}])(?=[0-9_{LATIN}]){ATEXT}{{1,64}}(?:\.{ATEXT}{{1,64}}){{0,8}}"
OTHER_LOCAL = rf"(?<![{OTHER}])(?=[{OTHER}])[\d_{OTHER}-]{{1,64}}(?:\.[\d_{OTHER}-]{{1,64}}){{0,8}}"
LATIN_LABEL = rf"[0-9{LATIN}](?:[0-9{LATIN}-]{{0,61}}[0-9{LATIN}])?"
OTHER_LABEL = rf"[\d{OTHER}](?:[\d{OTHER}-]{{0,61}}[\d{OTHER}])?"
RUN_ON_TOPS = (
    "中国 中國 中文网 公司 公益 集团 网络 網絡 网站 网址 网店 在线 移动 手机 政务 政府 商标 商店 商城 我爱你 世界 企业 佛山 信息 健康 台湾 台灣 娱乐 "
    "广东 微博 慈善 招聘 新加坡 新闻 时尚 書籍 机构 游戏 澳門 香港 购物 通販 食品 餐厅 みんな コム ストア セール ファッション クラウド ポイント "
    "한국 닷컴 닷넷 ไทย คอม ລາວ"
)
"""Top-level domains of scripts in which the next word may follow without a blank (IANA's root zone; without brands)."""
TOP = (
    r"(?:[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
    rf"|(?:{'|'.join(sorted(RUN_ON_TOPS.split(), key=len, reverse=True))})"
    rf"|(?:(?![{UNSPACED_SET}\uac00-\ud7a3])[{OTHER}]){{2,24}}(?![{OTHER}]))"
)
LOCAL = re.compile(rf"(?:{LATIN_LOCAL}|{OTHER_LOCAL})\Z")
LONGEST_LOCAL = 64 + 8 * 65
DOMAIN = re.compile(
    rf"(?![\d.]{{1,4}}x\.(?:png|jpe?g|gif|webp|svg|avif|ico|bmp)(?![0-9_{LATIN}]))"
    rf"(?:(?:{LATIN_LABEL}|{OTHER_LABEL})\.){{1,8}}{TOP}"
)
"""Before and behind the @ of an address: RFC 5321, or with letters of any script RFC 6531; Latin letters and others
do not stand together in a name, so that a border between them is where an address begins or ends."""
IPV4 = re.compile(
    rf"(?<![\d_.{LATIN}])(?:[0-9]{{1,3}}\.){{3}}[0-9]{{1,3}}"
    rf"(?![\d_{LATIN}]|\.\d|\s?版|-(?:\d{{1,3}}[a-z]|alpha|beta|rc|dev|pre|final|release|snapshot)"
    r"|\.(?:x|p\d|tar|tgz|gz|bz2|xz|zip|7z|rar|exe|msi|msu|deb|rpm|apk|dmg|pkg|iso|jar|war|whl|egg|dll|so|js|css|pdf)"
    rf"(?![\d_{LATIN}]))",
    re.IGNORECASE,
)
NUMBERED = re.compile(
    r"(?:"
    rf"(?<![\d_{LATIN}])(?:versions?|vers?\.?|v\.?|releases?|rel\.?|revisions?|rev\.?|builds?|firmwares?|kernel|patch(?:es)?"
    r"|updates?|drivers?|sections?|sect?\.?|chapters?|clauses?|articles?|paragraphs?|para\.?|tables?|figures?|fig\.?"
    r"|appendix|oid|level)"
    r"\s*(?:no\.?|number|is|was|to|from|before|after|until|since|than|up\s+to)?\s*[:=#(\"']?"
    r"|(?:верси[яиюей]|раздел[аеу]?|глав[аыеу]|пункт[аеу]?|версі[яії]|розділ|版本号?|版本號|第|章节|バージョン|ヴァージョン|버전"
    r"|الإصدار|إصدار|نسخه|संस्करण|เวอร์ชัน|έκδοση|גרסה)\s*(?:[:：=(（]|은|는|为|為|は)?"
    r"|§+"
    r")\s*$",
    re.IGNORECASE,
)
"""What stands before a number that is no address."""
PRODUCT = re.compile(rf"(?<![\d_{LATIN}./:-])(?!ip\b)[a-z][\w+]*[/-]$", re.IGNORECASE)
"""A product before its version, Firefox/3.6.0.1 or openssl-1.0.2.1; a host such as dial-8.8.8.8.net is none."""
LIST = re.compile(
    r"\s*(?:,|;|/|-|–|\bto\b|\band\b|\bor\b|&|[、，；]|和|与|與|と|및|или|и|و|\s)*\s*(?:\bv\.?)?\s*"
)
"""What stands between the numbers of a list: what holds of the first holds of all."""
BEFORE = 32
"""Characters looked at before a number."""


def scrub(text: str, *, emails: str | None, ips: str | None) -> tuple[str, int, int]:
    """Replace addresses.

    Args:
        text: any.
        emails, ips: what to put in their place; None leaves that kind alone.
    Returns:
        The text, how many e-mail addresses and how many IP addresses were replaced.
    """
    n_emails = 0
    if emails is not None and ("@" in text or "＠" in text):
        spans = list(_emails(_narrow(text)))
        text, n_emails = _replaced(text, spans, emails), len(spans)
    if ips is None:
        return text, n_emails, 0
    spans, last_number, narrow = [], -1, _narrow(text)
    for match in IPV4.finditer(narrow):
        if not _is_public(match.group()):
            continue
        before = narrow[max(0, match.start() - BEFORE) : match.start()]
        after = narrow[match.end() : match.end() + 2]
        in_list = last_number >= 0 and LIST.fullmatch(narrow, last_number, match.start())
        in_host = after.startswith(".") and after[1:].isalpha()
        if in_list or NUMBERED.search(before) or (PRODUCT.search(before) and not in_host):
            last_number = match.end()
        else:
            spans.append(match.span())
    return _replaced(text, spans, ips), n_emails, len(spans)


def _narrow(text: str) -> str:
    """The text with ASCII in place of full-width letters and digits, one for one."""
    return text.translate(WIDE) if not text.isascii() and HAS_WIDE.search(text) else text


def _emails(text: str) -> Iterator[tuple[int, int]]:
    """Where addresses stand; the part behind each @ is looked at first, for it is there least often by chance."""
    free, at = 0, text.find("@")
    while at >= 0:
        behind = DOMAIN.match(text, at + 1)
        before = LOCAL.search(text, max(free, at - LONGEST_LOCAL), at) if behind else None
        if before and behind:
            yield before.start(), behind.end()
        free = behind.end() if before and behind else at + 1
        at = text.find("@", at + 1)


def _replaced(text: str, spans: list[tuple[int, int]], by: str) -> str:
    """The text with something else where the spans stand; the text itself without any."""
    if not spans:
        return text
    edges = [0, *(edge for span in spans for edge in span), len(text)]
    return by.join(text[a:b] for a, b in zip(edges[::2], edges[1::2], strict=True))


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
    version: ClassVar[int] = 2
    counts: ClassVar[tuple[str, ...]] = ("emails", "ips")
    emails: bool = True
    ips: bool = True

    def measure(self, text: str) -> dict[str, float | int | bool]:
        """Count each kind."""
        _, emails, ips = scrub(text, emails="" if self.emails else None, ips="" if self.ips else None)
        return {"emails": emails, "ips": ips}

    def decide(self, measured: Table) -> Verdict:
        """Drop nothing."""
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
    version: ClassVar[int] = 3
    emails: bool = True
    ips: bool = True
    email_replacement: str = "email@example.com"
    ip_replacement: str = "192.0.2.1"

    def steps(self) -> tuple[Filter | Transform | Relation, ...]:
        """Count, then replace."""
        return (CountPii(emails=self.emails, ips=self.ips), self)

    def transform(self, text: str) -> str:
        """Replace addresses; private, reserved and loopback ones stay."""
        emails = self.email_replacement if self.emails else None
        return scrub(text, emails=emails, ips=self.ip_replacement if self.ips else None)[0]
