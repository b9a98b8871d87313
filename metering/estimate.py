"""What a call used when the provider does not say: counted with the tokenizer, marked as an estimate, never zero
for produced output. Texts beyond 10 kB are counted in a thread, so that the event loop is not held.
"""

from __future__ import annotations

import asyncio

from metering.records import Open
from providers.prompt import count_prompt
from providers.tokens import count
from providers.usage import Usage

IN_THREAD_BYTES = 10_000


async def estimate(record: Open, raw: bytes, produced: str, produced_events: int) -> Usage:
    """Return the estimated usage of a call from its request body and what came back."""
    if len(raw) + len(produced) > IN_THREAD_BYTES:
        return await asyncio.to_thread(_count, record, raw, produced, produced_events)
    return _count(record, raw, produced, produced_events)


def _count(record: Open, raw: bytes, produced: str, produced_events: int) -> Usage:
    output = count(produced, record.upstream_model) if produced else 0
    return Usage(
        input_tokens=count_prompt(raw, record.upstream_model),
        output_tokens=max(output, min(produced_events, 1)),
        estimated=True,
    )
