"""Forwarding headers of a trusted proxy are read in every usual form; those of other peers are ignored."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.http.forwarded import FORWARDED_HOST, Client, Forwarded, TrustedProxies

PROXIES = ("10.0.0.0/8", "2001:db8::/32", "192.0.2.7/32")


def told(**headers: str | list[str]) -> Client:
    pairs = [
        (b"x-forwarded-" + name.encode(), value.encode("latin-1"))
        for name, values in headers.items()
        for value in ([values] if isinstance(values, str) else values)
    ]
    return TrustedProxies(PROXIES).client_of(pairs)


@pytest.mark.parametrize(
    ("proto", "scheme"),
    [
        ("https", "https"),
        ("HTTPS", "https"),
        (" Https ", "https"),
        ("https, http", "https"),
        ("https,http,http", "https"),
        ("http, https", "http"),
        (["https", "http"], "https"),
        ('"https"', "https"),
        ("wss", "https"),
        ("ws", "http"),
        ("http", "http"),
        ("", ""),
        ("httpss", ""),
        ("on", ""),
        (", https", ""),
        ("https\x00", ""),
    ],
)
def test_a_scheme_is_understood_in_its_usual_forms(proto, scheme):
    assert told(proto=proto).scheme == scheme


@pytest.mark.parametrize(
    ("addresses", "protos", "scheme"),
    [
        ("203.0.113.9, 10.0.0.1", "https, http", "https"),  # a proxy before a proxy: TLS ends at the first
        ("203.0.113.9", "https, http", "https"),
        ("6.6.6.6, 203.0.113.9", "https, http", "http"),  # what a client wrote before its proxy's own word
        ("6.6.6.6, 203.0.113.9, 10.0.0.1", "https, http, https", "http"),
        ("10.0.0.2, 10.0.0.1", "https, http", "https"),
    ],
)
def test_of_several_schemes_the_clients_counts(addresses, protos, scheme):
    assert told(**{"for": addresses, "proto": protos}).scheme == scheme


@pytest.mark.parametrize(
    ("addresses", "address", "port"),
    [
        ("203.0.113.9", "203.0.113.9", 0),
        ("6.6.6.6, 203.0.113.9", "203.0.113.9", 0),
        ("203.0.113.9, 10.0.0.1", "203.0.113.9", 0),
        (["6.6.6.6", "203.0.113.9, 10.0.0.1"], "203.0.113.9", 0),
        ("203.0.113.9:4711", "203.0.113.9", 4711),
        ("[2001:db9::1]:4711", "2001:db9::1", 4711),
        ("[2001:db9::1]", "2001:db9::1", 0),
        ("2001:db9::1", "2001:db9::1", 0),
        ("203.0.113.9, ::ffff:10.0.0.1", "203.0.113.9", 0),
        ("203.0.113.9, 2001:db8::1", "203.0.113.9", 0),
        ("203.0.113.9:99999999", "203.0.113.9", 0),
        ("10.0.0.2, 10.0.0.1", "10.0.0.2", 0),
        ("203.0.113.9,", "203.0.113.9", 0),
        (", 203.0.113.9, ,10.0.0.1,", "203.0.113.9", 0),
        (["203.0.113.9", ""], "203.0.113.9", 0),
        ('"", 203.0.113.9', "203.0.113.9", 0),
        (",,", "", 0),
        ("unknown", "unknown", 0),
        ("", "", 0),
        ("6.6.6.6, " * 5_000 + "203.0.113.9", "203.0.113.9", 0),
    ],
)
def test_the_client_is_the_last_that_no_proxy_of_ours_is(addresses, address, port):
    found = told(**{"for": addresses})
    assert (found.address, found.port) == (address, port)


@pytest.mark.parametrize(
    ("host", "found"),
    [
        ("gw.example.com", b"gw.example.com"),
        ("gw.example.com:8443", b"gw.example.com:8443"),
        ("gw.example.com, llm_gateway:8080", b"gw.example.com"),
        (["gw.example.com", "inner"], b"gw.example.com"),
        ("[::1]:8080", b"[::1]:8080"),
        ("", b""),
        ("evil.example/path", b""),
        ("user@evil.example", b""),
        ("a b", b""),
        ("a\xe4", b""),
    ],
)
def test_a_host_is_taken_if_it_is_one(host, found):
    assert told(host=host).host == found


@pytest.mark.parametrize(
    ("values", "client"),
    [
        (["for=203.0.113.9;proto=https;host=gw.example.com"], ("203.0.113.9", 0, "https", b"gw.example.com")),
        (['For="203.0.113.9:4711"; PROTO=HTTPS; Host="gw.example.com:8443"'],
         ("203.0.113.9", 4711, "https", b"gw.example.com:8443")),
        (['for="[2001:db9::1]:4711"'], ("2001:db9::1", 4711, "", b"")),
        (["for=203.0.113.9:80"], ("203.0.113.9", 80, "", b"")),  # without the quotes that it needs
        (["for=6.6.6.6;host=evil.example, for=203.0.113.9;proto=https"], ("203.0.113.9", 0, "https", b"")),
        (["for=203.0.113.9;proto=https, for=10.0.0.1;proto=http"], ("203.0.113.9", 0, "https", b"")),
        (["for=6.6.6.6", "for=203.0.113.9, for=10.0.0.1"], ("203.0.113.9", 0, "", b"")),
        (["for=10.0.0.2;proto=https, for=10.0.0.1;proto=http"], ("10.0.0.2", 0, "https", b"")),
        (["for=6.6.6.6, proto=https;host=gw.example.com"], ("", 0, "https", b"gw.example.com")),
        (["for=6.6.6.6, for=_hidden"], ("_hidden", 0, "", b"")),
        (["for=unknown"], ("unknown", 0, "", b"")),
        ([", for=203.0.113.9;, ", ""], ("203.0.113.9", 0, "", b"")),
        (['by=x;ext="a, for=6.6.6.6;\\" b";for=203.0.113.9'], ("203.0.113.9", 0, "", b"")),
        (['for=203.0.113.9;host="a, for=6.6.6.6"'], ("203.0.113.9", 0, "", b"")),
        (["for=203.0.113.9;host=evil.example/x;proto=httpss"], ("203.0.113.9", 0, "", b"")),
        (['for="6.6.6.6, for=203.0.113.9'], ("unknown", 0, "", b"")),  # an open quote hides what follows
        (['for="', "for=203.0.113.9"], ("unknown", 0, "", b"")),
        (["for=6.6.6.6;for=203.0.113.9"], ("unknown", 0, "", b"")),
        (["for 203.0.113.9"], ("unknown", 0, "", b"")),
        (["for=6.6.6.6, " * 5_000 + "for=203.0.113.9"], ("203.0.113.9", 0, "", b"")),
        (['for="' + "\\" * 60_001], ("unknown", 0, "", b"")),
        ([""], ("", 0, "", b"")),
    ],
)  # fmt: skip
def test_the_standards_header_is_read_by_the_same_rules(values, client):
    """RFC 7239."""
    headers = [(b"forwarded", value.encode("latin-1")) for value in values]
    assert TrustedProxies(PROXIES).client_of(headers) == client


@pytest.mark.parametrize("other", ["for", "proto", "host"])
def test_a_forwarded_header_beside_the_others_is_ignored(other):
    """A proxy that writes these hands it on as the client wrote it."""
    forged = (b"forwarded", b"for=6.6.6.6;proto=https;host=evil.example")
    ours = (b"x-forwarded-" + other.encode(), {"for": b"203.0.113.9", "proto": b"http", "host": b"gw"}[other])
    trusted = TrustedProxies(PROXIES)
    assert trusted.client_of([forged, ours]) == trusted.client_of([ours, forged]) == trusted.client_of([ours])


async def seen(peer: Any, kind: str, headers: list[tuple[bytes, bytes]]) -> Any:
    scopes = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)

    scope = {"type": kind, "client": peer, "scheme": "http" if kind == "http" else "ws", "headers": headers}
    await Forwarded(application, PROXIES)(scope, None, None)  # type: ignore[arg-type]
    return scopes[0]


HEADERS = [
    (b"host", b"llm_gateway:8080"),
    (b"x-forwarded-for", b"203.0.113.9"),
    (b"x-forwarded-proto", b"HTTPS"),
    (b"x-forwarded-host", b"gw.example.com"),
]


@pytest.mark.parametrize("peer", ["10.1.2.3", "192.0.2.7", "::ffff:10.1.2.3", "2001:db8::5"])
@pytest.mark.parametrize(("kind", "scheme"), [("http", "https"), ("websocket", "wss")])
async def test_what_a_trusted_proxy_says_is_what_pages_see(peer, kind, scheme):
    scope = await seen((peer, 1), kind, [*HEADERS[:1], (b"forwarded", b"for=203.0.113.8;proto=https")])
    assert (scope["client"], scope["scheme"]) == (("203.0.113.8", 0), scheme)
    scope = await seen((peer, 1), kind, HEADERS)
    assert (scope["client"], scope["scheme"]) == (("203.0.113.9", 0), scheme)
    assert scope[FORWARDED_HOST] == b"gw.example.com"
    assert scope["headers"] == HEADERS  # a check for a foreign name sees the Host


@pytest.mark.parametrize("peer", [("192.0.2.8", 1), ("127.0.0.1", 1), ("", 0), ("nonsense", 1), None])
async def test_headers_of_other_peers_are_ignored(peer):
    scope = await seen(peer, "http", HEADERS)
    assert (scope["client"], scope["scheme"], scope["headers"]) == (peer, "http", HEADERS)


async def test_a_proxy_that_says_nothing_changes_nothing():
    scope = await seen(("10.1.2.3", 9), "http", HEADERS[:1])
    assert (scope["client"], scope["scheme"], scope["headers"]) == (("10.1.2.3", 9), "http", HEADERS[:1])
