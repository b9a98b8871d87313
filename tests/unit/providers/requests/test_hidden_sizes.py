"""K1: a medium that is measured is measured as a decoder finds it: what is hidden makes it no smaller."""

from __future__ import annotations

import base64
import json

import pytest

from gateway.api.schemas import peek_chat
from providers.media.pictures import Picture
from providers.requests.classes import Unacceptable
from tests.media import data_url, jpeg, mp3, wav


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


@pytest.mark.parametrize("member", ["text", "refusal", "thinking", "reasoning", "signature", "title"])
@pytest.mark.parametrize("wrap", [lambda part: part, lambda part: [part], lambda part: {"value": [part]}])
def test_parts_in_the_place_of_a_text_are_no_text(member, wrap):
    film = {"type": "video_url", "video_url": {"url": "https://x/long.mp4"}}
    assert demand({"type": "text", member: wrap(film)}).needs_window
    assert not demand({"type": "text", member: "https://x/long.mp4"}).needs_window
    with pytest.raises(Unacceptable):
        demand({"type": "text", member: wrap({"file": {"file_id": "file-of-another-tenant"}})})


@pytest.mark.parametrize("kind", [["text"], {"a": 1}, [], 7, True, [["image_url"]]])
def test_a_type_that_is_no_text_is_one_that_nobody_knows(kind):
    """It was answered 500."""
    assert demand({"type": kind, "text": "x"}).needs_window
    assert demand({"type": kind}).unknown


@pytest.mark.parametrize("value", [{"max_dynamic_patch": 64}, [{"fps": 64}], []])
def test_what_makes_a_medium_larger_is_found_under_known_names_too(value):
    url = data_url(jpeg(9, 9))
    for name in ("detail", "format"):
        assert demand({"type": "image_url", "image_url": {"url": url, name: value}}).needs_window
        assert not demand({"type": "image_url", "image_url": {"url": url, name: "low"}}).needs_window
    data = base64.b64encode(wav(1)).decode()
    assert demand({"type": "input_audio", "input_audio": {"data": data, "format": value}}).needs_window


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


def _ape(items: bytes, header: bytes = b"") -> bytes:
    footer = b"APETAGEX" + (2_000).to_bytes(4, "little") + (len(items) + 32).to_bytes(4, "little") + bytes(16)
    return header + items + footer


ID3V1 = b"TAG" + b"a title".ljust(124, b" ") + b"\1"


@pytest.mark.parametrize(
    ("sound", "is_bounded"),
    [
        (mp3(1) + b"fLaC" + b"\1" * 4_000, False),
        (mp3(50) + b"OggS" + b"\1" * 4_000, False),
        (mp3(2) + b"\0" * 300 + b"\0\0\0\x20ftypM4A ", False),
        (mp3(2) + b"fLaC" + b"\1" * 4_000 + ID3V1, False),
        (mp3(2) + b"fLaC" + b"\1" * 4_000 + _ape(b"x" * 90), False),
        (mp3(2) + b"TAGfLaC", False),
        (mp3(1)[:100] + b"fLaC" + b"\1" * 200, False),  # of one frame that is not whole
        (mp3(2), True),
        (mp3(2)[:-100], True),
        (mp3(2) + ID3V1, True),
        (mp3(2) + b"\0" * 999, True),
        (mp3(2) + _ape(b"x" * 90), True),
        (mp3(2) + _ape(b"x" * 90, b"APETAGEX" + bytes(24)) + ID3V1, True),
    ],
)
def test_behind_the_frames_of_an_mp3_are_only_tags(sound, is_bounded):
    """Any other decoder that finds its own sound there plays that, and it may be hours."""
    found = demand({"type": "input_audio", "input_audio": {"data": base64.b64encode(sound).decode()}})
    assert found.needs_window is not is_bounded
