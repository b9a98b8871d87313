"""What there is to know of a provider beside its APIs: its address, its authentication, its defaults."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from providers.auth.scheme import Authenticator
from providers.target import Target

if TYPE_CHECKING:
    from gateway.config.sections.sign_in import Providers

Url = Callable[[Target, str], str]
Own = Callable[["Providers"], tuple[str, str]]


class Provider(msgspec.Struct, frozen=True, kw_only=True):
    """One row. `own` reads from the configuration the one host a global key may be sent to, and that key.

    `url` completes a target's address with the path that a dialect names: below /v1 for OpenAI's API and Anthropic's,
    the operation for Bedrock ("converse-stream") and Vertex ("generateContent").
    """

    name: str
    auth: Authenticator
    url: Url
    own: Own
    default_base_url: str | None = None
    api: str = "openai"  # the family that it speaks (providers/dialects/choice.py)
    api_of: Callable[[Target], str] | None = None  # where that depends on the model
    needs_secret: bool = True
    needs_endpoint: bool = False
    cap_field: str = "max_tokens"  # the member of an output cap if the client gave none
    cache_member: str = (
        ""  # of a chat: it partitions its account's prompt cache (providers/isolation/tenant_salt.py)
    )


def plain_url(target: Target, path: str) -> str:
    """Return the address of OpenAI's API: the base, which ends in /v1, and the path."""
    return f"{target.base_url.rstrip('/')}/{path}"
