"""The script language of the test upstream: how it behaves on one call. Plain values, sent as JSON."""

from __future__ import annotations

from typing import Any, Literal
from urllib.parse import parse_qsl

import msgspec

Kind = Literal[
    "ok",
    "status",  # `status` with `body` (JSON, or text as it is) and `headers`; also for made-up 200s
    "html",  # `status` (502 when 200) with a page of HTML
    "wrong_type",  # a good JSON answer that claims to be text/plain
    "malformed",  # 200, but the body is no JSON
    "truncated",  # Content-Length promises more than is sent; then the connection ends
    "empty",  # 200 without a body
    "hang_before_head",
    "hang_after_head",
    "reset_before_head",
    "events",  # a stream of exactly `events`
    "raw",  # a stream of exactly these bytes, `raw` in Latin-1
]
End = Literal[
    "done",  # finish reasons, usage, [DONE]
    "no_done",  # finish reasons and usage, but no [DONE]
    "cut",  # after `after` chunks the body ends in good order, without finish reasons
    "drop",  # after `after` chunks the connection ends in the middle of the body
    "reset",  # after `after` chunks the connection is reset
    "stall",  # after `after` chunks nothing more comes
    "error",  # after `after` chunks an error event, then the body ends
    "malformed",  # after `after` chunks an event that is no JSON, then the body ends
]


class Behavior(msgspec.Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Defaults answer like OpenAI: 10 prompt tokens, 5 chunks of one token each, usage when asked for."""

    kind: Kind = "ok"
    delay: float = 0.0  # seconds before the head
    hold_before_head: bool = False  # wait for POST /__release
    status: int = 200
    body: Any = None
    headers: dict[str, str] = {}
    # tokens
    prompt_tokens: int = 10
    cached_tokens: int = 0  # of the prompt's
    audio_input_tokens: int = 0  # of the prompt's
    reasoning_tokens: int = 0  # beside the visible ones
    audio_output_tokens: int = 0  # beside the visible ones
    embedded_tokens: int | None = None  # of an embeddings call; None: four an input
    bills: Literal["sent", "all"] = (
        "sent"  # all: the whole answer, once it is asked for, whatever of it is sent
    )
    obeys: bool = False  # what is hidden stays within the cap as well
    usage: Literal["asked", "always", "never", "double", "zero", "nonsense", "total", "prompt"] = "asked"
    running_usage: int | None = None  # after so many chunks the usage so far is sent, as some servers do
    is_told_beside: bool = False  # in the event of the last of them
    # the stream; a JSON answer has the same number of tokens
    chunks: int = 5
    tokens_per_chunk: int = 1
    pause: float = 0.0  # seconds between two chunks
    hold_after: int | None = None  # after so many chunks wait for POST /__release
    hold_before_usage: bool = False  # after the finish reasons wait for POST /__release
    end: End = "done"
    after: int | None = None  # None: after all of them
    cut_at: int | None = None  # after so many bytes of a body nothing more comes, and ...
    cut_by: Literal["close", "reset", "stall"] = "close"
    role_events: int = 1  # lifecycle events before the content
    empty_choices: int = 0  # chunks without choices before the content
    framing: Literal["lf", "crlf", "cr"] = "lf"
    comments: bool = False
    drip: bool = False  # one byte at a time
    huge: int = 0  # so many more characters in the first content event
    close_delimited: bool = False  # no chunked encoding: the connection's end is the body's end
    events: list[str] = []
    raw: str = ""
    ignore_cap: bool = False  # produce more than max_tokens allows


def of_model(name: str) -> Behavior | None:
    """Read a behavior out of a model's name such as `slow?chunks=50&pause=0.02`."""
    _, found, script = name.partition("?")
    return msgspec.convert(dict(parse_qsl(script)), Behavior, strict=False) if found else None
