"""Personal data: e-mail addresses and public IP addresses are replaced.

Source: FineWeb (arXiv 2406.17557, section 3.7), as datatrove's PIIFormatter; stricter about what is an
address: version numbers and longer dotted numbers are left alone.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import ClassVar

from ablate.stages.base import Transform

EMAIL = re.compile(
    r"\b(?=\w)[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}(?:\.[A-Za-z0-9!#$%&'*+/=?^_`{|}~-]{1,64}){0,8}"
    r"@(?:[A-Za-z0-9](?:[A-Za-z0-9-]{0,61}[A-Za-z0-9])?\.){1,8}[A-Za-z][A-Za-z0-9-]{0,61}[A-Za-z0-9]"
)
IPV4 = re.compile(r"(?<![\w.])(?:\d{1,3}\.){3}\d{1,3}(?![\w]|\.\d)")
VERSION_BEFORE = re.compile(r"(?:\bversion|\bver\.?|\brelease|\bv\.?|\bsection|\bbuild)\s*$", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class Pii(Transform):
    """Replace addresses by fixed ones that belong to nobody.

    Attributes:
        emails, ips: which kinds.
        email_replacement: an address of a reserved domain (RFC 2606).
        ip_replacement: an address reserved for documentation (RFC 5737).
    """

    name: ClassVar[str] = "pii"
    version: ClassVar[int] = 1
    emails: bool = True
    ips: bool = True
    email_replacement: str = "email@example.com"
    ip_replacement: str = "192.0.2.1"

    def transform(self, text: str) -> str:
        """Private, reserved and loopback addresses stay."""
        if self.emails and "@" in text:
            text = EMAIL.sub(self.email_replacement, text)
        if self.ips:
            text = IPV4.sub(self._ip, text)
        return text

    def _ip(self, match: re.Match[str]) -> str:
        try:
            address = ipaddress.ip_address(match.group())
        except ValueError:
            return match.group()
        before = match.string[max(0, match.start() - 12) : match.start()]
        if not address.is_global or VERSION_BEFORE.search(before):
            return match.group()
        return self.ip_replacement
