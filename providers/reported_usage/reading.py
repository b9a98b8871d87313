"""Converts OpenAI's usage objects to the disjoint Usage. Pure. A provider's mistake never gives negative or huge costs.

Reads chat and embeddings (`prompt_tokens`), images, responses and transcriptions (`input_tokens`, `seconds`).
Source: the OpenAI API reference; the quirks of compatible providers are named where they are handled. The places of
a usage, and how several are merged, are in providers/reported_usage/places.py.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec
from msgspec import UNSET, UnsetType

from providers.usage import LONGEST_TOOL, OTHER_TOOLS, USUAL_TIERS, ToolCount, Usage

# More tokens than any single call can use. A larger number is an error, not a count.
MAX_TOKENS: Final = 100_000_000
MAX_SECONDS: Final = 1_000_000
_BAD: Final = -1  # a value that is present and invalid
_DIGITS: Final = 9


class UsageJson(msgspec.Struct):
    """The members that are read, of any type: a wrong type must not make the whole response undecodable."""

    prompt_tokens: Any = None
    completion_tokens: Any = None
    input_tokens: Any = None
    output_tokens: Any = None
    total_tokens: Any = None
    prompt_tokens_details: Any = None
    completion_tokens_details: Any = None
    input_tokens_details: Any = None
    input_token_details: Any = None  # transcriptions
    output_tokens_details: Any = None
    seconds: Any = None
    cache_creation: Any = None  # Anthropic's split of writes by lifetime
    server_tool_use: Any = None  # Anthropic's count of searches, which others have adopted
    inference_geo: Any = None
    prompt_cache_hit_tokens: Any = None  # DeepSeek: inside prompt_tokens
    cached_tokens: Any = None  # Moonshot, Together: likewise
    cache_read_input_tokens: Any = None  # Anthropic: beside input_tokens; in bridges' prompt_tokens, inside
    cache_creation_input_tokens: Any = None


def usage_json(value: Any) -> UsageJson | UnsetType | None:
    """Return a usage object; UNSET for another type (a list, a string)."""
    if not isinstance(value, dict):
        return None if value is None else UNSET
    return msgspec.convert(value, UsageJson)


def usage_of(given: UsageJson) -> Usage | None:
    """Return the disjoint vector; its sides sum to the provider's totals.

    `estimated` marks a vector that had to be repaired. None: no usable usage, so the caller must count tokens.
    """
    name, other = given.prompt_tokens, given.input_tokens
    reads = count_of(name if name or other is None else other)  # a zero beside another count is ignored
    name, other = given.completion_tokens, given.output_tokens
    writes = count_of(name if name or other is None else other)
    total = count_of(given.total_tokens)
    if reads is None and writes is None:
        return _duration(given.seconds)
    flawed = _needs_repair(reads, writes, total)
    sides = _derive(reads, writes, total) if flawed else (reads or 0, writes or 0)
    if sides is None:
        return None
    reads, writes = sides
    hidden = total - reads - writes if total is not None else 0
    reasoning = audio_out = cached = cache_write = audio_in = 0
    details = given.completion_tokens_details or given.output_tokens_details
    if details or hidden > 0:
        writes, reasoning, audio_out, cut = _split_output(details, writes, hidden)
        flawed = flawed or cut
    details, outside = _input_details(given)
    reads += outside
    if details:
        cached, cache_write, audio_in, cut = _split_input(details, reads)
        flawed = flawed or cut
    found = Usage(
        input_tokens=reads - cached - cache_write - audio_in,
        cached_input_tokens=cached,
        cache_write_tokens=cache_write,
        audio_input_tokens=audio_in,
        output_tokens=writes - reasoning - audio_out,
        reasoning_tokens=reasoning,
        audio_output_tokens=audio_out,
        estimated=flawed,
    )
    is_plain = not cache_write and given.server_tool_use is None and given.inference_geo is None
    return _with_pictures(found if is_plain else _with_terms(found, given, details), given)


def _input_details(given: UsageJson) -> tuple[Any, int]:
    """Return the input details with the cache counts stated beside them, and tokens missing from the input.

    Where the details state them too, the details count.
    """
    details = given.prompt_tokens_details or given.input_tokens_details or given.input_token_details
    hits = given.prompt_cache_hit_tokens or given.cached_tokens or given.cache_read_input_tokens
    made = given.cache_creation_input_tokens
    if not hits and not made:
        return details, 0
    known = dict(details) if isinstance(details, dict) else {}
    read, written = _part({"n": hits}, "n")[0], _part({"n": made}, "n")[0]
    is_outside = not given.prompt_tokens and bool(given.input_tokens) and not known
    known["cached_tokens"] = known.get("cached_tokens") or read
    if not known.get("cache_write_tokens") and not known.get("cache_creation_tokens"):
        known["cache_write_tokens"] = written
    return known, read + written if is_outside else 0


def in_tier(usage: Usage | None, tier: Any) -> Usage | None:
    """Note the tier that the response reports, unless it is the usual one."""
    if usage is None or not isinstance(tier, str) or tier in USUAL_TIERS:
        return usage
    return msgspec.structs.replace(usage, service_tier=tier[:64])


def _split_output(details: Any, writes: int, hidden: int) -> tuple[int, int, int, bool]:
    """Return all output tokens, reasoning, audio, and whether the parts had to be repaired.

    `hidden` is what total_tokens has beyond both sides: xAI and Gemini leave thinking tokens out of the sides.
    """
    reasoning, bad_reasoning = _part(details, "reasoning_tokens")
    audio, bad_audio = _part(details, "audio_tokens")
    flawed = bad_reasoning or bad_audio
    if hidden > 0:
        flawed = flawed or hidden != reasoning
        writes += hidden
        reasoning = max(reasoning, hidden)
    if reasoning + audio > writes:
        flawed = True
        audio = min(audio, writes)
        reasoning = min(reasoning, writes - audio)
    return writes, reasoning, audio, flawed


def _split_input(details: Any, reads: int) -> tuple[int, int, int, bool]:
    """Return cached, cache write, audio, and whether they had to be cut: the more expensive part is kept."""
    cached, bad_cached = _part(details, "cached_tokens")
    cache_write, bad_write = _part(details, "cache_write_tokens")
    if not cache_write:
        cache_write, bad_write = _part(details, "cache_creation_tokens")
    audio, bad_audio = _part(details, "audio_tokens")
    flawed = bad_cached or bad_write or bad_audio
    if cached + cache_write + audio > reads:
        flawed = True
        audio = min(audio, reads)
        cache_write = min(cache_write, reads - audio)
        cached = min(cached, reads - audio - cache_write)
    return cached, cache_write, audio, flawed


def _with_pictures(usage: Usage, given: UsageJson) -> Usage:
    """Separate image tokens from those of no other part: cached ones (xAI) are counted as cached."""
    read = given.prompt_tokens_details or given.input_tokens_details
    written = given.completion_tokens_details or given.output_tokens_details
    reads = min(_part(read, "image_tokens")[0], usage.input_tokens) if read else 0
    writes = min(_part(written, "image_tokens")[0], usage.output_tokens) if written else 0
    if not reads and not writes:
        return usage
    return msgspec.structs.replace(
        usage,
        input_tokens=usage.input_tokens - reads,
        image_input_tokens=reads,
        output_tokens=usage.output_tokens - writes,
        image_output_tokens=writes,
    )


def _with_terms(usage: Usage, given: UsageJson, details: Any) -> Usage:
    """Add what a price may depend on besides tokens: lifetimes of cache writes, tools, the location."""
    kept_long = min(usage.cache_write_tokens, _kept_long(given, details))
    return msgspec.structs.replace(
        usage,
        cache_write_tokens=usage.cache_write_tokens - kept_long,
        cache_write_1h_tokens=kept_long,
        tool_calls=_tools(given.server_tool_use),
        place=given.inference_geo[:64] if isinstance(given.inference_geo, str) else "",
    )


def _kept_long(given: UsageJson, details: Any) -> int:
    """Return the cache writes that are kept for an hour or longer."""
    split = details.get("cache_write_tokens_details") if isinstance(details, dict) else None
    longest, _ = _part(given.cache_creation or {}, "ephemeral_1h_input_tokens")
    return max(longest, _part(split or {}, "ttl_12h_tokens")[0], _part(split or {}, "ttl_1h_tokens")[0])


def _tools(used: Any) -> tuple[ToolCount, ...]:
    """Return the tool calls: `web_search_requests` counts calls of `web_search`. Too long names are summed."""
    if type(used) is not dict:
        return ()
    counts: dict[str, int] = {}
    too_long = 0
    for stated in used:
        quantity, name = _part(used, stated)[0], stated.removesuffix("_requests")
        if len(name) > LONGEST_TOOL:
            too_long += quantity
        elif quantity:
            counts[name] = max(quantity, counts.get(name, 0))  # stated under both names
    if too_long:
        counts[OTHER_TOOLS] = counts.get(OTHER_TOOLS, 0) + too_long
    return tuple([ToolCount(name, quantity) for name, quantity in counts.items()])


def _needs_repair(reads: int | None, writes: int | None, total: int | None) -> bool:
    """Whether a side is missing or impossible. No output at all is valid for embeddings."""
    if reads is None or _BAD in (reads, writes):
        return True
    return writes is None and total is not None and total > reads


def _derive(reads: int | None, writes: int | None, total: int | None) -> tuple[int, int] | None:
    """Compute the missing side from the total and the valid side."""
    if total is None or total == _BAD:
        return (0, writes) if reads is None and writes is not None and writes > 0 else None
    if reads is not None and reads >= 0:
        return (reads, total - reads) if total >= reads else None
    if writes is not None and writes >= 0:
        return (total - writes, writes) if total >= writes else None
    return None


def count_of(value: Any) -> int | None:
    """Return a token count, None for "not stated", _BAD for invalid values (words, fractions, negative, huge)."""
    if type(value) is int:
        return value if 0 <= value <= MAX_TOKENS else _BAD
    if value is None:
        return None
    if type(value) is str:  # as a string: Java servers that avoid large numbers
        return (
            count_of(int(value)) if len(value) <= _DIGITS and value.isdecimal() and value.isascii() else _BAD
        )
    if type(value) is float and 0 <= value <= MAX_TOKENS and value == int(value):
        return int(value)
    return _BAD


def _part(details: Any, name: str) -> tuple[int, bool]:
    """Return one member of the details and whether it was invalid."""
    if type(details) is not dict:
        return 0, details is not None
    value = details.get(name)
    if value is None:
        return 0, False
    count = count_of(value)
    if count is None:
        return 0, False
    return (0, True) if count == _BAD else (count, False)


def _duration(seconds: Any) -> Usage | None:
    """Return the usage of a transcription billed by time, rounded up to the next millisecond."""
    if type(seconds) in (int, float) and 0 < seconds <= MAX_SECONDS:
        return Usage(audio_ms=-int(-seconds * 1000 // 1))
    return None
