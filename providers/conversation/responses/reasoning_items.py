"""Reasoning items: how the thinking of any vendor travels in `encrypted_content`, and how it is read back. Pure.

Thinking of another API - its text, signatures, and where they belong - is sealed by the gateway
(providers/isolation/ownership.py). What OpenAI itself encrypted is only marked with its deployment. Anything else is
left out: it is another tenant's, was changed, or belongs to an account that the gateway does not know.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.content import Thinking
from providers.conversation.responses.findings import Findings
from providers.isolation.ownership import SEAL, Ownership

PURPOSE: Final = "reasoning"  # of the marks on OpenAI's `encrypted_content`


class _Block(msgspec.Struct, frozen=True, array_like=True):
    text: str = ""
    signature: str = ""
    redacted: str = ""
    place: str = ""


_encode = msgspec.msgpack.Encoder().encode
_blocks = msgspec.msgpack.Decoder(list[_Block])


def sealed(thinking: Thinking, owner: int, ownership: Ownership | None) -> str | None:
    """Return the `encrypted_content` of a block; None: there is no tenant to seal it for."""
    if ownership is None:
        return None
    block = _Block(thinking.text, thinking.signature, thinking.redacted, thinking.place)
    return ownership.seal(_encode([block]), owner)


def thinking_of(item: dict[str, Any], found: Findings) -> list[Thinking]:
    """Return the thinking in a reasoning item that a client returns; empty if it is not the gateway's."""
    content, ownership = item.get("encrypted_content"), found.ownership
    if not isinstance(content, str) or ownership is None:
        return []
    if content.startswith(SEAL):
        opened = ownership.open(content)
        if opened is None:
            return []
        found.owners.add(opened.owner)
        return [
            Thinking(block.text, block.signature, block.redacted, opened.owner, block.place)
            for block in _blocks.decode(opened.payload)
        ]
    owned = ownership.read(content, PURPOSE)
    if not owned.owner:
        return []
    found.owners.add(owned.owner)
    return [Thinking(signature=owned.text, owner=owned.owner)]
