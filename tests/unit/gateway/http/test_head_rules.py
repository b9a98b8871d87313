"""Heads that two servers could read differently are refused."""

from __future__ import annotations

import pytest

from gateway.http.head_rules import refusal


@pytest.mark.parametrize(
    ("version", "method", "hosts", "status"),
    [
        ("1.1", b"GET", [b"gateway"], 0),
        ("1.1", b"POST", [b"gateway.example.com:8080"], 0),
        ("1.1", b"GET", [b"[::1]:8080"], 0),
        ("1.1", b"GET", [b"under_score:"], 0),
        ("1.0", b"GET", [], 0),
        ("1.0", b"GET", [b"gateway"], 0),
        ("0.9", b"GET", [b"gateway"], 400),
        ("0.9", b"GET", [], 400),
        ("2.0", b"GET", [b"gateway"], 400),
        ("1.1", b"GET", [], 400),
        ("1.1", b"GET", [b"a", b"b"], 400),
        ("1.1", b"GET", [b"a", b"a"], 400),
        ("1.0", b"GET", [b"a", b"b"], 400),
        ("1.1", b"GET", [b""], 400),
        ("1.1", b"GET", [b"a, b"], 400),
        ("1.1", b"GET", [b"user@a"], 400),
        ("1.1", b"GET", [b"a/b"], 400),
        ("1.1", b"GET", [b"a:b"], 400),
        ("1.1", b"GET", [b"[::1"], 400),
        ("1.1", b"GET", [b"\xc3\xa4"], 400),
        ("1.1", b"TRACE", [b"a"], 400),
        ("1.1", b"CONNECT", [b"a"], 400),
        ("1.0", b"TRACE", [b"a"], 400),
    ],
)
def test_a_head_is_sound_or_refused(version, method, hosts, status):
    assert refusal(version, method, hosts) == status
