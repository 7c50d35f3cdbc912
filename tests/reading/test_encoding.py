"""Encodings: every page is read as what it is, whatever it says or does not say of itself."""

from __future__ import annotations

import codecs
import gzip
import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.reading.encoding import codec_of, decode, is_binary

RUSSIAN = (
    "Все люди рождаются свободными и равными в своём достоинстве и правах. Они наделены разумом и совестью."
)
JAPANESE = "すべての人間は、生まれながらにして自由であり、かつ、尊厳と権利とについて平等である。東京都①㈱髙橋"
CHINESE = "人人生而自由，在尊严和权利上一律平等。他们赋有理性和良心，并应以兄弟关系的精神相对待。𠀀朱镕基"
POLISH = "Wszyscy ludzie rodzą się wolni i równi pod względem swej godności i swych praw. Są oni obdarzeni rozumem."
KOREAN = "모든 인간은 태어날 때부터 자유로우며 그 존엄과 권리에 있어 동등하다. 인간은 천부적으로 이성과 양심을 부여받았다. 똠방각하"
GREEK = (
    "Όλοι οι άνθρωποι γεννιούνται ελεύθεροι και ίσοι στην αξιοπρέπεια και τα δικαιώματα. Είναι προικισμένοι."
)
TAIWAN = "人皆生而自由；在尊嚴及權利上均各平等。人各賦有理性良知，誠應和睦相處，情同手足。"
TAIWAN_LONG = (
    TAIWAN
    + "人人皆得享受本宣言所載之一切權利與自由，不分種族、膚色、性別、語言、宗教、政見或他種主張、國籍或門第、財產、出生或他種"
    "身分。且不得因一人所隸國家或地區之政治、行政或國際地位之不同而有所區別，無論該地區係獨立、託管、非自治或受有其他主權上之限制。"
    "人人有權享有生命、自由與人身安全。任何人不容使為奴役；奴隸制度及奴隸販賣，不論出於何種方式，悉應予以禁止。"
)
GERMAN = "Alle Menschen sind frei und gleich an Würde und Rechten geboren – „mit Vernunft“ für 5 € und Gewissen begabt."
PAGES = [
    ("windows-1251", "cp1251", RUSSIAN),
    ("koi8-r", "koi8-r", RUSSIAN.replace("ё", "е")),
    ("shift_jis", "cp932", JAPANESE),
    ("euc-jp", "euc_jp", JAPANESE.replace("①㈱髙", "")),
    ("iso-2022-jp", "iso2022_jp", JAPANESE.replace("①㈱髙", "")),
    ("gb18030", "gb18030", CHINESE),
    ("gb2312", "gb18030", CHINESE),
    ("big5", "big5hkscs", TAIWAN),
    ("iso-8859-2", "iso8859-2", POLISH),
    ("euc-kr", "cp949", KOREAN),
    ("ks_c_5601-1987", "cp949", KOREAN),
    ("iso-8859-7", "iso8859-7", GREEK),
    ("iso-8859-1", "cp1252", GERMAN),  # what the web means by it
    ("utf-16", "utf-16-le", RUSSIAN),
    ("utf-16", "utf-16-be", CHINESE),
    ("utf-8", "utf-8", CHINESE),
]


def page(text: str, head: str = "") -> str:
    return f"<html><head>{head}<title>{text[:9]}</title></head><body><p>{text}</p><p>{text}</p></body></html>"


@pytest.mark.parametrize(
    "where", ["header", "meta", "old meta", "nowhere", "wrong header", "header in capitals"]
)
@pytest.mark.parametrize(
    ("label", "codec", "text"), PAGES, ids=[f"{label}-{codec}" for label, codec, _ in PAGES]
)
def test_declared_anywhere_or_nowhere(label: str, codec: str, text: str, where: str) -> None:
    head = {
        "meta": f'<meta charset="{label}">',
        "old meta": f"<META http-equiv=Content-Type content='text/html; charset={label}'>",
    }.get(where, "")
    declared = {"header": label, "wrong header": "utf-8", "header in capitals": f' "{label.upper()}" '}.get(
        where
    )
    if label == "big5" and where in ("nowhere", "wrong header"):
        text = TAIWAN_LONG  # two sentences of it look like GB18030 to the detector
    html = page(text, head)
    assert decode(html.encode(codec), declared) == html


@pytest.mark.parametrize("codec", ["utf-8", "utf-16-le", "utf-16-be", "utf-32-le", "utf-32-be"])
def test_a_byte_order_mark_beats_every_declaration(codec: str) -> None:
    html = page(RUSSIAN, '<meta charset="windows-1252">')
    assert decode(f"\ufeff{html}".encode(codec), "iso-8859-1") == html


@pytest.mark.parametrize(
    ("body", "declared", "text"),
    [
        ("Grüße".encode(), "latin-1", "Grüße"),  # valid UTF-8 beats a wrong declaration
        ("Grüße".encode("latin-1"), "iso-8859-1", "Grüße"),
        (
            '<meta charset="windows-1251">Привет всем'.encode("cp1251"),
            None,
            '<meta charset="windows-1251">Привет всем',
        ),
        (
            '<meta charset="shift_jis">日本語のページ'.encode("shift_jis"),
            None,
            '<meta charset="shift_jis">日本語のページ',
        ),
        ("日本語のページです".encode("iso2022_jp"), "iso-2022-jp", "日本語のページです"),
        ("\ufeffBOM".encode(), None, "BOM"),
        (b"caf\xe9", "no-such-charset", "café"),
    ],
)
def test_pages_are_decoded_by_what_they_are(body: bytes, declared: str | None, text: str) -> None:
    assert decode(body, declared) == text


@pytest.mark.parametrize(
    ("body", "declared", "text"),
    [
        (
            RUSSIAN.encode() + b" \xff",
            None,
            f"{RUSSIAN} \ufffd",
        ),  # one bad byte does not make it another encoding
        (RUSSIAN.encode() + b" \xff", "utf-8", f"{RUSSIAN} \ufffd"),
        (b"a plain page with caf\xe9", "utf-8", "a plain page with café"),
        (
            f'<meta charset="utf-16">{RUSSIAN}'.encode("cp1251"),
            "windows-1251",
            f'<meta charset="utf-16">{RUSSIAN}',
        ),
        (b'<meta charset="utf-16">caf\xc3\xa9', None, '<meta charset="utf-16">café'),
        (
            f'<?xml version="1.0" encoding="iso-8859-2"?><p>{POLISH}'.encode("iso8859-2"),
            None,
            f'<?xml version="1.0" encoding="iso-8859-2"?><p>{POLISH}',
        ),
        (b"caf\xe9", "base64", "café"),
        (b"caf\xe9", "\x00\xff", "café"),
        (b"", None, ""),
        (b"\xff\xfe", None, ""),
        (b"\x00", None, "\x00"),
    ],
)
def test_wrong_partial_and_impossible_declarations(body: bytes, declared: str | None, text: str) -> None:
    assert decode(body, declared) == text


@given(
    st.binary(max_size=300),
    st.one_of(st.none(), st.text(max_size=12), st.sampled_from(["gbk", "utf-7", "idna", "hex"])),
)
def test_no_bytes_and_no_label_raise(body: bytes, declared: str | None) -> None:
    assert isinstance(decode(body, declared), str)


@given(
    st.text(min_size=1, max_size=300).filter(
        lambda t: "\x1b$" not in t and "\0" not in t and t[0] != "\ufeff"
    )
)
def test_utf8_always_comes_through(text: str) -> None:
    text = text.encode("utf-8", "ignore").decode()
    assert decode(text.encode(), "shift_jis") == text


@pytest.mark.parametrize(
    ("body", "binary"),
    [
        (b"\x89PNG\r\n\x1a\n\x00\x00\x00\rIHDR", True),
        (b"PK\x03\x04\x14\x00\x00\x00", True),
        (b"%PDF-1.4\n%\xe2\xe3\xcf\xd3\n", True),
        (gzip.compress(b"<p>a page</p>", mtime=0), True),
        (page(RUSSIAN).encode("utf-16-le"), False),
        (page(RUSSIAN).encode("utf-16"), False),
        (page(RUSSIAN).encode("cp1251"), False),
        (b"", False),
    ],
)
def test_images_that_call_themselves_pages(body: bytes, binary: bool) -> None:
    assert is_binary(body) is binary


def test_every_label_maps_to_a_codec_python_has() -> None:
    for label in (
        "utf8",
        "latin1",
        "x-sjis",
        "GB2312",
        "windows-31j",
        "ISO-8859-8-i",
        "cp1252",
        "csisolatin2",
    ):
        codec = codec_of(label)
        assert codec is None or codecs.lookup(codec)
    assert codec_of("no-such") is None and codec_of("rot13") is None


def test_labels_are_those_of_the_web_and_nothing_that_only_python_has() -> None:
    """WHATWG Encoding standard, 4.2; what its `replacement` encoding stands for is refused there too."""
    python_only = (
        "unicode_escape unicode-escape raw_unicode_escape raw-unicode-escape utf-7 utf_7 unicode-1-1-utf-7 "
    )
    python_only += (
        "hz hz-gb-2312 rot13 rot_13 mbcs oem unicode_internal idna punycode undefined base64 hex zlib uu "
    )
    python_only += "quopri palmos charmap iso-2022-kr iso-2022-cn utf-8-sig locale"
    for label in python_only.split():
        assert codec_of(label) is None and codec_of(label.upper()) is None, label
        assert decode(rb"caf\u00e9 \n +AOk- ~{<:Ky~}", label) == r"caf\u00e9 \n +AOk- ~{<:Ky~}"
        assert decode(b"caf\xe9 \\u0041", label) == "café \\u0041", label
        html = f'<meta charset="{label}"><p>'
        assert decode(html.encode() + b"caf\xe9 \\n") == html + "café \\n", label
    for label, codec in {
        "x-cp1250": "cp1250",
        "csISO88598I": "iso8859-8",
        "iso_8859-1:1987": "cp1252",
        "l5": "cp1254",
        "866": "cp866",
        "dos-874": "cp874",
        "unicodefffe": "utf-16-be",
        "x-mac-ukrainian": "mac_cyrillic",
        "\nkoi8_r\t": "koi8-r",
    }.items():
        assert codec_of(label) == codec


@pytest.mark.parametrize(
    ("body", "declared", "text"),
    [
        (codecs.BOM_UTF8 * 2 + RUSSIAN.encode(), None, RUSSIAN),  # two marks
        (codecs.BOM_UTF16_LE * 2 + RUSSIAN.encode("utf-16-le"), None, RUSSIAN),
        (codecs.BOM_UTF8 + "<p>garçon, forêt, été</p>".encode("cp1252"), None, "<p>garçon, forêt, été</p>"),
        (GERMAN.encode("cp1252"), "utf-16", GERMAN),  # declared, and cannot be
        (GERMAN.encode("cp1252"), "utf-32", GERMAN),
        (GERMAN.encode(), "utf-16le", GERMAN),
        (
            CHINESE.encode("utf-16-le") + " ok".encode("utf-16-le"),
            "utf-16le",
            CHINESE + " ok",
        ),  # declared, no mark
        (RUSSIAN.encode("utf-32"), None, RUSSIAN),
        (GERMAN.encode("cp1252"), "utf-8", GERMAN),
    ],
)
def test_marks_and_declarations_that_contradict_the_bytes(
    body: bytes, declared: str | None, text: str
) -> None:
    assert decode(body, declared) == text
    assert not is_binary(body, declared)


LANGUAGES = {
    "rus": "cp1251 koi8-r iso8859-5", "ukr": "cp1251", "bul": "cp1251", "jpn": "cp932 euc_jp iso2022_jp", "kor": "cp949",
    "cmn_hans": "gb18030", "cmn_hant": "big5", "pol": "iso8859-2 cp1250", "ces": "iso8859-2 cp1250",
    "hun": "iso8859-2 cp1250", "ell_monotonic": "iso8859-7 cp1253", "tur": "iso8859-9", "heb": "cp1255 iso8859-8",
    "arb": "cp1256 iso8859-6", "lit": "cp1257", "tha": "cp874", "deu": "cp1252", "fra": "cp1252", "fin": "cp1252",
}  # fmt: skip


def test_real_texts_without_any_declaration(shared: Path) -> None:
    """The Universal Declaration of Human Rights in the usual encodings of 19 languages, 600 characters a page."""
    with gzip.open(shared / "text" / "udhr_many_languages.jsonl.gz", "rt", encoding="utf-8") as lines:
        texts = {row["language"]: row["text"] for row in map(json.loads, lines)}
    wrong = []
    for language, names in LANGUAGES.items():
        for codec in names.split():
            text = page(texts[language][1000:1600].encode(codec, "ignore").decode(codec))
            if decode(text.encode(codec)) != text:
                wrong.append((language, codec))
    assert wrong == []
