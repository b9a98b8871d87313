"""Responses that are not streamed. The JSON of a completion is delivered, whatever is in its messages. Pure.

Only the finish reasons of the choices are read; their text only where no usage is reported, to count it. Responses that
deviate from OpenAI's take longer: those of more than LONG bytes, or nested too deeply, are parsed in another process.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final

import msgspec

from providers.dialects.base import Answered, NeedsOffload, Shape
from providers.dialects.lenient.loose import LONG, loosely, text_of
from providers.dialects.lenient.rewritten import is_long_work, rewritten
from providers.dialects.openai.chunks import Choice, decode_chunk
from providers.dialects.openai.model_alias import Aliased, assemble, members
from providers.errors.inner_errors import MOST_BODY, choice_error, error_body, has_failed, is_error
from providers.json_scan.lenient import read_any
from providers.json_scan.limits import MalformedAnswer, NotJson, OverLimit
from providers.json_scan.repaired import mended
from providers.reported_usage.places import merged, usage_elsewhere, usage_in, usage_of_twins
from providers.reported_usage.reading import UsageJson, in_tier, usage_of
from providers.requests.layout import Unfit


class _End(msgspec.Struct):
    finish_reason: Any = None
    error: Any = None


class _Whole(msgspec.Struct):
    choices: list[_End] | None = None
    usage: UsageJson | None = None
    service_tier: Any = None
    error: Any = None


_READ: Final = ("usage", "service_tier", "error")
_SHORTEST: Final = 5  # bytes of vectors; `null`, `[]` and the like are not vectors
_decode = msgspec.json.Decoder(_Whole).decode
_encode = msgspec.json.Encoder().encode


def read_whole(
    raw: bytes, shape: Shape, sane: bytes | None = None, *, has_time: bool = False, is_last: bool = False
) -> Answered:
    """Return the response for the client. `sane` is `raw` repaired, where it is not JSON otherwise.

    `has_time`: no call waits for this process; `is_last`: it was rewritten. Raises MalformedAnswer, NeedsOffload.
    """
    text, writes = raw if sane is None else sane, _has_output(shape)
    try:
        parts = members(text)
        # Vectors are long, and are scanned only once.
        document = _decode(
            text if writes else assemble({name: parts[name] for name in _READ if name in parts})
        )
    except RecursionError as error:
        raise NeedsOffload(str(error)) from error
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        if len(raw) > LONG and not has_time:
            raise NeedsOffload(str(error)) from error
        if isinstance(error, msgspec.ValidationError):
            return _read_loosely(raw, sane, shape, has_time=has_time, is_last=is_last)
        again = _read_repaired(raw, shape, has_time=has_time, is_last=is_last) if sane is None else None
        if again is None:
            raise MalformedAnswer(str(error), usage_in(raw, has_output=writes)) from error
        return again
    choices = document.choices
    if document.error or not (choices if writes else _has_vectors(parts, shape)) or _all_failed(choices):
        raise _refused(text, shape)
    body = _aliased(raw, parts, shape) if sane is None else _mended(raw, sane, shape)
    reported = usage_of_twins(text) or document.usage
    usage = None if reported is None else in_tier(usage_of(reported), document.service_tier)
    if usage is not None and not (usage.is_lacking and (choices or not usage.total_input_tokens)):
        return Answered(body, usage)
    elsewhere = usage_elsewhere(read_any(text)) if writes and text.find(b'"usage') >= 0 else None
    if elsewhere is not None:
        usage = in_tier(usage_of(merged(reported, elsewhere)), document.service_tier)
    is_reported = usage is not None and not usage.is_lacking
    return Answered(body, usage, "" if is_reported or not choices else _text(text))


def _read_repaired(raw: bytes, shape: Shape, *, has_time: bool, is_last: bool) -> Answered | None:
    """Read what is not JSON as received; None where there is nothing to rewrite or repair. Raises NeedsOffload."""
    if not is_last:
        if not has_time and is_long_work(raw):
            raise NeedsOffload("it would have to be rewritten")
        text = rewritten(raw)
        if text != raw:
            found = read_whole(text, shape, has_time=True, is_last=True)
            return msgspec.structs.replace(found, source=text)
    sane = mended(raw)
    return None if sane is None else read_whole(raw, shape, sane, has_time=True)


def _read_loosely(raw: bytes, sane: bytes | None, shape: Shape, *, has_time: bool, is_last: bool) -> Answered:
    """Do the same where members have types other than OpenAI's."""
    text = raw if sane is None else sane
    document = read_any(text)
    if document is None and sane is None:
        repaired = _read_repaired(raw, shape, has_time=has_time, is_last=is_last)
        if repaired is not None:
            return repaired
    if (
        document is None and text.strip() != b"null"
    ):  # splitting into members takes slightly deeper nesting than this parser
        raise NeedsOffload("nested too deeply")
    if not isinstance(document, dict):
        body = text if is_error(document) and len(text) <= MOST_BODY else None
        raise MalformedAnswer("not an object", usage_in(text, has_output=_has_output(shape)), body)
    chunk = loosely(document)
    choices: list[Choice] = chunk.choices or []
    given = document.get("choices")
    is_answer = not _has_output(shape) or (
        isinstance(given, list) and any(isinstance(each, dict) for each in given)
    )
    if chunk.error or not is_answer or not document.get(shape.content_key) or _all_failed(choices):
        raise _refused(text, shape)
    reported = usage_of_twins(text) or chunk.usage or None
    elsewhere = usage_elsewhere(document)
    if elsewhere is not None:
        reported = merged(reported, elsewhere)
    usage = None if reported is None else in_tier(usage_of(reported), chunk.service_tier)
    is_reported = usage is not None and not usage.is_lacking
    body = _aliased(raw, members(raw), shape) if sane is None else _mended(raw, sane, shape)
    return Answered(body, usage, "" if is_reported else text_of(choices))


def _has_output(shape: Shape) -> bool:
    """Whether its response has output tokens; embeddings have none."""
    return shape.content_key == "choices"


def _has_vectors(parts: dict[str, msgspec.Raw], shape: Shape) -> bool:
    value = parts.get(shape.content_key)
    return value is not None and memoryview(value).nbytes >= _SHORTEST


def _all_failed(choices: Sequence[Choice | _End] | None) -> bool:
    for each in choices or ():
        if not each.error and not has_failed(each.finish_reason):
            return False
    return bool(choices)


def _aliased(raw: bytes, parts: dict[str, msgspec.Raw], shape: Shape) -> bytes:
    if "model" not in parts:
        return raw
    parts["model"] = msgspec.Raw(_encode(shape.alias))
    return assemble(parts)


def _mended(raw: bytes, sane: bytes, shape: Shape) -> bytes:
    """Raises MalformedAnswer."""
    try:
        return Aliased(shape.alias).whole(raw, sane=sane)
    except (OverLimit, NotJson, Unfit) as error:
        raise MalformedAnswer(str(error), usage_in(raw, has_output=_has_output(shape))) from error


def _text(text: bytes) -> str:
    """Return all text generated in a response."""
    try:
        return text_of(decode_chunk(text).choices or [])
    except (msgspec.DecodeError, RecursionError, UnicodeDecodeError):
        document = read_any(mended(text) or text)
        return text_of(loosely(document).choices or []) if isinstance(document, dict) else ""


def _refused(text: bytes, shape: Shape) -> MalformedAnswer:
    """Return what to raise for a document that is not a response: with its usage, and its error body."""
    usage = usage_in(text, has_output=_has_output(shape))
    body = None
    if len(text) <= MOST_BODY:
        document = read_any(text)
        choices = document.get("choices") if isinstance(document, dict) else None
        body = choice_error(choices) if choices and not document.get("error") else error_body(text, document)
    return MalformedAnswer(f"no '{shape.content_key}' in the answer", usage, body)
