"""An upper bound of the duration of audio in a request, from its own bytes: uncompressed samples and MP3.

Silence in other codecs (FLAC, Opus, AAC) takes almost no bytes, so their size gives no bound.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Sequence
from typing import Final, NamedTuple

SLOWEST_BYTES_PER_MS: Final = 1  # 8 kbit/s, the minimum of MP3
_EXTENSIBLE: Final = 0xFFFE  # the header names the codec further on
_FASTEST_HERTZ: Final = 768_000  # of samples; a higher rate is a header that understates the duration
_TAG: Final = 10  # bytes of an ID3 header
_ID3V1, _APE, _APE_END = (
    128,
    32,
    24,
)  # bytes of a tag, of a header or footer, and of the footer after its signature
_RATES_1: Final = (
    0,
    32,
    40,
    48,
    56,
    64,
    80,
    96,
    112,
    128,
    160,
    192,
    224,
    256,
    320,
)  # MPEG 1 layer III, kbit/s
_RATES_2: Final = (0, 8, 16, 24, 32, 40, 48, 56, 64, 80, 96, 112, 128, 144, 160)
_SAMPLING: Final = {3: (44_100, 48_000, 32_000), 2: (22_050, 24_000, 16_000), 0: (11_025, 12_000, 8_000)}


# The accepted format names, without `audio/` and `x-`; a server that gets another name may look for that codec.
_WAVE: Final = frozenset({"wav", "wave", "pn-wav", "vnd.wave"})
_MPEG: Final = frozenset({"mp3", "mpeg", "mpeg3", "mpga", "mpeg-3"})
_UNSAID: Final = frozenset({"", "application/octet-stream"})


class Sound(NamedTuple):
    """`is_bounded` False: a codec that is not measured here, so the duration may exceed `most_ms`."""

    most_ms: int
    is_bounded: bool = True


def sound_in(data: str, stated: Sequence[str] = ()) -> Sound | None:
    """Return the longest duration of base64 text as audio, line breaks allowed; None: it is not base64.

    `stated`: the formats or media types stated in the request. With one that does not match, there is no bound.
    """
    whole = "".join(data.split())
    try:
        sound = base64.b64decode(whole + "=" * (-len(whole) % 4), validate=True)
    except (binascii.Error, ValueError):
        return None
    is_wave = sound[:4] == b"RIFF" and sound[8:12] == b"WAVE"
    found = _wave(sound) if is_wave else _mpeg(sound)
    is_so = {_coding(each) for each in stated} <= (_WAVE if is_wave else _MPEG) | _UNSAID
    return found if is_so else Sound(max(found.most_ms, len(sound) // SLOWEST_BYTES_PER_MS), is_bounded=False)


def _coding(stated: str) -> str:
    name = stated.strip().lower()
    return name.removeprefix("audio/").removeprefix("x-")


def _wave(sound: bytes) -> Sound:
    """Measure samples by their own rate; other codecs, or an inconsistent header, are not bounded."""
    slowest = Sound(len(sound) // SLOWEST_BYTES_PER_MS + 1, is_bounded=False)
    at = _format(sound)
    if at is None or len(sound) < at + 24:
        return slowest
    coding = int.from_bytes(sound[at + 8 : at + 10], "little")
    channels = int.from_bytes(sound[at + 10 : at + 12], "little")
    if coding == _EXTENSIBLE:
        coding = int.from_bytes(sound[at + 32 : at + 34], "little")
    rate = int.from_bytes(sound[at + 12 : at + 16], "little")
    per_second = int.from_bytes(sound[at + 16 : at + 20], "little")
    per_sample = int.from_bytes(sound[at + 20 : at + 22], "little")
    bits = int.from_bytes(sound[at + 22 : at + 24], "little")
    if (
        coding not in {1, 3}
        or not channels
        or bits not in {8, 16, 24, 32}
        or rate > _FASTEST_HERTZ
        or (per_sample, per_second) != (channels * bits // 8, rate * per_sample)
        or sound.count(b"fmt ") != 1  # a second one may be read instead, wherever it is
    ):
        return slowest
    return Sound(-(-len(sound) * 1000 // per_second)) if per_second else slowest


def _format(sound: bytes) -> int | None:
    """Return the offset of the format chunk, found as decoders do: from chunk to chunk."""
    at = 12
    while at + 8 <= len(sound):
        if sound[at : at + 4] == b"fmt ":
            return at
        size = int.from_bytes(sound[at + 4 : at + 8], "little")
        at += 8 + size + size % 2
    return None


def _mpeg(sound: bytes) -> Sound:
    """Measure frame by frame; after the last valid frame, the rest counts as MP3's lowest bit rate. Only tags may
    follow: a decoder that searches may find audio of another codec in anything else.
    """
    at, micros = _after_tag(sound), 0
    if _frame(sound[at : at + 4]) is None:
        at = 0  # no frame follows the tag: do not skip it
    first = _frame(sound[at : at + 4])
    is_mpeg = first is not None and at + first[0] <= len(sound)
    while at + 4 <= len(sound):
        frame = _frame(sound[at : at + 4])
        if frame is None:
            break
        at += frame[0]
        micros += frame[1]
    rest = max(0, len(sound) - at) // SLOWEST_BYTES_PER_MS
    return Sound(-(-micros // 1000) + rest + 1, is_mpeg and _is_tags(sound[at:]))


def _is_tags(rest: bytes) -> bool:
    """Whether every decoder ignores what follows the frames: zeros, or the tags ID3v1 and APE."""
    if not rest.strip(b"\0"):
        return True
    if len(rest) >= _ID3V1 and rest[-_ID3V1:][:3] == b"TAG":
        rest = rest[:-_ID3V1]
    if rest[-_APE:-_APE_END] == b"APETAGEX":
        size = int.from_bytes(rest[-20:-16], "little")  # includes the footer, not the header
        return len(rest) == size or (len(rest) == size + _APE and rest[:8] == b"APETAGEX")
    return not rest.strip(b"\0")


def _after_tag(sound: bytes) -> int:
    if sound[:3] != b"ID3" or len(sound) < _TAG:
        return 0
    size = 0
    for byte in sound[6:10]:
        size = size << 7 | byte & 0x7F
    return size + _TAG


def _frame(head: bytes) -> tuple[int, int] | None:
    """Return the bytes and microseconds of an MPEG layer III frame, or None."""
    if len(head) < 4:  # noqa: PLR2004 - a frame's header
        return None
    version, layer = head[1] >> 3 & 3, head[1] >> 1 & 3
    rate, sampling = head[2] >> 4, head[2] >> 2 & 3
    if head[0] != 0xFF or head[1] < 0xE0 or version == 1 or layer != 1 or not 0 < rate < 15 or sampling == 3:  # noqa: PLR2004
        return None
    samples, rates = (1152, _RATES_1) if version == 3 else (576, _RATES_2)  # noqa: PLR2004 - MPEG 1, else 2
    hertz = _SAMPLING[version][sampling]
    size = samples // 8 * rates[rate] * 1000 // hertz + (head[2] >> 1 & 1)
    return size, samples * 1_000_000 // hertz + 1
