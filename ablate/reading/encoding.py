"""From a page's bytes to text, as a browser would read it (WHATWG Encoding and HTML standards), and safer.

Safer where declarations are often wrong: bytes that are valid UTF-8 are UTF-8 whatever is declared (valid
UTF-8 by chance is rare), and a declared encoding that garbles most of what is not ASCII is not believed.
"""

from __future__ import annotations

import codecs
import re

from resiliparse.parse.encoding import detect_encoding

DECLARED = re.compile(
    rb"""<meta\b[^>]{0,300}?\bcharset\s*=\s*["']?\s*([\w.:-]{2,40})"""
    rb"""|^\s*<\?xml\b[^>]{0,200}?\bencoding\s*=\s*["']([\w.:-]{2,40})""",
    re.IGNORECASE,
)
DECLARED_WITHIN = 8192
"""Bytes. The HTML standard looks at 1,024; real pages declare later than that."""
BOMS = (
    (codecs.BOM_UTF8, "utf-8"),
    (codecs.BOM_UTF32_LE, "utf-32-le"),  # before UTF-16's, which it begins with
    (codecs.BOM_UTF32_BE, "utf-32-be"),
    (codecs.BOM_UTF16_LE, "utf-16-le"),
    (codecs.BOM_UTF16_BE, "utf-16-be"),
)
WIDE = {
    "utf-16-le": re.compile(rb"[\t\n\r -~]\0[\t\n\r -~]\0"),
    "utf-16-be": re.compile(rb"\0[\t\n\r -~]\0[\t\n\r -~]"),
}
READ_AS = {
    "ascii": "cp1252", "iso8859-1": "cp1252", "iso8859-9": "cp1254", "iso8859-11": "cp874", "tis-620": "cp874",
    "gb2312": "gb18030", "gbk": "gb18030", "shift_jis": "cp932", "euc_kr": "cp949", "big5": "big5hkscs",
    "x-gbk": "gb18030", "x-sjis": "cp932", "x-euc-jp": "euc_jp", "windows-31j": "cp932", "x-big5": "big5hkscs",
    "ks_c_5601-1987": "cp949", "windows-949": "cp949", "windows-874": "cp874", "x-cp1251": "cp1251",
    "x-cp1252": "cp1252", "x-x-big5": "big5hkscs", "unicode": "utf-16-le", "utf-16": "utf-16-le",
    "x-mac-roman": "mac_roman", "macintosh": "mac_roman", "x-mac-cyrillic": "mac_cyrillic", "utf8mb4": "utf-8",
}  # fmt: skip
"""Names that the web uses for something larger than Python's codec of that name, or that Python does not know."""

NOT_OF_PAGES = ("idna", "punycode", "undefined", "unicode_escape", "raw_unicode_escape", "utf-7")


def decode(body: bytes, declared: str | None = None) -> str:
    """Decode a page: byte order mark; UTF-8 where valid; the header; the page itself; a guess.

    Args:
        body: the page's bytes.
        declared: charset of the HTTP header, if any.
    Returns:
        Its text; bytes that have no meaning in its encoding are U+FFFD.
    """
    for mark, name in BOMS:
        if body.startswith(mark):
            return body[len(mark) :].decode(name, "replace")
    if wide := _wide(body):
        return body.decode(wide, "replace")
    escaped = b"\x1b$" in body  # ISO-2022 is 7-bit, so it is valid UTF-8 as well
    if not escaped:
        try:
            return body.decode()
        except UnicodeDecodeError:
            pass
    own = DECLARED.search(body, 0, DECLARED_WITHIN)
    written = (own.group(1) or own.group(2)).decode() if own else None
    # A declaration that was read as ASCII cannot be true of two-byte characters (HTML standard, 13.2.3.2).
    written = "utf-8" if written and written.lower().startswith(("utf-16", "utf-32")) else written
    for label in (declared, written, "utf-8", detect_encoding(body, html5_compatible=False)):
        codec = codec_of(label) if label else None
        if codec and not (escaped and codec == "utf-8"):
            text = body.decode(codec, "replace")
            if _believable(text):
                return text
    return body.decode("cp1252", "replace")


def codec_of(name: str) -> str | None:
    """Python's codec for a label of the web; None for one that is not known."""
    label = name.strip(" \t\"'").lower()
    try:
        label = READ_AS.get(label, label)
        codec = codecs.lookup(label)
        if not codec._is_text_encoding or codec.name in NOT_OF_PAGES:  # base64 and the like
            return None
    except (LookupError, ValueError):
        return None
    return READ_AS.get(codec.name, codec.name)


def is_binary(body: bytes) -> bool:
    """Whether a body that is called text is an image, an archive or the like: zeros without being UTF-16."""
    return b"\0" in body[:512] and not body.startswith(tuple(mark for mark, _ in BOMS)) and not _wide(body)


def _wide(body: bytes) -> str | None:
    """UTF-16 without a mark, as XML 1.0 (appendix F) tells it: the first two characters are ASCII."""
    return next((name for name, start in WIDE.items() if start.match(body)), None)


def _believable(text: str) -> bool:
    """Whether more of what is not ASCII could be read than could not."""
    lost = text.count("\ufffd")
    return lost == 0 or 2 * lost < len(text) - len(text.encode("ascii", "ignore"))
