"""Streams of servers with random changes: some change nothing, some may break the stream. Pure."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable
from typing import Any

from tests.support.provider.server_streams import ServerStream

ERRORS = (
    'data: {"error":{"message":"boom","code":502}}',
    'data: {"object":"error","message":"boom","type":"InternalServerError","code":500}',
    'event: error\ndata: {"message":"boom"}',
    'data: {"detail":"boom"}',
    'data: {"text":"boom","error_code":50001}',
    'error: {"code":500,"message":"boom"}',
    '{"error":{"message":"boom"}}',
    "data: Internal Server Error",
    "data: <html>Bad Gateway</html>",
    'data: {"id":"x","choices":[{"index":0,"delta":{"content":""},"finish_reason":"error","error":{"code":502}}]}',
    'data: {"base_resp":{"status_code":1004,"status_msg":"boom"},"choices":null}',
    'data: [{"error":{"code":500,"message":"boom"}}]',
)
NOTHING = (
    ": ping",
    "data:",
    "data: ",
    "event: keepalive\ndata:",
    "event: ping\ndata: ",
    "data",
    "id: 9",
    "retry: 5",
    "unknown: x",
    "",
)
CONTENT = (
    '"\\ud83d"', '"\\ude00"', '[{"type":"text","text":"a"}]', '{"text":"a"}', "null", '""', "[]", "7", "NaN",
    '"\\u0000"',
    '"\\"usage\\":null,\\"model\\":\\"x\\""', '[{"type":"thinking","thinking":[{"type":"text","text":"hm"}]}]', "true",
)  # fmt: skip
MEMBERS = (
    '"model":"nested"', '"usage":null', '"logprobs":{"model":"x","usage":null}', '"x":NaN', '"provider":{"model":"y"}',
    '"tool_calls":[{"function":{"arguments":{"model":"T","usage":null}}}]', '"usage":{"prompt_tokens":"9"}',
    '"error":{}',
    '"error":""', '"error":false', '"usage":[]', '"usage":"none"', '"index":null',
    '"images":[{"image_url":{"url":"data:x"}}]',
    '"m\\u006fdel":"z"', '"role":"assistant"', '"refusal":{}', '"reasoning":{}', '"tool_calls":{}',
)  # fmt: skip


def harmless(server: ServerStream, dice: random.Random) -> bytes:
    """Return the stream in another framing that the standard reads as the same."""
    end = dice.choice(("\n", "\r\n", "\r"))
    events = []
    for event in _events(server):
        while dice.random() < 0.2:
            events.append(dice.choice(NOTHING[:9]).replace("\n", end) + end + end)
        events.append(
            event.replace("data: ", dice.choice(("data: ", "data:", ": hi\ndata: "))).replace("\n", end)
            + end
            + end
        )
    if dice.random() < 0.3:
        events = [dice.choice((each, each.replace("[DONE]", " [DONE] \t"))) for each in events]
    return (dice.choice((b"", b"\xef\xbb\xbf"))) + "".join(events).encode()


def mutated(server: ServerStream, dice: random.Random) -> bytes:
    """Return it with one to four changes of any kind."""
    events = _events(server)
    for _ in range(dice.choice((1, 1, 2, 4))):
        events = dice.choice(_CHANGES)(events, dice)
    raw = "".join([event + "\n\n" for event in events]).encode("utf-8", "surrogatepass")
    for _ in range(dice.choice((0, 0, 0, 1, 2))):
        raw = _bytes(raw, dice)
    return raw


def _events(server: ServerStream) -> list[str]:
    text = server.raw.decode().replace("\r\n", "\n").replace("\r", "\n")
    return [each for each in text.split("\n\n") if each]


def _bytes(raw: bytes, dice: random.Random) -> bytes:
    at = dice.randrange(len(raw) + 1)
    return dice.choice(
        (
            raw[:at],
            raw[:at] + bytes([dice.randrange(256)]) + raw[at + 1 :],
            raw[:at] + raw[at + dice.randrange(1, 40) :],
            raw[:at] + raw[max(0, at - 20) :],
            raw.replace(b"\n", b"\r\n"),
        )
    )


Change = Callable[[list[str], random.Random], list[str]]


def _inserted(events: list[str], dice: random.Random) -> list[str]:
    at = dice.randint(0, len(events))
    return [*events[:at], dice.choice(ERRORS + NOTHING), *events[at:]]


def _dropped(events: list[str], dice: random.Random) -> list[str]:
    at = dice.randrange(len(events) + 1)
    return events[:at] + events[at + 1 :]


def _swapped(events: list[str], dice: random.Random) -> list[str]:
    at = dice.randrange(len(events) + 1)
    return events[:at] + events[at : at + 2][::-1] + events[at + 2 :]


def _without_done(events: list[str], _: random.Random) -> list[str]:
    return [each for each in events if "[DONE]" not in each]


def _together(events: list[str], dice: random.Random) -> list[str]:
    """Write an event into the one before it."""
    at = dice.randrange(len(events) + 1)
    first, *second = events[at : at + 2] or [""]
    if not second or not first.endswith("}") or not second[0].startswith("data: {"):
        return events
    return [*events[:at], first[:-1] + "," + second[0].removeprefix("data: {"), *events[at + 2 :]]


def _each(change: Callable[[str, random.Random], str]) -> Change:
    def one(events: list[str], dice: random.Random) -> list[str]:
        at = dice.randrange(len(events) + 1)
        return [*events[:at], *[change(each, dice) for each in events[at : at + 1]], *events[at + 1 :]]

    return one


def _content(event: str, dice: random.Random) -> str:
    return re.sub(r'"content":"[^"]*"', lambda _: f'"content":{dice.choice(CONTENT)}', event)


def _finish(event: str, dice: random.Random) -> str:
    reason = dice.choice(('""', "null", '"null"', '"stop"', "1", '"length"', '"error"', "{}"))
    return re.sub(r'"finish_reason":(?:null|"\w*")', f'"finish_reason":{reason}', event)


def _index(event: str, dice: random.Random) -> str:
    return event.replace(
        '"index":0,', dice.choice(('"index":null,', "", '"index":"0",', '"index":1,', '"index":2.5,'))
    )


def _member(event: str, dice: random.Random) -> str:
    places = [found.end() for found in re.finditer(r"\{", event)]
    if not places:
        return event
    at = dice.choice(places)
    rest = event[at:]
    return event[:at] + dice.choice(MEMBERS) + ("" if rest.startswith("}") else ",") + rest


def _spaced(event: str, dice: random.Random) -> str:
    _, found, data = event.partition("data: ")
    try:
        document: Any = json.loads(data) if found else None
    except ValueError:
        return event
    return (
        event
        if document is None
        else "data: " + json.dumps(document, indent=dice.choice((None, 0))).replace("\n", "\ndata: ")
    )


_CHANGES: tuple[Change, ...] = (
    _inserted, _inserted, _dropped, _swapped, _without_done, _together,
    *(_each(change) for change in (_content, _content, _finish, _finish, _index, _member, _member, _spaced)),
)  # fmt: skip
