"""Small bodies are decoded at once, large ones in a thread in the tenant's turn; both count as body memory."""

from __future__ import annotations

import gzip
import threading
from typing import Any

import pytest
from backports import zstd

from gateway.http.client_connection import BodyTooLarge
from gateway.http.content_coding import BadCoding, Decoding
from gateway.overload.body_memory import BodyMemory
from gateway.overload.exceptions import Overloaded
from gateway.parsing.json_body import ON_THE_LOOP, decoded
from providers.processes.heavy_work import HeavyWork
from tests.unit.gateway.http.test_content_coding import bulk

MB = 1024 * 1024
LIMIT = 20 * MB
TENANT = 7


@pytest.fixture
def heavy():
    work = HeavyWork("never.started")
    yield work
    work.close()


@pytest.fixture
def threads(monkeypatch):
    """Return a list of how much was asked for in which thread."""
    seen: list[tuple[bool, int]] = []
    advance = Decoding.advance

    def watched(self: Decoding, work: int) -> None:
        seen.append((threading.current_thread() is threading.main_thread(), work))
        advance(self, work)

    monkeypatch.setattr(Decoding, "advance", watched)
    return seen


def packed(text: bytes, *codings: str) -> bytes:
    for coding in codings:
        text = zstd.compress(text) if coding == "zstd" else gzip.compress(text, 1)
    return text


async def take(
    heavy: HeavyWork, raw: bytes, *codings: str, room: BodyMemory | None = None, limit: int = LIMIT
) -> Any:
    portion = (room or BodyMemory(512 * MB, LIMIT)).lease(TENANT)
    return await decoded(raw, codings, limit, portion, heavy.share(TENANT))


@pytest.mark.parametrize(
    "codings", [("gzip",), ("zstd",), ("gzip", "zstd"), ("zstd", "gzip"), ("gzip", "gzip")]
)
async def test_what_is_small_is_decoded_at_once(heavy, threads, codings):
    text = bulk(50_000)
    assert await take(heavy, packed(text, *codings), *codings) == text
    assert threads == [(True, ON_THE_LOOP)] * len(codings)


@pytest.mark.parametrize("codings", [("gzip",), ("zstd",), ("gzip", "zstd")])
async def test_what_becomes_large_is_decoded_elsewhere(heavy, threads, codings):
    text = bulk(6 * MB)
    assert await take(heavy, packed(text, *codings), *codings) == text
    on_the_loop = [work for is_main, work in threads if is_main]
    assert all(work <= ON_THE_LOOP for work in on_the_loop)
    assert len(threads) - len(on_the_loop) >= 6
    assert heavy.waiting == 0


async def test_what_comes_large_is_not_begun_on_the_loop(heavy, threads):
    """Many bytes in may be none out: a megabyte of blocks that hold nothing is work too."""
    nothing = b"\x1f\x8b\x08\x00\x00\x00\x00\x00\x00\x03" + b"\x00\x00\x00\xff\xff" * 200_000
    with pytest.raises(BadCoding):
        await take(heavy, nothing, "gzip")
    assert {work for is_main, work in threads if is_main} == {0}


@pytest.mark.parametrize("codings", [("gzip",), ("zstd",), ("gzip", "gzip"), ("zstd", "zstd")])
async def test_a_bomb_is_too_large_whatever_is_around_it(heavy, codings):
    with pytest.raises(BodyTooLarge):
        await take(heavy, packed(bytes(32 * MB), *codings), *codings, limit=8 * MB)
    assert heavy.waiting == 0


async def test_body_memory_is_charged_for_the_decompressed_size(heavy):
    room = BodyMemory(4 * MB, 1 * MB)
    with pytest.raises(Overloaded):
        await take(heavy, packed(bulk(6 * MB), "gzip"), "gzip", room=room)
    assert room.in_use <= 2 * MB  # half of it is one tenant's


@pytest.mark.parametrize("coding", ["gzip", "zstd"])
async def test_the_largest_body_fits_in_every_transfer_coding(heavy, coding):
    room, text = BodyMemory(1, 2 * MB), bulk(2 * MB)
    assert await take(heavy, packed(text, coding), coding, room=room, limit=2 * MB) == text
    assert room.in_use == 2 * MB
