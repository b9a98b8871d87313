"""Authentication of a call: each function adds its provider's headers. Only a target's own secret is used."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from providers.target import Target

_ACCOUNT_HEADERS = (("openai_organization", "openai-organization"), ("openai_project", "openai-project"))


def bearer(target: Target, headers: dict[str, str]) -> None:
    """Add `Authorization: Bearer`; nothing for a server without keys."""
    if target.secret:
        headers["authorization"] = f"Bearer {target.secret.reveal()}"


def openai(target: Target, headers: dict[str, str]) -> None:
    """Add the bearer token and, where the deployment names them, the account's organization and project."""
    bearer(target, headers)
    for name, header in _ACCOUNT_HEADERS:
        if target.metadata.get(name):
            headers[header] = target.metadata[name]


def azure(target: Target, headers: dict[str, str]) -> None:
    """Add Azure's `api-key`."""
    if target.secret:
        headers["api-key"] = target.secret.reveal()


def none(target: Target, headers: dict[str, str]) -> None:
    """Add nothing: the built-in simulator needs no key."""
