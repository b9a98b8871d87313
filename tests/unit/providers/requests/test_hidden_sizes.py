"""K1: a medium is measured as a decoder reads it: hidden parts do not make it smaller."""

from __future__ import annotations

import base64
import json
import struct
import zlib

import pytest

from gateway.parsing.schemas import peek_chat
from providers.media.images import Picture
from providers.requests.money_classes import Unacceptable
from tests.support.clients.media import data_url, jpeg, mp3, png, wav


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
def test_a_type_that_is_not_a_string_is_unknown(kind):
    """It was answered 500."""
    assert demand({"type": kind, "text": "x"}).needs_window
    assert demand({"type": kind}).unknown


@pytest.mark.parametrize("value", [{"max_dynamic_patch": 64}, [{"fps": 64}], []])
def test_what_makes_a_medium_larger_is_found_under_known_names_too(value):
    url = data_url(jpeg(9, 9))
    for name, usual in (("detail", "low"), ("format", "image/jpeg")):
        assert demand({"type": "image_url", "image_url": {"url": url, name: value}}).needs_window
        assert not demand({"type": "image_url", "image_url": {"url": url, name: usual}}).needs_window
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


def _png(*chunks):
    return png(1, 1)[:8] + b"".join(
        len(data).to_bytes(4) + name + data + zlib.crc32(name + data).to_bytes(4) for name, data in chunks
    )


def _size(side):
    return b"IHDR", side.to_bytes(4) * 2 + b"\x08\x00\x00\x00\x00"


@pytest.mark.parametrize(
    "between", [[], [(b"gAMA", bytes(4))], [(b"tEXt", b"IDAT" * 900)], [(b"tEXt", b"x")] * 250], ids=len
)
def test_a_png_that_says_its_size_twice_is_the_largest(between):
    """Pillow takes the last head before the pixels."""
    pixels = [(b"IDAT", bytes(40)), (b"IEND", b"")]
    twice = _png(_size(1), *between, _size(3_000), *pixels)
    assert demand(_image(twice)).pictures == (Picture(),)
    for count in (0, 1):
        assert demand(_image(_png(_size(9), *between[:count], *pixels))).pictures == (Picture(9, 9),)


def _image(data, kind="image/png", **more):
    return {"type": "image_url", "image_url": {"url": data_url(data, kind), **more}}


OTHER_KINDS = ["audio/mpeg", "application/pdf", "video/mp4", "Audio/MP3;x=image/png", "text/plain", "image"]


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_picture_that_is_called_otherwise_is_bounded_by_the_window(kind):
    """A reader of sounds finds the sound behind a picture's head; and of a document, or a film."""
    assert demand(_image(png(1, 1) + mp3(900), kind)).needs_window
    assert demand(_image(png(1, 1), format=kind)).needs_window
    assert demand({"image_url": {"url": "https://x/a", "format": kind}}).needs_window


@pytest.mark.parametrize("kind", ["image/jpeg", "IMAGE/PNG;charset=utf-8", "", "application/octet-stream"])
def test_a_picture_that_is_called_a_picture_or_nothing_is_measured(kind):
    found = demand(_image(png(7, 8), kind))
    assert (found.pictures, found.needs_window) == ((Picture(7, 8),), False)


def _sound(data, said=None, kind=None):
    text = base64.b64encode(data).decode() if kind is None else data_url(data, kind)
    return {"type": "input_audio", "input_audio": {"data": text, **({"format": said} if said else {})}}


def _wave(data, channels=1, rate=8_000, bits=16, align=2, speed=16_000):
    form = struct.pack("<HHIIHH", 1, channels, rate, speed, align, bits)
    return _chunk(b"RIFF", b"WAVE" + _chunk(b"fmt ", form) + _chunk(b"data", data))


SLOW_FRAMES = (b"\xff\xf3\x15\x00" + bytes(20)) * 2_000  # 48 s of MP3 in 48 kB
FAST = _wave(SLOW_FRAMES, 200, 768_000, 32, 800, 614_400_000)


@pytest.mark.parametrize(
    "part",
    [
        _sound(FAST, "mp3"),
        _sound(FAST, kind="audio/mpeg"),
        _sound(FAST, "wav", "audio/mp3"),
        _sound(FAST, "pcm16"),
        _sound(mp3(50), "g711_ulaw"),
        _sound(mp3(50), "wav"),
        _sound(mp3(50), kind="audio/ogg"),
        _sound(wav(2), "flac"),
    ],
)
def test_a_sound_that_is_called_otherwise_is_bounded_by_the_window(part):
    """A decoder for MP3 finds its frames among the samples of a WAV: a minute, where the header states none."""
    assert demand(part).needs_window


@pytest.mark.parametrize(
    "form",
    [
        {"channels": 200, "align": 2},
        {"channels": 256},
        {"rate": 96_000},
        {"speed": 768_000},
        {"align": 1, "speed": 8_000},
        {"bits": 32},
    ],
    ids=str,
)
def test_a_head_of_a_wav_that_contradicts_itself_bounds_nothing(form):
    assert demand(_sound(_wave(bytes(9_000), **form))).needs_window
    assert not demand(_sound(_wave(bytes(9_000)))).needs_window
