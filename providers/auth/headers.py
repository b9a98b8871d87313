"""Schemes that add the target's key as a header."""

from __future__ import annotations

from typing import TYPE_CHECKING

from providers.auth.scheme import HeaderAuth

if TYPE_CHECKING:
    from providers.target import Target

_ACCOUNT_HEADERS = (("openai_organization", "openai-organization"), ("openai_project", "openai-project"))


def _bearer(target: Target, headers: dict[str, str]) -> None:
    """Add `Authorization: Bearer`; nothing for a server without keys."""
    if target.secret:
        headers["authorization"] = f"Bearer {target.secret.reveal()}"


def _openai(target: Target, headers: dict[str, str]) -> None:
    """Add the bearer token and, where the deployment names them, the account's organization and project."""
    _bearer(target, headers)
    for name, header in _ACCOUNT_HEADERS:
        if target.metadata.get(name):
            headers[header] = target.metadata[name]


def _hugging_face(target: Target, headers: dict[str, str]) -> None:
    """Add the bearer token and, where the deployment names one, the organization that pays."""
    _bearer(target, headers)
    payer = target.metadata.get("hf_bill_to") or target.metadata.get("bill_to")
    if payer:
        headers["x-hf-bill-to"] = payer


def _anthropic(target: Target, headers: dict[str, str]) -> None:
    """Add `x-api-key`, or a bearer token where the row says so (`metadata.auth: bearer`): the API takes one of both."""
    if not target.secret:
        return
    if target.metadata.get("auth") == "bearer":
        _bearer(target, headers)
    else:
        headers["x-api-key"] = target.secret.reveal()


def _none(target: Target, headers: dict[str, str]) -> None:
    """Add nothing: the built-in simulator needs no key."""


openai, anthropic, none = HeaderAuth(_openai), HeaderAuth(_anthropic), HeaderAuth(_none)
hugging_face = HeaderAuth(_hugging_face)
