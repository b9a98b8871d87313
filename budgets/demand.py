"""What a request may consume at most, as the endpoint's peek read it. A pure value without prices."""

from __future__ import annotations

import msgspec


class Demand(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The quantities that bound a call. Every field is an upper bound, or None where the client set none.

    kind: chat | embeddings | images | speech | transcription | moderation | rerank.
    """

    kind: str = "chat"
    body_bytes: int = 0  # UTF-8 bytes of the prompt's JSON
    input_tokens: int | None = None  # a bound from a real count, without pictures; set by worst_case.counted
    output_cap: int | None = None  # max_completion_tokens or max_tokens, per choice
    n: int = 1  # choices
    messages: int = 1
    tools: bool = False  # functions are offered: providers put text of their own around them
    images_in: int = 0  # image parts in the prompt
    image_quantity: int = 0  # images to produce
    image_size: str = ""
    image_quality: str = ""
    audio_ms: int = 0  # length of audio given, or the most that may be produced
    characters: int = 0  # text to speak
