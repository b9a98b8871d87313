"""Decompresses bodies (RFC 9110, 8.4.1) step by step, within a size limit.

A body of a few kilobytes may become gigabytes, so the output is counted during decompression. Pure: the caller decides
where a step runs. Gzip is RFC 1952, zstd RFC 8878.
"""

from __future__ import annotations

import io
import sys
import zlib
from collections.abc import Iterable
from typing import Final, NamedTuple, Protocol

if sys.version_info >= (3, 14):
    from compression import zstd
else:
    from backports import zstd

ACCEPTED: Final = "gzip, zstd"
ACCEPT_ENCODING: Final = (b"accept-encoding", ACCEPTED.encode())  # sent with a 415 (RFC 9110, 12.5.3)
MOST_CODINGS: Final = 2  # one applied after another
MOST_MEMBERS: Final = 1024  # per body; each costs as much as many bytes
FREE: Final = 1024 * 1024  # output bytes that are always allowed,
RATIO: Final = 1000  # or this many times the input: about gzip's maximum; zstd has no bound
PIECE: Final = 64 * 1024  # input bytes at a time
_MOST_OUT: Final = 256 * 1024  # output bytes at a time
_GZIP: Final = 16 + zlib.MAX_WBITS
# RFC 9659: HTTP content needs no larger window, and each window takes memory.
_WINDOW: Final[dict[int, int]] = {zstd.DecompressionParameter.window_log_max: 23}


class UnknownCoding(Exception):
    """The body has a Content-Encoding that is not supported here, or too many of them."""

    def __init__(self) -> None:
        super().__init__(
            f"Send the body without Content-Encoding, or with {MOST_CODINGS} of these at most: {ACCEPTED}."
        )


class BadCoding(Exception):
    """The body does not match its Content-Encoding, or ends too early."""


class Overgrown(Exception):
    """The body becomes larger than `most` bytes."""

    def __init__(self, most: int) -> None:
        self.most = most
        super().__init__(f"the body becomes larger than {most} bytes")


class Taken(NamedTuple):
    """The output of a piece, how much of the piece was used, and whether a member has ended with it."""

    out: bytes
    used: int
    is_end: bool


class Member(Protocol):
    """One compressed stream; a body is one or several of them."""

    def take(self, piece: memoryview) -> Taken: ...


class _Gzip:
    def __init__(self) -> None:
        self._stream = zlib.decompressobj(_GZIP)

    def take(self, piece: memoryview) -> Taken:
        out = self._stream.decompress(piece, _MOST_OUT)
        is_end = self._stream.eof
        # At the end both attributes are set.
        left = self._stream.unused_data if is_end else self._stream.unconsumed_tail
        return Taken(out, len(piece) - len(left), is_end)


class _Zstd:
    def __init__(self) -> None:
        self._stream = zstd.ZstdDecompressor(options=_WINDOW)

    def take(self, piece: memoryview) -> Taken:
        if not self._stream.needs_input:
            piece = piece[:0]  # it buffers its input
        out = self._stream.decompress(piece, _MOST_OUT)
        is_end = self._stream.eof
        return Taken(out, len(piece) - (len(self._stream.unused_data) if is_end else 0), is_end)


CODINGS: Final[dict[str, type[_Gzip | _Zstd]]] = {"gzip": _Gzip, "x-gzip": _Gzip, "zstd": _Zstd}


def codings_of(values: Iterable[str]) -> list[str]:
    """Return the codings of a body in the order in which they were applied. Raises UnknownCoding."""
    names = [name.strip().lower() for value in values for name in value.split(",")]
    codings = [name for name in names if name not in {"", "identity"}]
    if len(codings) > MOST_CODINGS or not CODINGS.keys() >= set(codings):
        raise UnknownCoding
    return codings


class Decoding:
    """One body in one coding, which may expand to `limit` bytes. Raises BadCoding and Overgrown."""

    def __init__(self, coding: str, data: bytes, limit: int) -> None:
        self._new, self._coding = CODINGS[coding], coding
        self._data, self._at = memoryview(data), 0
        self._most = min(limit, max(FREE, RATIO * len(data)))
        self._member: Member = self._new()
        self._members, self._out = 1, io.BytesIO()
        self.size = 0
        self.is_done = False

    def advance(self, work: int) -> None:
        """Process about this many bytes, input and output together."""
        while work > 0 and not self.is_done:
            piece = self._data[self._at : self._at + PIECE]
            try:
                out, used, is_end = self._member.take(piece)
            except (zlib.error, zstd.ZstdError, MemoryError) as error:
                raise BadCoding(
                    f"The body is not the {self._coding} that its Content-Encoding says."
                ) from error
            self._at += used
            self._keep(out)
            work -= len(out) + used + 1
            if is_end:
                self._end_member()
            elif not out and not used:
                raise BadCoding(f"The body ends before its {self._coding} does.")

    def result(self) -> bytes:
        """Return the output without a copy."""
        return self._out.getvalue()

    def _keep(self, out: bytes) -> None:
        self.size += len(out)
        if self.size > self._most:
            raise Overgrown(self._most)
        self._out.write(out)

    def _end_member(self) -> None:
        self.is_done = self._at == len(self._data)
        if not self.is_done:
            self._members += 1
            if self._members > MOST_MEMBERS:
                raise BadCoding(f"The body has more than {MOST_MEMBERS} {self._coding} members.")
            self._member = self._new()
