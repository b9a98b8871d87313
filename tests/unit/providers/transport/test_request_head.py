"""Addresses and heads as they stand on the wire."""

from __future__ import annotations

import pytest

from providers.errors.exceptions import ConnectFailed
from providers.transport.request_head import Origin, head_of, request_target


@pytest.mark.parametrize(
    ("url", "origin", "line"),
    [
        ("https://api.openai.com/v1/chat", Origin("api.openai.com", 443, is_tls=True), "/v1/chat"),
        ("http://10.0.0.1:8000", Origin("10.0.0.1", 8000, is_tls=False), "/"),
        ("http://[::1]:81/v1?a=b&c=d%20e", Origin("::1", 81, is_tls=False), "/v1?a=b&c=d%20e"),
        ("https://HOST/a b/ü", Origin("host", 443, is_tls=True), "/a%20b/%C3%BC"),
        ("https://bücher.example/x#part", Origin("xn--bcher-kva.example", 443, is_tls=True), "/x"),
    ],
)
def test_an_address_is_taken_apart(url: str, origin: Origin, line: str) -> None:
    place = request_target(url)

    assert place.origin == origin
    assert place.after_method.startswith(f" {line} HTTP/1.1\r\n")


@pytest.mark.parametrize(
    ("url", "host"),
    [
        ("https://api.example.com:443/v1", "api.example.com"),
        ("https://api.example.com:8443/v1", "api.example.com:8443"),
        ("http://[::1]:81/v1", "[::1]:81"),
        ("https://user:password@api.example.com/v1", "api.example.com"),
    ],
)
def test_the_host_is_named_without_what_goes_without_saying(url: str, host: str) -> None:
    assert f"\r\nhost: {host}\r\n" in request_target(url).after_method


@pytest.mark.parametrize(
    "url", ["", "//host/v1", "ftp://host/", "http://", "http://host:99999/", "http://a b/"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(ConnectFailed):
        request_target(url)


def test_a_head_is_what_rfc_9112_says() -> None:
    head = head_of("POST", request_target("http://h/v1"), {"authorization": "Bearer s", "x-name": "é"}, 3)

    assert head == (
        b"POST /v1 HTTP/1.1\r\nhost: h\r\naccept-encoding: identity\r\ncontent-length: 3\r\n"
        b"authorization: Bearer s\r\nx-name: \xe9\r\n\r\n"
    )


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("x", "secret\r\ny: z"),
        ("x", "secret\n"),
        ("x", "secret\x00"),
        ("x", "secret☃"),
        ("x y", "secret"),
        ("x:", "s"),
    ],
)
def test_a_header_that_would_break_the_head_is_refused_and_its_value_not_shown(name: str, value: str) -> None:
    with pytest.raises(ConnectFailed) as caught:
        head_of("POST", request_target("http://h/"), {name: value}, 0)

    assert "secret" not in str(caught.value)


def test_an_address_cannot_carry_a_line_of_its_own() -> None:
    assert "\r\nx: y" not in request_target("http://h/a\r\nx: y").after_method
