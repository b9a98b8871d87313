"""The APIs that a conversation can come from, and those that it can go to."""

from __future__ import annotations

from typing import Final

from providers.conversation.apis import ClientSide, UpstreamSide
from providers.conversation.chat.side import CHAT
from providers.conversation.completions.side import COMPLETIONS
from providers.conversation.converse.upstream import UPSTREAM as BEDROCK_CONVERSE
from providers.conversation.gemini.side import GEMINI
from providers.conversation.messages.client import MESSAGES
from providers.conversation.messages.upstream import UPSTREAM as ANTHROPIC_MESSAGES
from providers.conversation.openai_chat.side import OPENAI_CHAT
from providers.conversation.responses.side import COMPACTION_CLIENT, OPENAI_RESPONSES, RESPONSES

_CLIENTS: Final = (CHAT, COMPLETIONS, MESSAGES, RESPONSES, COMPACTION_CLIENT)
_UPSTREAMS: Final = (OPENAI_CHAT, OPENAI_RESPONSES, ANTHROPIC_MESSAGES, BEDROCK_CONVERSE, GEMINI)
CLIENTS: Final[dict[str, ClientSide]] = {side.name: side for side in _CLIENTS}
UPSTREAMS: Final[dict[str, UpstreamSide]] = {side.name: side for side in _UPSTREAMS}
