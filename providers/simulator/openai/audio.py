"""Speech and transcription of the simulator: a quiet tone as long as the text, and a text about the file. Pure."""

from __future__ import annotations

import array
import functools
import io
import math
import re
import sys
import wave
from email.message import Message
from typing import Any

import msgspec
import orjson

from providers.simulator.core.errors import SimulatorError, refusal_of
from providers.simulator.core.text import Seed, reply

RATE = 24_000  # samples a second, as OpenAI's pcm
CHARACTERS_PER_SECOND = 15
MAX_CHARACTERS = 4096
_BYTES_PER_SECOND = 16_000  # of files that do not state their length: 128 kbit/s
_NAME = re.compile(rb"(?i)content-disposition:[^\r\n]*?[; ]name=\"?([^\"\r\n;]+)")
_MP3_FRAME = b"\xff\xfb\x90\xc4" + bytes(
    413
)  # MPEG-1 layer III, 128 kbit/s, 44.1 kHz, mono: a frame of silence
_MP3_FRAME_S = 1152 / 44_100
_FORMATS = {"mp3": b"audio/mpeg", "wav": b"audio/wav", "pcm": b"audio/pcm"}
TEXT_FORMATS = ("json", "verbose_json", "text", "srt", "vtt")


class SpeechRequest(msgspec.Struct):
    input: str
    model: str
    voice: Any
    response_format: str = "mp3"
    speed: float = 1.0


_request = msgspec.json.Decoder(SpeechRequest)


def speak(body: bytes) -> tuple[bytes, bytes]:
    """Return sound and its content type. Raises Refused."""
    try:
        request = _request.decode(body)
    except msgspec.DecodeError as error:
        raise refusal_of(error) from error
    if not 1 <= len(request.input) <= MAX_CHARACTERS:
        raise SimulatorError(
            f"Invalid 'input': 1 to {MAX_CHARACTERS} characters.", param="input", code="invalid_value"
        )
    if request.response_format not in _FORMATS:
        message = f"The simulator speaks {', '.join(_FORMATS)} only."
        raise SimulatorError(message, param="response_format", code="unsupported_value")
    if not 0.25 <= request.speed <= 4:  # noqa: PLR2004 - OpenAI's own bounds
        raise SimulatorError("Invalid 'speed': expected 0.25 to 4.", param="speed", code="invalid_value")
    seconds = len(request.input) / CHARACTERS_PER_SECOND / request.speed
    return _sound(request.response_format, seconds), _FORMATS[request.response_format]


def transcribe(body: bytes, content_type: str) -> tuple[bytes, bytes]:
    """Return the text in the requested format and its content type. Raises Refused."""
    fields = form(body, content_type)
    for name in ("file", "model"):
        if name not in fields:
            raise SimulatorError(
                f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter"
            )
    shape = fields.get("response_format", b"json").decode("utf-8", "replace")
    if shape not in TEXT_FORMATS:
        message = f"Invalid 'response_format': {shape!r}."
        raise SimulatorError(message, param="response_format", code="invalid_value")
    prompt = fields.get("prompt", b"your recording").decode("utf-8", "replace")
    text, seconds = reply(prompt, Seed(fields["file"])), _seconds(fields["file"])
    return _written(text, seconds, shape)


def form(body: bytes, content_type: str) -> dict[str, bytes]:
    """Return the fields of a multipart form by name. Raises Refused."""
    head = Message()
    head["content-type"] = content_type
    boundary = head.get_boundary()
    if head.get_content_type() != "multipart/form-data" or not boundary:
        raise SimulatorError("Expected a multipart/form-data body.", code="invalid_type")
    parts = (b"\r\n" + body).split(b"\r\n--" + boundary.encode("latin-1", "replace"))
    found = {}
    for part in parts[1:]:
        lines, _, content = part.partition(b"\r\n\r\n")
        name = _NAME.search(lines)
        if name is not None:
            found[name.group(1).decode("latin-1")] = content
    return found


def _sound(shape: str, seconds: float) -> bytes:
    if shape == "mp3":
        return _MP3_FRAME * max(1, math.ceil(seconds / _MP3_FRAME_S))
    second = _second_of_tone()
    whole, rest = divmod(int(seconds * RATE), RATE)
    samples = second * whole + second[: rest * 2]
    if shape == "pcm":
        return samples
    target = io.BytesIO()
    with wave.open(target, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(samples)
    return target.getvalue()


@functools.cache
def _second_of_tone() -> bytes:
    tone = array.array(
        "h", (round(1500 * math.sin(2 * math.pi * 220 * place / RATE)) for place in range(RATE))
    )
    if sys.byteorder == "big":
        tone.byteswap()
    return tone.tobytes()


def _seconds(file: bytes) -> float:
    """Return the length of a recording: exact for WAV, by its size for anything else."""
    try:
        with wave.open(io.BytesIO(file)) as opened:
            frames, rate = opened.getparams()[3], opened.getparams()[2]
    except (wave.Error, EOFError):
        frames, rate = len(file), _BYTES_PER_SECOND
    return float(round(frames / max(rate, 1), 3))


def _written(text: str, seconds: float, shape: str) -> tuple[bytes, bytes]:
    if shape == "text":
        return text.encode() + b"\n", b"text/plain; charset=utf-8"
    if shape in {"srt", "vtt"}:
        mark = "," if shape == "srt" else "."
        span = f"{_stamp(0, mark)} --> {_stamp(seconds, mark)}\n{text}\n"
        return (
            "1\n" + span if shape == "srt" else "WEBVTT\n\n" + span
        ).encode(), b"text/plain; charset=utf-8"
    document: dict[str, Any] = {"text": text, "usage": {"type": "duration", "seconds": math.ceil(seconds)}}
    if shape == "verbose_json":
        segment = {
            "id": 0,
            "seek": 0,
            "start": 0.0,
            "end": seconds,
            "text": text,
            "tokens": [],
            "temperature": 0.0,
        }
        segment |= {"avg_logprob": -0.1, "compression_ratio": 1.0, "no_speech_prob": 0.0}
        document |= {"task": "transcribe", "language": "english", "duration": seconds, "segments": [segment]}
    return orjson.dumps(document), b"application/json"


def _stamp(seconds: float, mark: str) -> str:
    whole, milliseconds = divmod(round(seconds * 1000), 1000)
    return f"{whole // 3600:02}:{whole // 60 % 60:02}:{whole % 60:02}{mark}{milliseconds:03}"
