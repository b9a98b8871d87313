"""K1: a content part is text by its bytes, a picture by its pixels, a sound by its length, or the whole window."""

from __future__ import annotations

import base64
import json
import time
import timeit
from functools import cache

import pytest

from gateway.parsing.schemas import peek_chat
from providers.media.images import Picture, most_tokens, name_at
from providers.requests import caps
from providers.requests.caps import MOST_NAME
from providers.requests.money_classes import Unacceptable
from tests.support.clients.media import bmp, data_url, gif, jpeg, mp3, png, wav, webp


def demand(*parts, **message):
    messages = [{"role": "user", "content": list(parts), **message}]
    return peek_chat(json.dumps({"model": "m", "messages": messages}).encode()).demand


def image(url):
    return {"type": "image_url", "image_url": {"url": url}}


@pytest.mark.parametrize(
    "part",
    [
        {"type": "video_url", "video_url": {"url": "http://x/long.mp4"}},  # M6
        {"type": "audio_url", "audio_url": {"url": "http://x/long.mp3"}},  # M6
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}},  # A3
        {"type": "file", "file": {"file_url": "http://x/y.pdf"}},  # A3
        {"type": "image_embeds", "image_embeds": "AAAA"},
        {"type": "document", "document": {"text": "x"}},
        {"type": "hologram", "text": "x"},
        {"video_url": {"url": "http://x/long.mp4"}},
        {"type": "text", "text": "x", "video_url": {"url": "http://x/long.mp4"}},
        {"type": "input_file", "input_file": {"url": "http://x"}},
        7,
        {
            "type": "input_audio",
            "input_audio": {"data": "https://x/long.mp3", "format": "mp3"},
        },  # as Qwen takes it
        {"type": "input_audio", "input_audio": {"data": " " * 5_000 + "https://x/long.mp3"}},
        {"type": "input_audio", "input_audio": {"data": "long.mp3"}},
        {"type": "input_audio", "input_audio": {"url": "https://x/long.mp3"}},
        {"type": "input_audio", "input_audio": "https://x/long.mp3"},
        {"type": "input_audio", "input_audio": {"format": "mp3"}},
        {"type": "image_url", "image_url": {"url": "gs://bucket/long.mp4"}},
        {"type": "image_url", "image_url": {"url": "file:/srv/long.mp4"}},
        {"type": "image_url", "image_url": {"url": "data:application/pdf;base64,JVBERi0="}},
        {"type": "image_url", "image_url": {"url": "data:video/mp4;base64,AAAAIGZ0eXBpc29t"}},
        {
            "type": "image_url",
            "image_url": {"url": "https://x/a.png", "max_dynamic_patch": 64},
        },  # as LMDeploy
        {"type": "image_url", "image_url": {"url": "https://x/a.png"}, "max_pixels": 10**9},  # as Qwen
    ],
)
def test_what_only_refers_to_its_content_is_bounded_by_the_window(part):
    assert demand(part).needs_window


@pytest.mark.parametrize(
    "parts",
    [
        {"type": "file", "file": {"file_id": "file-of-another-tenant"}},  # M6
        {"type": "file", "file": {"id": "file-1"}},
        {"type": "input_file", "input_file": {"file_id": "file-1"}},
        {"type": "document", "document": {"document_id": "d"}},
        {"type": "image_file", "image_file": {"file_id": "file-1"}},
        {"type": "input_image", "file_id": "file-1"},
        {"type": "hologram", "source": {"kind": "stored", "asset_ids": ["a"]}},
        {"type": "image_url", "image_url": {"file_id": "file-1"}},
        {"type": "image_url", "image_url": {"url": data_url(png(9, 9)), "file_id": "file-1"}},
        {"type": "input_audio", "input_audio": {"id": "audio_abc"}},
        {"type": "input_audio", "input_audio": {"data": "", "file_id": "file-1"}},
    ],
)
def test_an_object_of_the_shared_account_is_refused(parts):
    with pytest.raises(Unacceptable):
        demand(parts)


def test_an_earlier_answers_sound_is_refused():
    messages = [{"role": "assistant", "audio": {"id": "audio_abc"}}]  # M6
    with pytest.raises(Unacceptable, match="audio"):
        peek_chat(json.dumps({"model": "m", "messages": messages}).encode())


@pytest.mark.parametrize("make", [png, jpeg, webp])
@pytest.mark.parametrize(("width", "height"), [(1, 1), (640, 480), (3000, 2000)])
def test_a_picture_is_measured_by_its_own_bytes(make, width, height):
    url = data_url(make(width, height, padding=100_000))
    found = demand({"type": "text", "text": "what is this?"}, image(url))
    assert found.pictures == (Picture(width, height),)
    assert found.body_bytes < 400
    assert not found.needs_window


@pytest.mark.parametrize(
    "part",
    [
        lambda url: {"image_url": {"url": url}},  # M6: without its type
        lambda url: {"type": "image_url", "image_url": url},
        lambda url: {"type": "text", "text": "x", "image_url": {"url": url}},
        lambda url: {"type": "image_url", "image_url": {"url": url, "detail": "low"}},
    ],
)
def test_a_picture_counts_however_its_part_is_written(part):
    found = demand(part(data_url(png(800, 600))), part(data_url(png(20, 10))))
    assert found.pictures == (Picture(800, 600), Picture(20, 10))


@pytest.mark.parametrize(
    "url",
    [
        "http://x/a.png",
        "https://x/b",
        data_url(gif()),
        data_url(bmp()),
        data_url(b"\xff\xd8\xff\xe0 cut short"),
    ],
)
def test_a_picture_that_does_not_say_its_size_is_the_largest(url):
    assert demand(image(url)).pictures == (Picture(),)


@pytest.mark.parametrize(
    "data",
    [b"just text " * 500, b"%PDF-1.7" + b"x" * 5000, b"\0" * 5000, b"\0\0\0\x20ftypisom" + b"\0" * 5000],
)
def test_bytes_that_no_decoder_takes_for_a_picture_stay_text(data):
    assert demand(image(data_url(data))).body_bytes > len(data)


def test_a_newline_in_the_base64_does_not_move_the_measure():
    """A decoder that skips it would find the frame elsewhere, so the picture counts as the largest."""
    url = data_url(jpeg(30_000, 30_000, padding=50_000))
    for place in (40, 1_000, 40_000):
        found = demand(image(f"{url[:place]}\n{url[place:]}"))
        assert found.pictures == (Picture(),)


@pytest.mark.parametrize(
    ("sound", "seconds", "kind"),
    [(wav(3), 3, "x-wav"), (mp3(100), 100 * 1152 / 44_100, "mpeg"), (wav(1, rate=8_000), 1, "wav")],
)
def test_a_sound_is_measured_by_its_own_bytes(sound, seconds, kind):
    data = base64.b64encode(sound).decode()
    for written in (data, f"data:;base64,{data}", f"data:audio/{kind};base64,{data}"):
        found = demand({"type": "input_audio", "input_audio": {"data": written, "format": kind.upper()}})
        assert seconds * 1000 <= found.audio_ms <= seconds * 1000 + 200
        assert found.body_bytes < 400
        assert not found.needs_window


@pytest.mark.parametrize(
    "sound", [b"\0" * 8_000, b"ID3\x04\0\0\x7f\x7f\x7f\x7f" + b"\0" * 8_000, b"OggS" + b"\1" * 8_000]
)
def test_a_sound_that_cannot_be_read_is_bounded_by_the_window(sound):
    data = base64.b64encode(sound).decode()
    found = demand({"type": "input_audio", "input_audio": {"data": data}})
    assert found.audio_ms >= 8_000
    assert found.needs_window


@pytest.mark.parametrize("line", ["\n", "\r\n", " "])
def test_a_sound_in_lines_is_measured_too(line):
    data = base64.encodebytes(wav(1)).decode().replace("\n", line)
    found = demand({"type": "input_audio", "input_audio": {"data": data}})
    assert 1_000 <= found.audio_ms <= 1_200
    assert not found.needs_window


CODINGS = {  # an hour of silence is a few kB in them
    "FLAC": b"fLaC\x00\x00\x00\x22",
    "Opus": b"OggS\x00\x02" + bytes(22) + b"OpusHead",
    "AAC": b"\xff\xf1\x50\x80",
    "M4A": b"\x00\x00\x00\x20ftypM4A ",
    "WebM": b"\x1a\x45\xdf\xa3",
    "AMR": b"#!AMR\n",
    "FLAC behind a tag": b"ID3\x04\0\0\0\0\0\x0a" + bytes(10) + b"fLaC",
    "FLAC in WAV": wav(1)[:20] + b"\xac\xf1" + wav(1)[22:60],
    "GSM in WAV": wav(1)[:20] + b"\x31\x00" + wav(1)[22:60],
}


@pytest.mark.parametrize("coding", CODINGS)
@pytest.mark.parametrize("form", ["{}", "data:audio/any;base64,{}", "{}\n"])
def test_a_sound_of_another_coding_is_bounded_by_the_window(coding, form):
    """K1: as many bytes may be hours of silence, and providers bill them."""
    data = form.format(base64.b64encode(CODINGS[coding] + bytes(4_000)).decode())
    assert demand({"type": "input_audio", "input_audio": {"data": data}}).needs_window


def test_samples_of_an_extensible_header_are_measured():
    plain = wav(2)
    form = b"\xfe\xff" + plain[22:36] + b"\x16\0\x10\0" + bytes(4) + b"\x01\0" + bytes(14)
    sound = plain[:16] + (40).to_bytes(4, "little") + form + plain[36:]
    found = demand({"type": "input_audio", "input_audio": {"data": base64.b64encode(sound).decode()}})
    assert 2_000 <= found.audio_ms <= 2_200
    assert not found.needs_window


@pytest.mark.parametrize("line", ["A" * 999, "A" * 99_999, "a/+=" * 249, "\\\\" * 500, "\u00e9" * 999])
def test_a_run_of_letters_costs_what_any_text_of_its_size_does(line):
    """D1: lines of 999 letters cost 500 steps a byte. Both are counted by one CPU clock, so no machine is too slow."""
    words = "\u00e9\\\\w " * 250_000  # the same kinds of letters, in short words
    runs = (line + " ") * (1_000_000 // len(line))
    assert least_cpu_s(runs) < 20 * least_cpu_s(words)


@cache
def least_cpu_s(text: str) -> float:
    raw = json.dumps({"model": "m", "messages": [{"role": "user", "content": text}]}).encode()
    return min(timeit.repeat(lambda: peek_chat(raw), timer=time.thread_time, number=1, repeat=3))


@pytest.mark.parametrize(
    ("provider", "model", "least"),
    [
        ("azure", "production", 48_169),  # a name of one's own may hide gpt-4o-mini
        ("openai", "ft-model", 48_169),
        ("azure", "gpt-4o", 1_445),
        ("openai-compatible", "qwen-vl-max", 16_384),
        ("openai-compatible", "gpt-4o-mini", 48_169),
        ("openai", "gpt-5.2", 10_000),
    ],
)
def test_the_largest_picture_is_bounded_by_the_family(provider, model, least):
    assert most_tokens(Picture(), [name_at(provider, model)]) >= least


@pytest.mark.parametrize(
    ("parts", "code"),
    [
        ([image("https://x/a.png")] * 2_001, "too_many_pictures"),
        ([image(data_url(png(1, 1)))] * 2_001, "too_many_pictures"),
        ([{"type": "text", "text": "x", f"later{number}": 1} for number in range(257)], "too_many_members"),
        ([{"type": "text"} | {f"later{number}": 1 for number in range(2_000)}], "too_many_members"),
    ],
)
def test_what_is_measured_or_named_one_by_one_has_a_bound(parts, code):
    with pytest.raises(Unacceptable) as refused:
        demand(*parts)
    assert refused.value.code == code


def test_what_is_unknown_again_and_again_is_named_once():
    assert demand(*[7] * 257).unknown == ("messages[0].content",)


def test_of_very_many_references_one_is_as_good_as_all():
    found = demand(*[{"type": "file", "file": {"file_url": "http://x/y.pdf"}}] * 5_000)
    assert found.needs_window
    assert len(found.references) < 300


class Searched:
    """The pattern of names that look like a cap: notes what it was given."""

    def __init__(self) -> None:
        self._pattern, self.lengths = caps._LIKE_A_CAP, list[int]()  # noqa: SLF001

    def match(self, name):
        self.lengths.append(len(name))
        return self._pattern.match(name[: 2 * MOST_NAME])


@pytest.fixture
def searched(monkeypatch):
    searched = Searched()
    monkeypatch.setattr(caps, "_LIKE_A_CAP", searched)
    return searched


def chat_with(name):
    return json.dumps({"model": "m", "messages": [{"role": "user", "content": "x"}], name: 1}).encode()


@pytest.mark.parametrize("name", ["n" * 200_000, "ü" * 100_000, "tok" * 60_000, "max" + "_" * 200_000])
def test_a_long_unknown_name_is_refused_before_it_is_searched(name, searched):
    with pytest.raises(Unacceptable, match="256 letters"):
        peek_chat(chat_with(name))
    assert searched.lengths == []


@pytest.mark.parametrize("name", ["n" * MOST_NAME, "my_tok_len", "m"])
def test_a_name_of_usual_length_is_searched(name, searched):
    peek_chat(chat_with(name))
    assert 1 <= max(searched.lengths) <= MOST_NAME
