"""Checks the address of a provider or of this gateway. Pure; a password in it is never shown."""

from __future__ import annotations

from urllib.parse import urlsplit

EXAMPLE = "https://api.example.com/v1"


def wrong_address(address: str, example: str = EXAMPLE) -> str:
    """Return why a base URL is invalid, and how to write it; "" if it is valid or empty."""
    if not address:
        return ""
    try:
        parts = urlsplit(address)
        has_scheme = parts.scheme in {"http", "https"} and bool(parts.hostname) and " " not in address
    except ValueError:
        has_scheme = False
    if "@" in address.partition("//")[2].partition("/")[0]:
        return (
            "has a user or a password in it, which is never sent: leave it out, a key has a place of its own"
        )
    if not has_scheme:
        return f"{address[:200]!r} is not an address; write it like {example}"
    if parts.query or parts.fragment or address[-1] in "?#":
        return f"{address[:200]!r} has a ? or # in it: a base URL ends before that, like {example}"
    try:
        has_port = parts.port != 0
    except ValueError:
        has_port = False
    return "" if has_port else f"{address[:200]!r} has a port that is no number from 1 to 65535"
