"""Salts the names in a conversation by tenant: end users, and the prompt cache (providers/isolation/tenant_salt.py)."""

from __future__ import annotations

import msgspec

from providers.conversation.request import Conversation
from providers.isolation.tenant_salt import Salt

_USER = "user"
_CACHE = "prompt_cache_key"


def salted(conversation: Conversation, salt: Salt | None) -> Conversation:
    """Return the conversation as it may leave the gateway; a call that names no cache gets its tenant's own name.

    None: the operator's own call.
    """
    if salt is None:
        return conversation
    user, cache = conversation.user, conversation.prompt_cache_key
    return msgspec.structs.replace(
        conversation,
        user=salt.name_of(_USER, user) if user else "",
        prompt_cache_key=salt.name_of(_CACHE, cache) if cache else salt.own,
    )
