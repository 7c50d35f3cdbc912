"""Personal data: what is replaced, what is left, and that it stays so."""

from __future__ import annotations

import time

import pytest

from ablate.stages.pii import Pii

E, A = "email@example.com", "192.0.2.1"


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("write to joe@acme.com.", f"write to {E}."),
        ("<joe.b+tag@mail.acme.co.uk>", f"<{E}>"),
        ("a@b.org,c@d.net", f"{E},{E}"),
        ("write to...joe@acme.com", f"write to...{E}"),
        ("'joe@acme.com'", f"'{E}'"),
        ("from 8.8.8.8.", f"from {A}."),
        ("http://8.8.8.8:80/x", f"http://{A}:80/x"),
        ("(1.1.1.1) and 9.9.9.9", f"({A}) and {A}"),
        ("joe@acme.com at 8.8.4.4", f"{E} at {A}"),
    ],
)
def test_replaced(text, expected):
    assert Pii().transform(text) == expected


@pytest.mark.parametrize(
    "text",
    ["", "no address", "@joe", "joe@localhost", "a @ b.com", "192.168.0.1", "10.1.2.3", "127.0.0.1",
     "172.16.0.9", "169.254.1.1", "0.0.0.0", "255.255.255.255", "192.0.2.7", "version 1.2.3.4", "v1.2.3.4",
     "1.2.3.4.5", "1.2.3", "999.8.8.8", "1.2.3.4567", "x8.8.8.8", "مرحبا", "😀", "a\x00b"],
)  # fmt: skip
def test_left_alone(text):
    assert Pii().transform(text) is text or Pii().transform(text) == text


def test_each_kind_can_be_switched_off():
    text = "joe@acme.com 8.8.8.8"
    assert Pii(emails=False).transform(text) == f"joe@acme.com {A}"
    assert Pii(ips=False).transform(text) == f"{E} 8.8.8.8"


def test_a_second_pass_changes_nothing():
    once = Pii().transform("joe@acme.com, ann@acme.org, 8.8.8.8, 1.1.1.1")
    assert Pii().transform(once) == once


@pytest.mark.parametrize(
    "text", ["a" * 10**6, "a@" * 200_000, "a.b." * 100_000 + "@", "1." * 300_000, "@" * 10**6, "-" * 300_000 + "@"],
    ids=lambda text: text[:4],
)  # fmt: skip
def test_no_input_takes_quadratic_time(text):
    start = time.process_time()
    Pii().transform(text)
    assert time.process_time() - start < 5
