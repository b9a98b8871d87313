"""Usage x price -> integer nano-USD with line items. Pure; rounds up once per call."""

from __future__ import annotations

import msgspec


class ImageRate(msgspec.Struct, frozen=True, array_like=True):
    rate: int
    size: str = ""
    quality: str = ""


class PriceSheet(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """The price row in force, frozen into the call. Every rate is an integer: nano-USD per million units.

    A unit is a token, a second of audio, a character, a request or an image. None means "not priced separately":
    cached and cache-write tokens then cost `input`, reasoning costs `output`, audio tokens cost their side's text rate.
    """

    id: int = 0
    source: str = "config"  # config | admin | map
    free: bool = False
    input: int | None = None
    output: int | None = None
    cached_input: int | None = None
    cache_write: int | None = None
    reasoning: int | None = None
    audio_input: int | None = None
    audio_output: int | None = None
    image: int | None = None
    images: tuple[ImageRate, ...] = ()
    second: int | None = None
    character: int | None = None
    request: int | None = None
