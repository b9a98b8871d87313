"""Complete answers of providers that are large: what they used and whose they are is found without taking them apart.

`look` is what the process does that reads what is large (gateway/parsing/heavy_process.py).
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

import msgspec

from gateway.values.fallback_log import FALLBACKS
from providers.dialects.base import Answered, Laborious, Shape
from providers.dialects.lenient.rewritten import rewritten
from providers.dialects.one_piece import Piece, edits_of
from providers.dialects.openai.model_alias import assemble
from providers.dialects.openai.response import read_whole
from providers.dialects.openai.usage_places import may_hold, usage_in, usage_of_twins
from providers.json_scan.limits import Limits, MalformedAnswer, NotJson, OverLimit
from providers.json_scan.outline import Outline, Span, outline_of
from providers.json_scan.repaired import mended
from providers.json_scan.shallow import shallow
from providers.processes.work_process import WorkFailed
from providers.requests.layout import Layout, Unfit, layout_of, splice
from providers.usage import Usage

if TYPE_CHECKING:
    from providers.processes.heavy_work import Share

MOST: Final = 1_000_000  # members outside of the content
MOST_VALUES: Final = 4_000_000  # the probabilities of 20 tokens in each place of 24,000
MANY: Final = 1_000_000_000
DEEPEST: Final = 100_000  # levels of lists and objects
RUNS: Final = 64
MOST_WORDS: Final = 200
MAX_PRODUCED_CHARS: Final = 1_000_000  # where no usage is said; no model writes more in one answer
MOST_DETAIL: Final = 64 * 1024  # of a member beside the content; a longer one says nothing that we read
_DETAIL: Final = range(1, MOST_DETAIL)
_READ: Final = ("usage", "service_tier", "error", "model")
_encode = msgspec.json.Encoder().encode


class Look(msgspec.Struct, frozen=True):
    """`malformed` says why nobody can believe it; `layout` has its `model`; `source` is the text that it is of, where
    that is not what came.
    """

    malformed: str = ""
    usage: Usage | None = None
    produced: str = ""
    layout: Layout | None = None
    source: bytes | None = None


def look(raw: bytes, shape: Shape) -> Look:
    """Read an answer of any size."""
    limits = Limits(DEEPEST, MANY, MANY, MANY, MOST_VALUES, MOST, frozenset({shape.content_key}), RUNS)
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
        usage = usage or usage_in(text, writes=shape.content_key == "choices", most=len(text))
        return Look(malformed=str(fault)[:MOST_WORDS] or type(fault).__name__, usage=usage)
    produced = answer.produced[:MAX_PRODUCED_CHARS]
    return Look("", answer.usage, produced, layout, None if source is raw else source)


def _as_json(raw: bytes) -> tuple[bytes, bytes]:
    """Return what goes to the client of a text that is no JSON, and the same mended: of the same length, so that what
    is found in it lies at the same place.
    """
    source = rewritten(raw)
    if source == raw:
        source = raw
    return source, mended(source) or source


def look_for_events(raw: bytes, shape: Shape) -> Piece:
    """Do the same with one that is to be a stream's only event."""
    seen = look(raw, shape)
    if seen.malformed:
        return Piece(seen.malformed, seen.usage)
    try:
        return Piece("", seen.usage, edits_of(raw if seen.source is None else seen.source), seen.source)
    except MalformedAnswer as fault:
        return Piece(str(fault), seen.usage)


async def read_aside(share: Share, shape: Shape, raw: bytes) -> Answered:
    """Return the answer as the client gets it, without the blanks that some send to keep a connection alive.

    Raises MalformedAnswer.
    """
    text = raw.lstrip()
    raw = raw if text.startswith(b"\0") else text  # else it is half of a blank in UTF-16
    plain = msgspec.structs.replace(shape, layout=None, salt=None)  # what concerns the answer
    try:
        seen = await share.ask(Look, "answer", raw, plain)
    except WorkFailed as fault:
        FALLBACKS.note("large_answers", fault)
        raise MalformedAnswer(f"an answer of {len(raw)} bytes could not be read: {fault}") from fault
    return answered(raw, seen, shape)


def answered(raw: bytes, seen: Look, shape: Shape) -> Answered:
    """Put the client's bytes together. Raises MalformedAnswer."""
    if seen.malformed or seen.layout is None:
        raise MalformedAnswer(seen.malformed, seen.usage)
    raw = raw if seen.source is None else seen.source
    if "model" in seen.layout.values:
        raw = splice(raw, seen.layout, {"model": msgspec.Raw(_encode(shape.alias))})
    return Answered(raw, seen.usage, seen.produced)


def _answer(raw: bytes, outline: Outline, shape: Shape) -> Answered:
    """Let the dialect read the answer without what nobody reads of it. Raises MalformedAnswer."""
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
    except Laborious:
        return read_whole(shallow(answer), shape, has_time=True)


def _size(spans: dict[str, Span], name: str) -> int:
    start, end = spans.get(name, (0, 0))
    return end - start
