"""A request's origin in a form that can be counted and compared. Pure."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv6Address, ip_address, ip_network

SITE_BITS = 64  # the network of one IPv6 customer: a limit per single address would have no effect


def plain(address: str) -> IPv4Address | IPv6Address | None:
    """Return the address, as IPv4 also where a dual-stack socket wraps it in IPv6; None if it is no address."""
    try:
        ip = ip_address(address.partition("%")[0])
    except ValueError:
        return None
    return (ip.ipv4_mapped or ip) if isinstance(ip, IPv6Address) else ip


def is_inside(address: str, networks: Iterable[str]) -> bool:
    """Return whether the address is in one of these networks; an invalid address is in none."""
    ip = plain(address)
    return ip is not None and any(ip in ip_network(network, strict=False) for network in networks)


def origin(address: str) -> str:
    """Return the unit to count: an IPv4 address, or the network of an IPv6 one."""
    ip = plain(address)
    if isinstance(ip, IPv6Address):
        return str(ip_network((ip, SITE_BITS), strict=False))
    return address if ip is None else str(ip)
