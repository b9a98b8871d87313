"""The APIs that a conversation can come from, and those that it can go to."""

from __future__ import annotations

from typing import Final

from providers.conversation.apis import ClientSide, UpstreamSide

CLIENTS: Final[dict[str, ClientSide]] = {}
UPSTREAMS: Final[dict[str, UpstreamSide]] = {}
