"""Pages of configured origins may call from a browser, with a key and without cookies; no others."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gateway.config.sections.cors import Cors as CorsSection
from gateway.http.cors import Cors, is_preflight
from gateway.http.exceptions import BadRequest

APP, OTHER = "https://app.example.com", "https://evil.example"


def asking(origin: str, *, asks: str = "authorization,content-type") -> dict[bytes, bytes]:
    return {
        b"origin": origin.encode(),
        b"access-control-request-method": b"POST",
        b"access-control-request-headers": asks.encode("latin-1"),
    }


def test_a_configured_origin_may_call():
    cors = Cors([APP, "http://localhost:3000"])
    preflight = dict(cors.of_preflight(asking(APP)))
    assert preflight[b"access-control-allow-headers"] == b"authorization,content-type"
    assert b"POST" in preflight[b"access-control-allow-methods"]
    for origin in (APP, "http://localhost:3000"):
        answer = dict(cors.of_answer({b"origin": origin.encode()}))
        assert answer[b"access-control-allow-origin"] == origin.encode()
        assert answer[b"vary"] == b"Origin"
        assert b"access-control-allow-credentials" not in answer


@pytest.mark.parametrize(
    "origin",
    [
        OTHER,
        "null",
        "",
        "https://app.example.com.evil.example",
        "http://app.example.com",
        APP + ":8443",
        APP + "/",
    ],
)
def test_no_other_origin_may(origin):
    cors = Cors([APP])
    with pytest.raises(BadRequest, match=r"server\.cors\.origins"):
        cors.of_preflight(asking(origin))
    assert cors.of_answer({b"origin": origin.encode()}) == [(b"vary", b"Origin")]


def test_without_configuration_no_headers_are_added_and_preflight_explains():
    cors = Cors([])
    assert cors.of_answer({b"origin": APP.encode()}) == []
    with pytest.raises(BadRequest, match=r"server\.cors\.origins") as refusal:
        cors.of_preflight(asking(APP))
    assert (refusal.value.param, refusal.value.code) == ("Origin", "origin_not_allowed")


@pytest.mark.parametrize("origin", [APP, OTHER, "null"])
def test_a_star_is_every_origin(origin):
    cors = Cors(["*"])
    assert dict(cors.of_answer({b"origin": origin.encode()}))[b"access-control-allow-origin"] == b"*"
    assert cors.of_preflight(asking(origin))


def test_a_request_without_origin_gets_no_cors_headers():
    assert Cors([APP]).of_answer({}) == [(b"vary", b"Origin")]


@pytest.mark.parametrize("asks", ["", "a\r\nset-cookie: b", "x" * 5000, "ä"])
def test_what_a_page_asks_for_is_repeated_only_if_it_is_names(asks):
    preflight = dict(Cors([APP]).of_preflight(asking(APP, asks=asks)))
    assert preflight[b"access-control-allow-headers"] == b"authorization, *"


@pytest.mark.parametrize(
    ("method", "headers", "expected"),
    [
        ("OPTIONS", asking(APP), True),
        ("POST", asking(APP), False),
        ("OPTIONS", {b"origin": b"a"}, False),
        ("OPTIONS", {b"access-control-request-method": b"POST"}, False),
        ("OPTIONS", {}, False),
    ],
)
def test_preflight_is_recognised_by_method_and_headers(method, headers, expected):
    assert is_preflight(method, headers) is expected


@pytest.mark.parametrize(
    ("written", "kept"),
    [
        ("https://app.example.com", APP),
        ("https://app.example.com/", APP),
        ("HTTPS://App.Example.com:443", APP),
        ("http://localhost:80", "http://localhost"),
        ("http://localhost:3000", "http://localhost:3000"),
        ("http://[::1]:3000", "http://[::1]:3000"),
        (" * ", "*"),
    ],
)
def test_an_origin_is_kept_as_browsers_write_it(written, kept):
    assert CorsSection(origins=(written,)).origins == (kept,)


@pytest.mark.parametrize(
    "written",
    [
        "app.example.com",
        "https://",
        "https://a/b",
        "https://*.example.com",
        "null",
        "ftp://a",
        "https://a b",
        "",
    ],
)
def test_what_is_no_origin_is_refused(written):
    with pytest.raises(ValidationError, match="is not an origin"):
        CorsSection(origins=(written,))
