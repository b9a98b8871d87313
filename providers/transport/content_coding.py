"""The content coding of an answer: providers compress although they are told not to (RFC 9110, 8.4.1). Pure."""

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
}  # IANA's, those of HTTP bodies
_METHOD: Final = 0x0F  # of the first byte of zlib (RFC 1950, 2.2); 8 is the only one
_DEFLATE, _GZIP_BEGINS = 0x08, 0x1F


def coding_of(value: str) -> str:
    """Return the coding that a Content-Encoding names; "": none. What is no coding (`utf-8`, `none`, `identity`) was
    written by mistake and says nothing, as HTTP clients read it.
    """
    names = [name.strip().lower() for name in value.split(",")]
    return ", ".join([name for name in names if name in _CODINGS])


def unzipping(coding: str, body: bytes) -> zlib._Decompress:
    """Return what reads a body that begins so. Raises ValueError for a coding that is not read here.

    Some servers send `deflate` without the zlib format around it, which RFC 9110 tells clients to expect.
    """
    if coding not in _ZIPPED:
        raise ValueError(f"an answer encoded with {coding!r:.40}")
    is_bare = body[0] & _METHOD != _DEFLATE and body[0] != _GZIP_BEGINS
    return zlib.decompressobj(-zlib.MAX_WBITS if coding == "deflate" and is_bare else _ZLIB_OR_GZIP)
