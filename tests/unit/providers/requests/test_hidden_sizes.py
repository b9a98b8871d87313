"""K1: a medium that is measured is measured as a decoder finds it: what is hidden makes it no smaller."""

from __future__ import annotations

import base64
import json

import pytest

from gateway.api.schemas import peek_chat
from providers.media.pictures import Picture
from tests.media import data_url, jpeg, wav


def demand(part):
    messages = [{"role": "user", "content": [part]}]
    return peek_chat(json.dumps({"model": "m", "messages": messages}).encode()).demand


@pytest.mark.parametrize(
    "mark", [b"\xff\xff", b"\xff\x01", b"\xff\xd0", b"\xff\xd8", b"\xff\xd9", b"\xff\x00"], ids=bytes.hex
)
def test_a_frame_behind_a_mark_without_a_length_is_not_passed_over(mark):
    """A decoder finds the large frame right behind it; read as a segment, it leads to a small one."""
    large, small = jpeg(30_000, 30_000)[20:], jpeg(1, 1)[20:]
    for step in (0, 1):  # of fill bytes, the first is half of a mark
        after = mark[: 2 - step] + large
        to = 2 + 2 + int.from_bytes(after[2:4])
        picture = b"\xff\xd8" + after + bytes(to - 2 - len(after)) + small
        assert demand({"type": "image_url", "image_url": {"url": data_url(picture)}}).pictures != (
            Picture(1, 1),
        )


def _chunk(name, data):
    return name + len(data).to_bytes(4, "little") + data


@pytest.mark.parametrize(
    "hide",
    [
        lambda fake, true: _chunk(b"LIST", fake.ljust(5_000, b"\0")) + true,
        lambda fake, true: _chunk(b"LIST", b"x" + fake) + b"\0" + true,
        lambda fake, true: fake + _chunk(b"LIST", bytes(5_000)) + true,
        lambda fake, _: fake,
    ],
    ids=["far behind", "odd", "twice", "alone"],
)
def test_a_format_that_makes_a_sound_shorter_is_not_believed(hide):
    """Readers go from chunk to chunk: a format inside of another chunk is none."""
    true = wav(60, rate=8_000)[12:]
    fake = _chunk(b"fmt ", b"\1\0\xff\0" + b"\xff" * 8 + b"\x80\0\x20\0")
    end = true[true.index(b"data") :]
    body = b"WAVE" + hide(fake, true[: -len(end)]) + end
    data = base64.b64encode(_chunk(b"RIFF", body)).decode()
    found = demand({"type": "input_audio", "input_audio": {"data": data}})
    assert found.audio_ms >= 60_000
    assert found.needs_window
