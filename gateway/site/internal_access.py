"""Who may see internal details: this machine, the networks in `observability.metrics_allow`, and holders of the token.

An address alone is no proof. A proxy on this machine forwards strangers' requests, and an outside page in an internal
browser may use a name of its own that resolves to this machine (DNS rebinding); its Host shows that.
"""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from tenants.addresses import is_inside, plain

if TYPE_CHECKING:
    from gateway.config import Config

LOOPBACK = ("127.0.0.0/8", "::1/128")
INSIDE_SUFFIXES = (".localhost", ".local", ".internal", ".svc", ".lan", ".home.arpa")
# Headers of a proxy in front.
HANDED_ON = ("x-forwarded-for", "x-forwarded-host", "x-forwarded-proto", "x-real-ip", "forwarded", "via")


def may_see(config: Config, address: str, headers: Mapping[str, str]) -> bool:
    """Return whether this client may get details; `headers` have lower-case names."""
    given = headers.get("authorization", "").removeprefix("Bearer ").strip()
    token = config.observability.metrics_token
    if token and hmac.compare_digest(given.encode(), token.encode()):
        return True
    if not _is_own_name(config, headers.get("host", "")):
        return False
    return is_inside(address, config.observability.metrics_allow) or _is_this_machine(
        config, address, headers
    )


def _is_this_machine(config: Config, address: str, headers: Mapping[str, str]) -> bool:
    """Where a proxy may forward without a trace in the request, loopback must be allowed explicitly."""
    has_proxy = config.server.production or bool(config.server.trusted_proxies)
    is_handed_on = any(name in headers for name in HANDED_ON)
    return not has_proxy and not is_handed_on and is_inside(address, LOOPBACK)


def _is_own_name(config: Config, host: str) -> bool:
    """Return whether a Host is an address, a name without a dot, an internal name, or that of `public_url`."""
    name = host.strip().lower()
    name = name[1 : name.find("]")] if name.startswith("[") else name.partition(":")[0]
    if plain(name) is not None or (name and "." not in name) or name.endswith(INSIDE_SUFFIXES):
        return True
    return bool(name) and name == (urlsplit(config.server.public_url).hostname or "")
