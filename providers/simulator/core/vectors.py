"""Unit vectors of texts, in which those that share words lie close. Deterministic. Pure."""

from __future__ import annotations

import hashlib
import math
import struct
from array import array

from providers.simulator.core.text import words_of

_OWN_SHARE = 0.02  # the share of a vector that depends on the whole text, beside its words


def unit_vector(features: list[str], dimensions: int) -> array[float]:
    """Hash every feature to a few signed places, add a little of the whole text, and scale to length one."""
    own = hashlib.shake_128("\0".join(features).encode("utf-8", "surrogatepass")).digest(dimensions)
    share = _OWN_SHARE * len(features) / 128
    raw = [(byte - 127.5) * share for byte in own]
    for feature in features:
        digest = hashlib.blake2b(feature.lower().encode("utf-8", "surrogatepass"), digest_size=16).digest()
        for place in struct.unpack("<8H", digest):
            raw[(place >> 1) % dimensions] += 1.0 if place & 1 else -1.0
    length = math.sqrt(sum(value * value for value in raw))
    return array("f", [value / length for value in raw])


def text_vector(text: str, dimensions: int) -> list[float]:
    return unit_vector(words_of(text) or [text], dimensions).tolist()
