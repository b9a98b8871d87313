"""Large complete responses of providers: their usage and model are found without splitting them into members.

`parse_response` runs in the process for large bodies (gateway/parsing/heavy_process.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway.values.fallback_log import FALLBACKS
from providers.dialects.base import Answered, NeedsOffload, Shape
from providers.dialects.lenient.rewritten import rewritten
from providers.dialects.one_piece import Piece, edits_of
from providers.dialects.openai.model_alias import assemble
from providers.dialects.openai.response import read_whole
from providers.json_scan.limits import NO_LIMIT, Limits, MalformedAnswer, NotJson, OverLimit
from providers.json_scan.outline import Outline, Span, outline_of
from providers.json_scan.repaired import mended
from providers.json_scan.shallow import shallow
from providers.processes.work_process import WorkFailed
from providers.reported_usage.places import may_hold, usage_in, usage_of_twins
from providers.requests.layout import Layout, Unfit, layout_of, splice
from providers.usage import Usage

if TYPE_CHECKING:
    from providers.processes.heavy_work import Share

MOST: Final = 1_000_000  # members outside of the content
MOST_VALUES: Final = 4_000_000  # the logprobs of 20 tokens at each of 24,000 positions
DEEPEST: Final = 100_000  # levels of lists and objects
RUNS: Final = 64
MOST_WORDS: Final = 200
MAX_PRODUCED_CHARS: Final = 1_000_000  # where no usage is reported; no model writes more in one response
MOST_DETAIL: Final = 64 * 1024  # bytes of a member beside the content; a longer one is not read
_DETAIL: Final = range(1, MOST_DETAIL)
_READ: Final = ("usage", "service_tier", "error", "model")
_encode = msgspec.json.Encoder().encode


class LargeResponse(msgspec.Struct, frozen=True):
    """`malformed` is why the response is not usable; `layout` has its `model`; `source` is what was parsed, where that
    differs from what was received.
    """

    malformed: str = ""
    usage: Usage | None = None
    produced: str = ""
    layout: Layout | None = None
    source: bytes | None = None


def parse_response(raw: bytes, shape: Shape) -> LargeResponse:
    """Parse a response of any size."""
    limits = Limits(
        DEEPEST, NO_LIMIT, NO_LIMIT, NO_LIMIT, MOST_VALUES, MOST, frozenset({shape.content_key}), RUNS
    )
    source, text = raw, raw
    try:
        try:
            outline = outline_of(raw, limits)
        except NotJson:
            source, text = _as_json(raw)
            outline = outline_of(text, limits)
        answer = _answer(text, outline, shape)
        layout = layout_of(text, outline, frozenset({"model"}))
    except (OverLimit, NotJson, MalformedAnswer, Unfit) as fault:
        usage = fault.usage if isinstance(fault, MalformedAnswer) else None
        usage = usage or usage_in(text, has_output=shape.content_key == "choices", most=len(text))
        return LargeResponse(malformed=str(fault)[:MOST_WORDS] or type(fault).__name__, usage=usage)
    produced = answer.produced[:MAX_PRODUCED_CHARS]
    return LargeResponse("", answer.usage, produced, layout, None if source is raw else source)


def _as_json(raw: bytes) -> tuple[bytes, bytes]:
    """Return the client's bytes for a body that is not JSON, and their repaired form: of the same length, so that
    offsets in it hold for both.
    """
    source = rewritten(raw)
    if source == raw:
        source = raw
    return source, mended(source) or source


def parse_as_event(raw: bytes, shape: Shape) -> Piece:
    """Do the same for a response that becomes a stream's only event."""
    parsed = parse_response(raw, shape)
    if parsed.malformed:
        return Piece(parsed.malformed, parsed.usage)
    try:
        return Piece(
            "", parsed.usage, edits_of(raw if parsed.source is None else parsed.source), parsed.source
        )
    except MalformedAnswer as fault:
        return Piece(str(fault), parsed.usage)


async def read_large_response(share: Share, shape: Shape, raw: bytes) -> Answered:
    """Return the response for the client, without the white space that some servers send to keep a connection alive.

    Raises MalformedAnswer.
    """
    text = raw.lstrip()
    raw = raw if text.startswith(b"\0") else text  # else it is half of a space in UTF-16
    plain = msgspec.structs.replace(shape, layout=None, salt=None)  # what concerns the response
    try:
        parsed = await share.run(LargeResponse, "answer", raw, plain)
    except WorkFailed as fault:
        FALLBACKS.note("large_answers", fault)
        raise MalformedAnswer(f"an answer of {len(raw)} bytes could not be read: {fault}") from fault
    return answered(raw, parsed, shape)


def answered(raw: bytes, seen: LargeResponse, shape: Shape) -> Answered:
    """Assemble the client's bytes. Raises MalformedAnswer."""
    if seen.malformed or seen.layout is None:
        raise MalformedAnswer(seen.malformed, seen.usage)
    raw = raw if seen.source is None else seen.source
    if "model" in seen.layout.values:
        raw = splice(raw, seen.layout, {"model": msgspec.Raw(_encode(shape.alias))})
    return Answered(raw, seen.usage, seen.produced)


def _answer(raw: bytes, outline: Outline, shape: Shape) -> Answered:
    """Let the dialect parse the response without its unread members. Raises MalformedAnswer."""
    spans, content = outline.members, shape.content_key
    names = [name for name in spans if name in _READ or may_hold(name)]
    parts = {name: msgspec.Raw(raw[slice(*spans[name])]) for name in names if _size(spans, name) in _DETAIL}
    if _size(spans, "error") >= MOST_DETAIL:
        raise MalformedAnswer("an error of many words")
    if content in spans:
        parts[content] = msgspec.Raw(raw[slice(*spans[content])])
    if (twins := usage_of_twins(raw, outline)) is not None:
        parts["usage"] = msgspec.Raw(_encode(twins))
    answer = assemble(parts)
    try:
        return read_whole(answer, shape, has_time=True)
    except NeedsOffload:
        return read_whole(shallow(answer), shape, has_time=True)


def _size(spans: dict[str, Span], name: str) -> int:
    start, end = spans.get(name, (0, 0))
    return end - start
