"""Large events of a stream (images, long logprobs): parsed in another process, and passed on unchanged.

`parse_event` runs in that process (gateway/parsing/heavy_process.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway.values.fallback_log import FALLBACKS
from providers.dialects.base import ParsedEvent
from providers.dialects.lenient.large_responses import DEEPEST, MOST, MOST_VALUES, MOST_WORDS, RUNS
from providers.dialects.lenient.loose import loosely, sound_in
from providers.dialects.openai.chunks import LooseChoice
from providers.errors.inner_errors import body_of, choice_error, error_body
from providers.json_scan.lenient import read_deep
from providers.json_scan.limits import NO_LIMIT, Limits, NotJson, OverLimit
from providers.json_scan.outline import outline_of
from providers.json_scan.repaired import mended
from providers.processes.work_process import WorkFailed
from providers.reported_usage.places import merged, usage_elsewhere, usage_of_twins
from providers.reported_usage.reading import UsageJson
from providers.requests.layout import Unfit, layout_of

if TYPE_CHECKING:
    from providers.processes.heavy_work import Share

MOST_CHOICES: Final = 1_024  # of one event; a request has at most 128
MOST_USAGE: Final = (
    16 * 1024
)  # bytes of usage; lists in place of numbers would take sixty times as much memory
MOST_SEEN: Final = 8 * 1024 * 1024  # bytes sent back through the pipe
_LIMITS: Final = Limits(
    DEEPEST, NO_LIMIT, NO_LIMIT, NO_LIMIT, MOST_VALUES, MOST, frozenset({"choices"}), RUNS
)
_LONG_ERROR: Final = b'{"error":{"message":"an error of many words"}}'


def parse_event(raw: bytes) -> ParsedEvent:
    """Parse an event of any size."""
    try:
        try:
            outline = outline_of(raw, _LIMITS)
        except NotJson:
            sane = mended(raw)
            if sane is None:
                raise
            raw, outline = sane, outline_of(sane, _LIMITS)
        layout = layout_of(raw, outline, frozenset({"model"}))
    except (OverLimit, NotJson, Unfit) as fault:
        return ParsedEvent(str(fault)[:MOST_WORDS] or type(fault).__name__)
    document = read_deep(raw)
    if not isinstance(document, dict):
        return ParsedEvent("not a chunk")
    chunk = loosely(document)
    usage, elsewhere = usage_of_twins(raw, outline) or chunk.usage or None, usage_elsewhere(document)
    if elsewhere is not None:
        usage = merged(usage, elsewhere)
    failed = choice_error(document.get("choices"))
    if failed is None and chunk.x_groq is not None and chunk.x_groq.error:
        failed = body_of(chunk.x_groq.error)
    if failed is None and not chunk.choices and not chunk.error:
        failed = error_body(_LONG_ERROR, document)
    if failed is not None or chunk.error:
        is_small = len(msgspec.msgpack.encode(_portable(usage))) <= MOST_USAGE
        return ParsedEvent(error=failed or _LONG_ERROR, usage=usage if is_small else None)
    choices = [_small(each) for each in chunk.choices or () if isinstance(each, LooseChoice)]
    tier = chunk.service_tier if isinstance(chunk.service_tier, str) else None
    seen = ParsedEvent("", None, choices, _portable(usage), tier, layout)
    is_too_much = (
        len(choices) > MOST_CHOICES
        or len(msgspec.msgpack.encode(usage)) > MOST_USAGE
        or len(msgspec.msgpack.encode(seen)) > MOST_SEEN
    )
    return ParsedEvent("it holds more than any server writes") if is_too_much else seen


def _portable(usage: UsageJson | None) -> UsageJson | None:
    """Remove from a usage what cannot be serialized: integers of more than 64 bits, which are no valid counts."""
    for name in usage.__struct_fields__ if usage is not None else ():
        value = getattr(usage, name)
        try:
            msgspec.msgpack.encode(value)
        except OverflowError:  # becomes an invalid count (providers/reported_usage/reading.py)
            setattr(usage, name, -1 if isinstance(value, int) else None)
    return usage


def _small(choice: LooseChoice) -> LooseChoice:
    """Return the part of a choice to send back through the pipe: no audio, only its size."""
    delta = choice.delta
    if delta is not None and delta.audio is not None:
        choice.unread_sound, words = sound_in(delta.audio)
        choice.unread_bytes += words
        choice.has_more, delta.audio = True, None
    return choice


async def read_large_event(share: Share, raw: bytes) -> ParsedEvent:
    """Parse an event in another process."""
    try:
        return await share.run(ParsedEvent, "event", raw)
    except WorkFailed as fault:
        FALLBACKS.note("large_events", fault)
        return ParsedEvent(f"an event of {len(raw)} bytes could not be read: {fault}")
