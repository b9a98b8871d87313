"""Writes vectors as OpenAI's response. Pure. Numbers pass as the provider wrote them; only base64 decodes them."""

from __future__ import annotations

import base64
import sys
from array import array
from collections.abc import Sequence
from typing import Final

import msgspec

from providers.embeddings.request import Encoding
from providers.json_scan.limits import MalformedAnswer
from providers.usage import Usage

_encode = msgspec.json.Encoder().encode
_decode = msgspec.json.Decoder(list[float]).decode
_IS_BIG_ENDIAN: Final = sys.byteorder == "big"


class Vectors(msgspec.Struct, frozen=True):
    """The vectors of one response, each a JSON list, in the order of its texts. `tokens` None: it did not say."""

    vectors: Sequence[msgspec.Raw]
    tokens: int | None = None


def encoded(vector: msgspec.Raw, encoding: Encoding) -> bytes:
    """Return the JSON of one vector: the list, or base64 of little-endian 32-bit floats. Raises MalformedAnswer."""
    raw = bytes(vector)
    if encoding == "float":
        if not raw.startswith(b"["):
            raise MalformedAnswer("a vector that is no list")
        return raw
    try:
        numbers = array("f", _decode(raw))
    except (msgspec.DecodeError, OverflowError) as error:
        raise MalformedAnswer(f"a vector that is no list of numbers: {error}") from error
    if _IS_BIG_ENDIAN:
        numbers.byteswap()
    return b'"%b"' % base64.b64encode(numbers)


def document(vectors: Sequence[bytes], alias: str, usage: Usage | None) -> bytes:
    """Return OpenAI's document for encoded vectors; a usage that is unknown is stated as zero."""
    tokens = usage.total_input_tokens if usage is not None else 0
    data = b",".join(
        [
            b'{"object":"embedding","index":%d,"embedding":%b}' % (at, vector)
            for at, vector in enumerate(vectors)
        ]
    )
    return b'{"object":"list","data":[%b],"model":%b,"usage":{"prompt_tokens":%d,"total_tokens":%d}}' % (
        data,
        _encode(alias),
        tokens,
        tokens,
    )
