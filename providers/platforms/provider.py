"""What there is to know of a provider beside its APIs: its address, its authentication, its defaults."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Final

import msgspec

from providers.auth.scheme import Authenticator
from providers.target import Target

if TYPE_CHECKING:
    from gateway.config.sections.sign_in import Providers

Url = Callable[[Target, str], str]
Own = Callable[["Providers"], tuple[str, str]]
REGION: Final = "{region}"  # in a `default_base_url`: a row's own region is put there


class ProviderProbe(msgspec.Struct, frozen=True):
    """One free request that shows whether a model can be reached: GET, or POST with a body.

    `good`: statuses that are no fault (a limit on how often one may ask).
    """

    url: str
    body: bytes | None = None
    good: tuple[int, ...] = (200,)


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
    embeddings_api: str = ""  # the family of its embeddings, if that is another one
    model_types: frozenset[str] = frozenset()  # that it has; empty: of every type
    needs_secret: bool = True
    needs_endpoint: bool = False
    cap_field: str = "max_tokens"  # the member of an output cap if the client gave none
    headers: Callable[[Target], dict[str, str]] | None = None  # that every request needs, also a probe
    cache_member: str = (
        ""  # of a chat: it partitions its account's prompt cache (providers/isolation/tenant_salt.py)
    )
    region: Callable[[Providers], str] | None = None  # of rows that name none; None: it has no regions
    own_metadata: Callable[[Providers], dict[str, str]] = (
        lambda _: {}
    )  # of rows without `credentials` of their own
    credentials: tuple[str, ...] = ()  # members of a row's metadata that are its own credential
    is_own_host: Callable[[str], bool] = lambda _: False  # whether an address may get `own_metadata`
    probes: Callable[[Target], Sequence[ProviderProbe]] | None = None  # instead of a list of models; in order
    lacks: Callable[[Mapping[str, str], str], str] = lambda _metadata, _secret: (
        ""
    )  # why a row cannot work; "": it can
    model_first: bool = False  # `model` must be the first member of a body


def plain_url(target: Target, path: str) -> str:
    """Return the address of OpenAI's API: the base, which ends in /v1, and the path."""
    return f"{target.base_url.rstrip('/')}/{path}"
