"""The usage of a call that the provider did not report: counted with the tokenizer, marked as an estimate, never zero
for produced output. Texts beyond 10 kB are counted in a thread, so that the event loop is not blocked.
"""

from __future__ import annotations

import asyncio

import msgspec
from msgspec.structs import replace

from metering.journal.records import Open
from providers.json_scan.outline import is_large
from providers.processes.heavy_work import HeavyWork
from providers.tokens.count import count
from providers.tokens.prompt import count_prompt, count_prompt_in_process
from providers.usage import Usage

IN_THREAD_BYTES = 10_000


class Produced(msgspec.Struct, frozen=True):
    """What was received of a call: text, the tokens of what is not in it any more, and the events that had content."""

    text: str = ""
    counted: int = 0
    events: int = 0


async def estimate(
    record: Open,
    raw: bytes,
    produced: Produced,
    reported: Usage | None = None,
    heavy: HeavyWork | None = None,
) -> Usage:
    """Return the estimated usage from the request body and what was received; a side that was reported is kept."""
    prompt_tokens = None
    if heavy is not None and is_large(raw) and not (reported is not None and reported.total_input_tokens):
        share = heavy.share(record.tenant_id)
        prompt_tokens = (await count_prompt_in_process(share, raw, record.upstream_model)).tokens
    if len(raw) + len(produced.text) > IN_THREAD_BYTES:
        return await asyncio.to_thread(_count, record, raw, produced, reported, prompt_tokens)
    return _count(record, raw, produced, reported, prompt_tokens)


def _count(
    record: Open, raw: bytes, produced: Produced, reported: Usage | None, prompt_tokens: int | None = None
) -> Usage:
    """`prompt_tokens`: of the prompt, where they were counted already."""
    written = count(produced.text, record.upstream_model) if produced.text else 0
    output = max(produced.counted + written, min(produced.events, 1))
    if reported is not None and reported.total_input_tokens:
        beyond = max(0, output - reported.total_output_tokens)
        return replace(reported, output_tokens=reported.output_tokens + beyond, estimated=True)
    if prompt_tokens is None:
        prompt_tokens = count_prompt(raw, record.upstream_model).tokens
    if reported is not None and reported.total_output_tokens:
        return replace(reported, input_tokens=prompt_tokens, estimated=True)
    return Usage(input_tokens=prompt_tokens, output_tokens=output, estimated=True)
