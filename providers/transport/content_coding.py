"""The content coding of a response: some providers ignore `identity` and compress (RFC 9110, 8.4.1). Pure."""

from __future__ import annotations

import zlib
from typing import Final

_ZLIB_OR_GZIP: Final = zlib.MAX_WBITS | 32
_ZIPPED: Final = frozenset({"gzip", "x-gzip", "deflate"})
_CODINGS: Final = _ZIPPED | {
    "br",
    "compress",
    "dcb",
    "dcz",
    "x-compress",
    "zstd",
}  # IANA's registry, those of HTTP bodies
_METHOD: Final = 0x0F  # in the first byte of zlib (RFC 1950, 2.2); 8 is the only method
_DEFLATE, _GZIP_BEGINS = 0x08, 0x1F


def coding_of(value: str) -> str:
    """Return the coding of a Content-Encoding; "": none. A value that is no coding (`utf-8`, `none`, `identity`) is a
    mistake and is ignored, as in other HTTP clients.
    """
    names = [name.strip().lower() for name in value.split(",")]
    return ", ".join([name for name in names if name in _CODINGS])


def unzipping(coding: str, body: bytes) -> zlib._Decompress:
    """Return the decompressor for a body that begins so. Raises ValueError for an unsupported coding.

    Some servers send `deflate` without the zlib wrapper, as RFC 9110 notes.
    """
    if coding not in _ZIPPED:
        raise ValueError(f"an answer encoded with {coding!r:.40}")
    is_bare = body[0] & _METHOD != _DEFLATE and body[0] != _GZIP_BEGINS
    return zlib.decompressobj(-zlib.MAX_WBITS if coding == "deflate" and is_bare else _ZLIB_OR_GZIP)
