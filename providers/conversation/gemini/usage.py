"""Gemini's `usageMetadata` as the disjoint usage vector.

`promptTokenCount` holds what was read from the cache; `candidatesTokenCount` does not hold thoughts, and the prompts of
Google's own tools are outside of both. Counts that are absent are 0.
"""

from __future__ import annotations

from typing import Any, Final

from providers.usage import Usage

MOST_TOKENS: Final = 1 << 40  # of one count; more is no number of tokens
_TIERS: Final = {
    "ON_DEMAND": "default",
    "ON_DEMAND_PRIORITY": "priority",
    "ON_DEMAND_FLEX": "flex",
    "ON_DEMAND_OFFPEAK": "offpeak",
    "PROVISIONED_THROUGHPUT": "provisioned",
}
_COUNTS: Final = ("promptTokenCount", "candidatesTokenCount", "thoughtsTokenCount", "totalTokenCount")


def usage_of(metadata: Any) -> Usage | None:
    """Return the usage; None if it states no count (a stream's first events may only state the traffic type)."""
    if not isinstance(metadata, dict) or not any(_is_count(metadata.get(name)) for name in _COUNTS):
        return None
    prompt, cached = _count(metadata, "promptTokenCount"), _count(metadata, "cachedContentTokenCount")
    cached = min(cached, prompt)
    audio, image = _uncached(metadata, "AUDIO"), _uncached(metadata, "IMAGE")
    rest = prompt - cached
    audio = min(audio, rest)
    image = min(image, rest - audio)
    output = _count(metadata, "candidatesTokenCount")
    sound = min(_of_modality(metadata, "candidatesTokensDetails", "AUDIO"), output)
    picture = min(_of_modality(metadata, "candidatesTokensDetails", "IMAGE"), output - sound)
    return Usage(
        input_tokens=rest - audio - image + _count(metadata, "toolUsePromptTokenCount"),
        cached_input_tokens=cached,
        audio_input_tokens=audio,
        image_input_tokens=image,
        output_tokens=output - sound - picture,
        reasoning_tokens=_count(metadata, "thoughtsTokenCount"),
        audio_output_tokens=sound,
        image_output_tokens=picture,
        service_tier=_TIERS.get(str(metadata.get("trafficType")), ""),
    )


def _uncached(metadata: dict[str, Any], modality: str) -> int:
    whole = _of_modality(metadata, "promptTokensDetails", modality)
    return max(0, whole - _of_modality(metadata, "cacheTokensDetails", modality))


def _of_modality(metadata: dict[str, Any], name: str, modality: str) -> int:
    details = metadata.get(name)
    if not isinstance(details, list):
        return 0
    found = [each for each in details if isinstance(each, dict) and each.get("modality") == modality]
    return sum(_count(each, "tokenCount") for each in found)


def _is_count(value: Any) -> bool:
    return isinstance(value, int) and not isinstance(value, bool)


def _count(holder: dict[str, Any], name: str) -> int:
    value: Any = holder.get(name)
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return max(0, int(value)) if is_number and value < MOST_TOKENS else 0  # NaN is not less
