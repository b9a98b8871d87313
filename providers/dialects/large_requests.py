"""Translates a large request in another process (gateway/parsing/heavy_process.py): this one needs only its head.

A conversation of 20 MB takes a second to read and to write if it has many turns. Routing, and the reading of the
response, use everything but its turns, so the body is read there twice: for the head, and for the body that is sent.
What the process gets is the client's body, the tenant's own salt, and the target without its credential.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.apis import SentOptions
from providers.conversation.parameters import Unsupported
from providers.conversation.registry import CLIENTS, UPSTREAMS
from providers.conversation.request import Conversation
from providers.conversation.salted import salted
from providers.isolation.tenant_salt import Salt
from providers.processes.heavy_work import Share
from providers.registry import PROVIDERS
from providers.requests.money_classes import Unacceptable
from providers.target import SECRET_METADATA, Secret, Target

_MOST_WORDS: Final = 1_000  # of a refusal; it may quote what was sent


class Head(msgspec.Struct, frozen=True, array_like=True):
    """`conversation` has no turns and no system prompt; `echo` is its member of that name. None: it is refused."""

    conversation: Conversation | None = None
    echo: dict[str, bytes] = {}
    message: str = ""
    param: str = ""
    code: str = ""


class Written(msgspec.Struct, frozen=True, array_like=True):
    """The body for an upstream API. `member` and `why` are those of Unsupported."""

    body: bytes = b""
    member: str = ""
    why: str = ""


def read_head(raw: bytes, client_api: str, key: bytes) -> Head:
    """Read the body; run in the other process. `key` is the tenant's salt."""
    try:
        found = CLIENTS[client_api].read(raw, Salt(key).ownership)
    except Unacceptable as refusal:
        return Head(message=str(refusal)[:_MOST_WORDS], param=refusal.param or "", code=refusal.code or "")
    echo = {name: bytes(value) for name, value in found.echo.items()}
    return Head(msgspec.structs.replace(found, system=(), turns=(), echo={}), echo)


def write_body(
    raw: bytes,
    client_api: str,
    upstream_api: str,
    target: dict[str, Any],
    options: dict[str, Any],
    key: bytes | None,
) -> Written:
    """Read and write the body; run in the other process."""
    salt = None if key is None else Salt(key)
    given = CLIENTS[client_api].read(raw, salt.ownership if salt is not None else None)
    try:
        body = UPSTREAMS[upstream_api].write(
            salted(given, salt),
            msgspec.convert(target, Target, dec_hook=_no_secret),
            msgspec.convert(options, SentOptions),
        )
    except Unsupported as refusal:
        return Written(member=refusal.member[:_MOST_WORDS], why=refusal.why[:_MOST_WORDS])
    return Written(body)


async def head_of(share: Share, raw: bytes, client_api: str, salt: Salt) -> Conversation:
    """Return the conversation without its turns. Raises Unacceptable, WorkFailed."""
    head = await share.run(Head, "head", raw, client_api, salt.key)
    if head.conversation is None:
        raise Unacceptable(head.message, head.param, head.code)
    echo = {name: msgspec.Raw(value) for name, value in head.echo.items()}
    return msgspec.structs.replace(head.conversation, echo=echo) if echo else head.conversation


async def body_for(  # noqa: PLR0913 - what a body is made of
    share: Share,
    raw: bytes,
    client_api: str,
    upstream_api: str,
    target: Target,
    options: SentOptions,
    salt: Salt | None,
) -> bytes:
    """Return the body for a target. Raises Unsupported, WorkFailed."""
    key = None if salt is None else salt.key
    written = await share.run(
        Written, "translated", raw, client_api, upstream_api, _described(target), options, key
    )
    if written.why:
        raise Unsupported(written.member, written.why)
    return written.body


def _described(target: Target) -> dict[str, Any]:
    """Return what a writer may read of a target: everything but its credential."""
    hidden = SECRET_METADATA.union(PROVIDERS[target.provider].credentials)
    metadata = {name: value for name, value in target.metadata.items() if name not in hidden}
    return {**msgspec.structs.asdict(target), "metadata": metadata, "secret": ""}


def _no_secret(kind: type[Any], _value: object) -> Secret:
    assert kind is Secret  # noqa: S101 - the only member of another kind
    return Secret("")
