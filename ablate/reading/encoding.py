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
WIDER = ("utf-16", "utf-32")
"""Encodings of two or four bytes a character; a text in them holds zeros, if only in its blanks and markup."""
NO_TEXT = (
    b"%PDF-",
    b"\x1f\x8b\x08",
    b"PK\x03\x04",
    b"\x89PNG\r\n",
    b"GIF87a",
    b"GIF89a",
    b"\xff\xd8\xff",
    b"\x28\xb5\x2f\xfd",
)
WIDE = {
    "utf-16-le": re.compile(rb"[\t\n\r -~]\0[\t\n\r -~]\0"),
    "utf-16-be": re.compile(rb"\0[\t\n\r -~]\0[\t\n\r -~]"),
}
LABELS = {
    "utf-8": "unicode-1-1-utf-8 unicode11utf8 unicode20utf8 utf-8 utf8 x-unicode20utf8",
    "cp866": "866 cp866 csibm866 ibm866",
    "iso8859-2": "csisolatin2 iso-8859-2 iso-ir-101 iso8859-2 iso88592 iso_8859-2 iso_8859-2:1987 l2 latin2",
    "iso8859-3": "csisolatin3 iso-8859-3 iso-ir-109 iso8859-3 iso88593 iso_8859-3 iso_8859-3:1988 l3 latin3",
    "iso8859-4": "csisolatin4 iso-8859-4 iso-ir-110 iso8859-4 iso88594 iso_8859-4 iso_8859-4:1988 l4 latin4",
    "iso8859-5": "csisolatincyrillic cyrillic iso-8859-5 iso-ir-144 iso8859-5 iso88595 iso_8859-5 iso_8859-5:1988",
    "iso8859-6": "arabic asmo-708 csiso88596e csiso88596i csisolatinarabic ecma-114 iso-8859-6 iso-8859-6-e"
    " iso-8859-6-i iso-ir-127 iso8859-6 iso88596 iso_8859-6 iso_8859-6:1987",
    "iso8859-7": "csisolatingreek ecma-118 elot_928 greek greek8 iso-8859-7 iso-ir-126 iso8859-7 iso88597 iso_8859-7"
    " iso_8859-7:1987 sun_eu_greek",
    "iso8859-8": "csiso88598e csisolatinhebrew hebrew iso-8859-8 iso-8859-8-e iso-ir-138 iso8859-8 iso88598 iso_8859-8"
    " iso_8859-8:1988 visual csiso88598i iso-8859-8-i logical",
    "iso8859-10": "csisolatin6 iso-8859-10 iso-ir-157 iso8859-10 iso885910 l6 latin6",
    "iso8859-13": "iso-8859-13 iso8859-13 iso885913",
    "iso8859-14": "iso-8859-14 iso8859-14 iso885914",
    "iso8859-15": "csisolatin9 iso-8859-15 iso8859-15 iso885915 iso_8859-15 l9",
    "iso8859-16": "iso-8859-16",
    "koi8-r": "cskoi8r koi koi8 koi8-r koi8_r",
    "koi8-u": "koi8-ru koi8-u",
    "mac_roman": "csmacintosh mac macintosh x-mac-roman",
    "cp874": "dos-874 iso-8859-11 iso8859-11 iso885911 tis-620 windows-874",
    "cp1250": "cp1250 windows-1250 x-cp1250",
    "cp1251": "cp1251 windows-1251 x-cp1251",
    "cp1252": "ansi_x3.4-1968 ascii cp1252 cp819 csisolatin1 ibm819 iso-8859-1 iso-ir-100 iso8859-1 iso88591 iso_8859-1"
    " iso_8859-1:1987 l1 latin1 us-ascii windows-1252 x-cp1252",
    "cp1253": "cp1253 windows-1253 x-cp1253",
    "cp1254": "cp1254 csisolatin5 iso-8859-9 iso-ir-148 iso8859-9 iso88599 iso_8859-9 iso_8859-9:1989 l5 latin5"
    " windows-1254 x-cp1254",
    "cp1255": "cp1255 windows-1255 x-cp1255",
    "cp1256": "cp1256 windows-1256 x-cp1256",
    "cp1257": "cp1257 windows-1257 x-cp1257",
    "cp1258": "cp1258 windows-1258 x-cp1258",
    "mac_cyrillic": "x-mac-cyrillic x-mac-ukrainian",
    "gb18030": "chinese csgb2312 csiso58gb231280 gb2312 gb_2312 gb_2312-80 gbk iso-ir-58 x-gbk gb18030",
    "big5hkscs": "big5 big5-hkscs cn-big5 csbig5 x-x-big5",
    "euc_jp": "cseucpkdfmtjapanese euc-jp x-euc-jp",
    "iso2022_jp": "csiso2022jp iso-2022-jp",
    "cp932": "csshiftjis ms932 ms_kanji shift-jis shift_jis sjis windows-31j x-sjis",
    "cp949": "cseuckr csksc56011987 euc-kr iso-ir-149 korean ks_c_5601-1987 ks_c_5601-1989 ksc5601 ksc_5601 windows-949",
    "utf-16-be": "unicodefffe utf-16be",
    "utf-16-le": "csunicode iso-10646-ucs-2 ucs-2 unicode unicodefeff utf-16 utf-16le",
}  # fmt: skip
"""The labels of the WHATWG Encoding standard (4.2) under the codec of Python that reads what the web means by
them, which is often more than the name says. Its `replacement` encodings (hz-gb-2312, iso-2022-kr, ...) are refused
as there, and so is every codec that only Python has (unicode_escape, utf-7, rot13, ...)."""
BEYOND = {
    "utf8mb4": "utf-8", "utf-32": "utf-32-le", "utf-32le": "utf-32-le", "utf-32be": "utf-32-be", "latin-1": "cp1252",
    "cp936": "gb18030", "x-big5": "big5hkscs", "cp932": "cp932", "cp949": "cp949", "cp874": "cp874", "cp850": "cp850",
    "ibm850": "cp850", "cp437": "cp437", "iso2022-jp": "iso2022_jp", "euc_jp": "euc_jp", "euc_kr": "cp949",
    "koi8_u": "koi8-u", "x-user-defined": "cp1252", "big5hkscs": "big5hkscs", "johab": "johab",
}  # fmt: skip
"""Names in use that the standard leaves out: browsers guess there, the pages mean what they say."""
CODECS = BEYOND | {label: codec for codec, labels in LABELS.items() for label in labels.split()}


def decode(body: bytes, declared: str | None = None) -> str:
    """Decode a page: byte order mark; UTF-8 where valid; the header; the page itself; a guess.

    Args:
        body: the page's bytes.
        declared: charset of the HTTP header, if any.
    Returns:
        Its text; bytes that have no meaning in its encoding are U+FFFD.
    """
    for mark, name in BOMS:
        while body.startswith(mark):  # some are written twice
            body = body[len(mark) :]
            marked = body.decode(name, "replace").lstrip("\ufeff")
            if name != "utf-8" or _believable(marked):
                return marked
    if codec := wide(body):
        return body.decode(codec, "replace")
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
    guess = detect_encoding(body, html5_compatible=False)
    for codec in (codec_of(declared or ""), codec_of(written or ""), "utf-8", _codec_of_guess(guess or "")):
        if (
            codec
            and not (escaped and codec == "utf-8")
            and not (codec.startswith(WIDER) and b"\0" not in body)
        ):
            text = body.decode(codec, "replace")
            if _believable(text):
                return text
    return body.decode("cp1252", "replace")


def codec_of(name: str) -> str | None:
    """Python's codec for a label of the web; None for one that is not known, or is no encoding of pages."""
    return CODECS.get(name.strip(" \t\n\f\r\"'").lower())


def is_binary(body: bytes, declared: str | None = None) -> bool:
    """Whether a body that is called text is an image, an archive or the like.

    It begins like one (MIME Sniffing standard, 6), or holds zeros without being UTF-16 or UTF-32.
    """
    if body.startswith(NO_TEXT):
        return True
    if b"\0" not in body[:512] or body.startswith(tuple(mark for mark, _ in BOMS)) or wide(body):
        return False
    return not (codec_of(declared or "") or "").startswith(WIDER)


def _codec_of_guess(name: str) -> str | None:
    """Python's codec for what the detector calls an encoding; it knows some that pages do not declare."""
    try:
        found = codecs.lookup(name).name
    except LookupError:
        return None
    return CODECS.get(found, found)


def wide(body: bytes) -> str | None:
    """UTF-16 without a mark, as XML 1.0 (appendix F) tells it: the first two characters are ASCII."""
    return next((name for name, start in WIDE.items() if start.match(body)), None)


def _believable(text: str) -> bool:
    """Whether more of what is not ASCII could be read than could not."""
    lost = text.count("\ufffd")
    return lost == 0 or 2 * lost < len(text) - len(text.encode("ascii", "ignore"))
