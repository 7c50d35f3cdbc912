"""Personal data: what is replaced, what is left, what is counted, and that it stays so."""

from __future__ import annotations

import ipaddress
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ablate.corpus.annotate import Annotations
from ablate.corpus.funnel import funnel
from ablate.corpus.ledger import write_ledger
from ablate.corpus.view import build_corpus
from ablate.pool.source import Document
from ablate.render.funnel import funnel_table
from ablate.stages.pii import CountPii, Pii

E, A = "email@example.com", "192.0.2.1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to joe@acme.com.", f"write to {E}."),
        ("<joe.b+tag@mail.acme.co.uk>", f"<{E}>"),
        ("a@b.org,c@d.net", f"{E},{E}"),
        ("write to...joe@acme.com", f"write to...{E}"),
        ("'joe@acme.com'", f"'{E}'"),
        ("mailto:joe@acme.com?subject=x", f"mailto:{E}?subject=x"),
        ("joe@2x.io", E),
        ("from 8.8.8.8.", f"from {A}."),
        ("http://8.8.8.8:80/x", f"http://{A}:80/x"),
        ("(1.1.1.1) and 9.9.9.9", f"({A}) and {A}"),
        ("joe@acme.com at 8.8.4.4", f"{E} at {A}"),
        ('66.249.66.1 - - [10/Oct/2000] "GET /"', f'{A} - - [10/Oct/2000] "GET /"'),
        ("Received: from x ([64.161.22.236]) by y", f"Received: from x ([{A}]) by y"),
        ("dialup-209.245.228.178.dial1.example.net", f"dialup-{A}.dial1.example.net"),
        ("IP/8.8.8.8, ip-8.8.4.4", f"IP/{A}, ip-{A}"),
        ("8.8.8.0/24 or 8.8.8.8-8.8.8.9", f"{A}/24 or {A}-{A}"),
        ("version 1.2.3.4 from 8.8.8.8", f"version 1.2.3.4 from {A}"),
        ("example.org/93.184.216.34", f"example.org/{A}"),
    ],
)
def test_replaced(text, expected):
    assert Pii().transform(text) == expected


BESIDE_OTHER_SCRIPTS = [
    (
        "联系我们zhang.wei@mail.example.cn获取更多，地址8.8.8.8在北京。",
        f"联系我们{E}获取更多，地址{A}在北京。",
    ),
    ("はtaro@post.example.jpまで。サーバ8.8.8.8です", f"は{E}まで。サーバ{A}です"),
    ("문의는 kim@mail.example.kr로. 서버 8.8.8.8에서", f"문의는 {E}로. 서버 {A}에서"),
    ("наivan.petrov@mail.example.ru, адрес8.8.8.8.", f"на{E}, адрес{A}."),
    ("ติดต่อsomchai@mail.example.thได้ที่8.8.8.8ครับ", f"ติดต่อ{E}ได้ที่{A}ครับ"),
    ("راسلناali@mail.example.com، العنوان8.8.8.8.", f"راسلنا{E}، العنوان{A}."),
    ("सर्वर8.8.8.8। ram@mail.example.in।", f"सर्वर{A}। {E}।"),
    ("ｊｏｅ＠ａｃｍｅ．ｃｏｍ　８．８．８．８！", f"{E}　{A}！"),
    ("你好！joe@acme.com，是example.org的", f"你好！{E}，是example.org的"),
    ("joe@acme.com是example.org的", f"{E}是example.org的"),
]
OF_OTHER_LETTERS = [
    ("иван.петров@почта.рф, и", f"{E}, и"),
    ("rené.dupont@société.fr.", f"{E}."),
    ("rene\u0301.dupont@acme.fr", E),
    ("राम@डाटामेल.भारत पर", f"{E} पर"),
    ("联系joe@公司.cn谢谢", f"联系{E}谢谢"),
    ("joe@例子.中国获取", f"{E}获取"),
    ("홍길동@도메인.한국으로", f"{E}으로"),
]
"""RFC 6531, section 3.3: letters beyond ASCII in both parts."""


@pytest.mark.parametrize(("text", "expected"), [*BESIDE_OTHER_SCRIPTS, *OF_OTHER_LETTERS])
def test_replaced_beside_and_of_letters_of_other_scripts(text, expected):
    assert Pii().transform(text) == expected
    assert Pii().transform(expected) == expected


NEAR_MISSES = [
    # the same numbers of versions where another script speaks of them
    "版本1.2.3.4", "版本号：1.2.3.4和1.2.3.5", "バージョン1.2.3.4", "버전 1.2.3.4", "версия 1.2.3.4", "使用Firefox/3.6.0.1浏览",
    "用version 1.2.3.4", "8.8.8.8版", "٨8.8.8.8", "é8.8.8.8", "8.8.8.8é", "图logo@2x.png在", "下1.2.3.4.tar在",
    "", "no address", "@joe", "joe@localhost", "a @ b.com", "joe@", "@acme.com", "joe at acme.com", "lodash@4.17.21",
    "logo@2x.png", "icon@1.5x.webp", "user@host", "a@b", "C@t", "f(@x.y)", "۱۲۳@",
    # private, loopback, link-local, documentation, multicast, broadcast, not an address
    "192.168.0.1", "10.1.2.3", "127.0.0.1", "172.16.0.9", "172.31.255.254", "169.254.1.1", "100.64.0.1", "0.0.0.0",
    "255.255.255.255", "192.0.2.7", "198.51.100.23", "203.0.113.99", "224.0.0.251", "240.0.0.1", "999.8.8.8", "256.1.1.1",
    "08.8.8.8", "1.2.3", "1.2.3.4.5", "1.2.3.4567", "1..2.3.4", "1,2,3,4",
    # numbers of versions and sections
    "version 1.2.3.4", "Version: 1.2.3.4", "versions 1.2.3.4, 1.2.3.5 and 2.0.0.1", "v1.2.3.4", "v. 1.2.3.4", "ver 8.8.8.8",
    "release 4.3.2.1", "Rev. 4.3.2.1", "build number 10.1.17.63", "upgrade from version 1.2.3.4 to 1.2.4.0", "firmware=18.168.6.1",
    "Firefox/3.6.0.1", "Mutt/1.2.5.1i", "openssl-1.0.2.1", "jdk-1.8.0.2.tar.gz", "app 1.2.3.4-beta", "1.2.3.4rc1",
    "Setup 11.2.0.4.exe", "kernel 2.6.32.5", "libc6 (>= version 2.3.5.1)", "1.2.3.4.x", "x8.8.8.8", "8.8.8.8x",
    "Section 4.3.2.1", "section number 4.3.2.1", "§ 4.3.2.1", "Table 4.3.2.1", "Fig. 4.3.2.1", "clause 4.3.2.1", "OID 1.3.6.1",
    # anything else
    "مرحبا", "\U0001f600", "a\x00b", "3.14.15.92.65", "٨.٨.٨.٨",
]  # fmt: skip


@pytest.mark.parametrize("text", NEAR_MISSES)
def test_left_alone(text):
    assert Pii().transform(text) == text
    assert Pii().transform(f"It says {text} here.") == f"It says {text} here."
    assert CountPii().measure(text) == {"emails": 0, "ips": 0}


WORDS = st.lists(
    st.sampled_from(
        [
            "the",
            "of",
            "and",
            "rain",
            "town",
            "old",
            "was",
            "in",
            "it",
            "7",
            "2024",
            "1,200.50",
            "(see)",
            "-",
            "a.b",
        ]
    ),
    max_size=8,
)
LABEL = st.from_regex(r"[a-z][a-z0-9]{0,12}(?:-[a-z0-9]{1,8})?", fullmatch=True)
EMAILS = st.builds(
    lambda name, labels, top: f"{name}@{'.'.join(labels)}.{top}",
    st.from_regex(r"[A-Za-z0-9][A-Za-z0-9_+-]{0,20}(?:\.[A-Za-z0-9_+-]{1,10}){0,2}", fullmatch=True),
    st.lists(LABEL, min_size=1, max_size=3),
    st.sampled_from(["com", "org", "de", "co.uk", "info", "museum", "xn--p1ai"]),
)
PUBLIC = (
    st.integers(0, 2**32 - 1)
    .map(ipaddress.IPv4Address)
    .filter(lambda a: a.is_global and not a.is_multicast)
    .map(str)
)


@given(st.lists(st.tuples(WORDS, st.one_of(EMAILS, PUBLIC)), max_size=6), WORDS)
def test_everything_planted_is_found_and_counted_and_nothing_else_is_touched(planted, end):
    def put(replace):
        parts = [" ".join([*words, replace(address)]) for words, address in planted]
        return " , ".join([*parts, " ".join(end)])

    text = put(lambda address: address)
    assert Pii().transform(text) == put(lambda address: E if "@" in address else A)
    n_emails = sum("@" in address for _, address in planted)
    assert CountPii().measure(text) == {"emails": n_emails, "ips": len(planted) - n_emails}


@given(
    st.integers(0, 2**32 - 1).map(ipaddress.IPv4Address).filter(lambda a: not a.is_global or a.is_multicast)
)
def test_no_private_or_reserved_address_is_touched(address):
    assert Pii().transform(f"at {address} there") == f"at {address} there"


def test_each_kind_can_be_switched_off():
    text = "joe@acme.com 8.8.8.8"
    assert Pii(emails=False).transform(text) == f"joe@acme.com {A}"
    assert Pii(ips=False).transform(text) == f"{E} 8.8.8.8"
    assert CountPii(ips=False).measure(text) == {"emails": 1, "ips": 0}


@given(st.text(st.sampled_from("a1.@8 -/v"), max_size=60))
def test_a_second_pass_changes_nothing(text):
    once = Pii().transform(text)
    assert Pii().transform(once) == once


def test_counts_per_kind_stand_in_funnel_and_ledger(make_pool, store, tmp_path):
    texts = ["joe@acme.com, ann@acme.org at 8.8.8.8", "nothing", "8.8.4.4 and 10.0.0.1"]
    annotations = Annotations(make_pool(store, [Document(text) for text in texts]), store, workers=1)
    corpus = build_corpus([Pii()], annotations)
    lines = funnel(corpus, annotations, lambda *_: None)
    assert lines[-1]["found"] == {"emails": 2, "ips": 2} and lines[-1]["changed"] == 2
    assert "emails 2, ips 2" in funnel_table(lines)
    write_ledger(corpus, annotations, tmp_path / "ledger")
    import pyarrow.parquet as pq

    table = pq.read_table(tmp_path / "ledger" / "00-pii.parquet")
    assert table["measured_emails"].to_pylist() == [2, 0, 0] and table["measured_ips"].to_pylist() == [
        1,
        0,
        1,
    ]


@pytest.mark.parametrize(
    "text",
    [
        "a" * 10**6,
        "a@" * 200_000,
        "a.b." * 100_000 + "@",
        "1." * 300_000,
        "@" * 10**6,
        "-" * 300_000 + "@",
        "8.8.8.8 " * 50_000,
        "version 8.8.8.8, " + "8.8.8.8, " * 30_000,
        "v" * 10**6 + " 8.8.8.8",
    ],
    ids=lambda text: text[:4],
)
def test_no_input_takes_quadratic_time(text):
    start = time.process_time()
    Pii().transform(text)
    assert time.process_time() - start < 5
