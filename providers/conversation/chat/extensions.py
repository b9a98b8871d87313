"""What a chat response has beyond OpenAI's: the thinking of other vendors, to be sent back unchanged.

`thinking_blocks` has Anthropic's blocks, `extra_content.google.thought_signature` Google's signatures, as Google's own
OpenAI-compatible API names them. Signatures and hidden blocks bear the mark of the deployment that made them.
"""

from __future__ import annotations

from typing import Any, Final

from providers.conversation.apis import WriterContext
from providers.conversation.chat.messages_reader import THINKING
from providers.conversation.events import BlockEnded
from providers.conversation.folding import Block

TEXT: Final = "text"  # the place of a signature that belongs to the text that follows
OF_BLOCK: Final = frozenset({"", "thought"})  # places of signatures that belong to the thinking itself


def marked(text: str, context: WriterContext) -> str:
    """Return a signature with the mark of the deployment that made it."""
    if context.ownership is None or not context.owner:
        return text
    return context.ownership.mark(text, context.owner, THINKING)


def thinking_block(text: str, signed: BlockEnded | Block, context: WriterContext) -> dict[str, Any]:
    """Return a block as its vendor wrote it, but for the mark; `place` where the vendor is Google."""
    if signed.redacted:
        return {"type": "redacted_thinking", "data": marked(signed.redacted, context)}
    block = {"type": "thinking", "thinking": text, "signature": marked(signed.signature, context)}
    return {**block, "place": signed.place} if signed.place else block


def of_google(signature: str) -> dict[str, Any]:
    """Return the `extra_content` that holds a marked signature."""
    return {"google": {"thought_signature": signature}}
