"""Which machines can reach the gateway, and that the secrets of the published demo work on none but its own. Pure."""

from __future__ import annotations

from ipaddress import ip_address
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from gateway.config.checks.weak_secrets import published_secrets
from gateway.config.errors import ConfigProblem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config.model import Config


def is_loopback(host: str) -> bool:
    """Return whether only this machine can reach a host."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost"


def hosts_of(config: Config) -> tuple[str, ...]:
    """Return the configured listen hosts."""
    admin = config.server.admin_bind
    return (config.server.bind[0],) if admin is None else (config.server.bind[0], admin[0])


def reached_at(config: Config, *hosts: str) -> str:
    """Return where other machines reach a gateway that listens on these hosts; "" if none does.

    A proxy on the same machine reaches a loopback address for others.
    """
    if open_to := next((host for host in hosts if not is_loopback(host)), ""):
        return open_to
    if not _is_loopback_url(config.server.public_url):
        return f"it at {config.server.public_url} (server.public_url)"
    return "it through server.trusted_proxies" if config.server.trusted_proxies else ""


def _is_loopback_url(address: str) -> bool:
    try:
        host = urlsplit(address).hostname or ""
    except ValueError:  # it is refused as an address (gateway/config/validation.py)
        return True
    return not host or is_loopback(host)


def published_off_loopback(config: Config, *hosts: str) -> Iterator[ConfigProblem]:
    """Refuse the secrets of the published demo if other machines can reach the gateway."""
    open_to = reached_at(config, *hosts)
    if open_to and not config.server.production:  # production refuses them as weak
        hint = "write a secret of your own (`openssl rand -hex 24`), or listen on 127.0.0.1 without a proxy"
        for where in published_secrets(config):
            what = f"is published with the demo, and other machines reach {open_to}"
            yield ConfigProblem(where, what, hint)
