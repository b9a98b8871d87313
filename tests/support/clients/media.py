"""Pictures and sounds for tests, with the headers that a test needs."""

from __future__ import annotations

import base64
import struct
import zlib


def data_url(data: bytes, kind: str = "image/png") -> str:
    return f"data:{kind};base64,{base64.b64encode(data).decode()}"


def png(width: int, height: int, padding: int = 0) -> bytes:
    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", bytes(padding)) + chunk(b"IEND", b"")


def jpeg(width: int, height: int, padding: int = 0) -> bytes:
    """With an application segment before the frame, as cameras write, and scan data behind it."""

    def segment(marker: int, data: bytes) -> bytes:
        return bytes([0xFF, marker]) + struct.pack(">H", len(data) + 2) + data

    before = b"".join(segment(0xE1, bytes(min(60_000, padding - at))) for at in range(0, padding, 60_000))
    frame = segment(0xC0, struct.pack(">BHHB", 8, height, width, 3) + bytes(9))
    return (
        b"\xff\xd8"
        + segment(0xE0, b"JFIF\0" + bytes(9))
        + before
        + frame
        + segment(0xDA, bytes(10))
        + b"\xff\xd9"
    )


def webp(width: int, height: int, padding: int = 0) -> bytes:
    canvas = bytes(4) + (width - 1).to_bytes(3, "little") + (height - 1).to_bytes(3, "little")
    body = b"WEBPVP8X" + struct.pack("<I", 10) + canvas + bytes(padding)
    return b"RIFF" + struct.pack("<I", len(body)) + body


def gif() -> bytes:
    return b"GIF89a" + struct.pack("<HH", 10, 10) + bytes(40)


def bmp() -> bytes:
    return b"BM" + bytes(60)


def wav(seconds: int, rate: int = 16_000) -> bytes:
    data = bytes(seconds * rate * 2)
    form = struct.pack("<HHIIHH", 1, 1, rate, rate * 2, 2, 16)
    body = b"WAVEfmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(data)) + data
    return b"RIFF" + struct.pack("<I", len(body)) + body


def mp3(frames: int) -> bytes:
    """Return frames of 128 kbit/s at 44,100 Hz, behind a tag."""
    frame = b"\xff\xfb\x90\x00" + bytes(413)
    return b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + frame * frames
