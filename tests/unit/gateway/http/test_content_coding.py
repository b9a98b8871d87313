"""A compressed body is decoded in steps, up to its bound, or refused with the reason."""

from __future__ import annotations

import gzip
import tracemalloc
import zlib
from typing import Any

import pytest
from backports import zstd

from gateway.http.content_coding import (
    FREE,
    MOST_MEMBERS,
    RATIO,
    BadCoding,
    Decoding,
    Overgrown,
    UnknownCoding,
    codings_of,
)

MB = 1024 * 1024
TEXT = b'{"model":"m","messages":[{"role":"user","content":"caf\xc3\xa9 %d"}]}' % 17


def gzipped(text: bytes) -> bytes:
    return gzip.compress(text, 1)


PACK: dict[str, Any] = {"gzip": gzipped, "x-gzip": gzip.compress, "zstd": zstd.compress}


def bulk(size: int) -> bytes:
    """Return text that shrinks about as much as sentences do."""
    line = b"".join(b"%d %x; " % (number * 7919, number * 104_729) for number in range(2000))
    return (line * (size // len(line) + 1))[:size]


def decoded(coding: str, data: bytes, limit: int = 20 * MB, step: int = MB) -> bytes:
    decoding = Decoding(coding, data, limit)
    while not decoding.is_done:
        before = decoding.size
        decoding.advance(step)
        assert decoding.size - before <= step + 256 * 1024
    return decoding.result()


@pytest.mark.parametrize("step", [1, 1000, MB])
@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize("text", [b"", b"{}", TEXT, bulk(300_000)], ids=len)
def test_compressed_body_is_decompressed(coding, text, step):
    assert decoded(coding, PACK[coding](text), step=step) == text


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_a_body_may_be_of_several_members(coding):
    packed = b"".join(PACK[coding](part) for part in (TEXT, b"", bulk(100_000), b"end"))
    assert decoded(coding, packed) == TEXT + bulk(100_000) + b"end"


def test_skippable_frame_is_empty():
    assert decoded("zstd", b"\x50\x2a\x4d\x18\x03\x00\x00\x00abc" + zstd.compress(TEXT)) == TEXT


def test_stored_blocks_and_a_file_name_are_gzip_too():
    packer = zlib.compressobj(0, wbits=31)
    assert decoded("gzip", packer.compress(TEXT) + packer.flush()) == TEXT
    named = gzip.compress(TEXT)
    named = named[:3] + b"\x08" + named[4:10] + b"body.json\x00" + named[10:]
    assert decoded("gzip", named) == TEXT


WRONG: dict[str, Any] = {
    "plain": TEXT,
    "nothing": b"",
    "the other one": {"gzip": zstd.compress(TEXT), "zstd": gzip.compress(TEXT)},
    "bare deflate": zlib.compress(TEXT),
    "a first byte": {"gzip": b"\x1f", "zstd": b"\x28"},
    "a head": {"gzip": gzip.compress(TEXT)[:10], "zstd": zstd.compress(TEXT)[:6]},
    "cut": {"gzip": gzip.compress(TEXT)[:-3], "zstd": zstd.compress(TEXT)[:-3]},
    "cut in the middle": {"gzip": gzip.compress(bulk(MB))[:20_000], "zstd": zstd.compress(bulk(MB))[:5_000]},
    "more behind it": {"gzip": gzip.compress(TEXT) + b"x", "zstd": zstd.compress(TEXT) + b"x"},
    "zeros behind it": {"gzip": gzip.compress(TEXT) + bytes(8), "zstd": zstd.compress(TEXT) + bytes(8)},
    "a broken sum": {
        "gzip": gzip.compress(TEXT)[:-5] + b"\x00" + gzip.compress(TEXT)[-4:],
        "zstd": zstd.compress(TEXT, options={zstd.CompressionParameter.checksum_flag: 1})[:-1] + b"\x00",
    },
    "a dictionary": {
        "gzip": b"\x1f\x8b\x07" + bytes(20),
        "zstd": b"\x28\xb5\x2f\xfd\x23\x01\x02\x03\x04" + bytes(9),
    },
}


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("name", WRONG)
def test_body_that_is_not_in_its_declared_coding_is_refused(coding, name):
    wrong = WRONG[name]
    with pytest.raises(BadCoding, match=coding):
        decoded(coding, wrong[coding] if isinstance(wrong, dict) else wrong)


def bomb(coding: str, megabytes: int) -> bytes:
    if coding == "gzip":
        packer = zlib.compressobj(9, wbits=31)
        return b"".join([*(packer.compress(bytes(MB)) for _ in range(megabytes)), packer.flush()])
    pack = zstd.ZstdCompressor(level=1)
    return b"".join([*(pack.compress(bytes(MB)) for _ in range(megabytes)), pack.flush()])


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
@pytest.mark.parametrize("members", [1, 40])
def test_a_bomb_is_given_up_before_it_is_large(coding, members):
    """Of zeros a thousandth is sent, or much less: only what may come out is ever there."""
    packed = bomb(coding, 120 // members) * members
    tracemalloc.start()
    try:
        with pytest.raises(Overgrown) as refusal:
            decoded(coding, packed, limit=4 * MB)
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert refusal.value.most <= 4 * MB
    assert peak < 12 * MB


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_extreme_compression_ratio_is_refused_before_the_limit(coding):
    pack: Any = {"gzip": gzip.compress, "zstd": zstd.compress}[coding]
    assert decoded(coding, pack(bytes(FREE))) == bytes(FREE)
    with pytest.raises(Overgrown) as refusal:
        decoded(coding, pack(bytes(15 * MB)))
    assert refusal.value.most == max(FREE, RATIO * len(pack(bytes(15 * MB)))) < 15 * MB


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_the_limit_is_exact(coding):
    text = bulk(2 * MB)
    assert decoded(coding, PACK[coding](text), limit=2 * MB) == text
    with pytest.raises(Overgrown):
        decoded(coding, PACK[coding](text), limit=2 * MB - 1)


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
def test_members_are_counted(coding):
    assert decoded(coding, PACK[coding](b"") * MOST_MEMBERS) == b""
    with pytest.raises(BadCoding, match=f"more than {MOST_MEMBERS}"):
        decoded(coding, PACK[coding](b"") * (MOST_MEMBERS + 1))


def test_a_window_larger_than_http_needs_is_refused():
    """RFC 9659: each byte of it is memory of ours."""
    options: dict[int, int] = {zstd.CompressionParameter.window_log: 27}
    packer = zstd.ZstdCompressor(options=options)  # without a size in its head the window is what counts
    packed = packer.compress(bulk(MB)) + packer.flush()
    with pytest.raises(BadCoding):
        decoded("zstd", packed)
    options = {zstd.CompressionParameter.window_log: 23}
    packer = zstd.ZstdCompressor(options=options)
    assert decoded("zstd", packer.compress(bulk(MB)) + packer.flush()) == bulk(MB)


@pytest.mark.parametrize(
    ("values", "codings"),
    [
        ([], []),
        ([""], []),
        (["identity"], []),
        (["gzip"], ["gzip"]),
        ([" GZIP "], ["gzip"]),
        (["x-gzip"], ["x-gzip"]),
        (["Zstd"], ["zstd"]),
        (["gzip, zstd"], ["gzip", "zstd"]),
        (["gzip", "zstd"], ["gzip", "zstd"]),
        (["identity, gzip,,"], ["gzip"]),
    ],
)
def test_codings_are_read_in_their_order(values, codings):
    assert codings_of(values) == codings


@pytest.mark.parametrize(
    "values",
    [
        ["br"],
        ["deflate"],
        ["compress"],
        ["gzip, br"],
        ["gzip, gzip, gzip"],
        ["gzip"] * 3,
        ["gzip;q=1"],
        ["*"],
        ["äö"],
    ],
)
def test_other_codings_and_too_many_of_them_are_refused(values):
    with pytest.raises(UnknownCoding, match="gzip, zstd"):
        codings_of(values)
