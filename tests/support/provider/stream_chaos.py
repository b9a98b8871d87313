"""Every fault of a provider's stream, and how each call ended for the client. Values and one performer."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from typing import Any

import msgspec
import openai

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway

AT_ONCE = 8
TIMEOUTS = {"connect": "2s", "first_byte": "1500ms", "idle": "800ms", "total": "20s"}


class Chaos(msgspec.Struct, frozen=True, kw_only=True):
    """A fault, and its expected result. `tokens` None: the provider's books say how many were produced."""

    name: str
    behavior: dict[str, Any]
    status: str = "ok"  # in the ledger
    code: str = ""
    tokens: int | None = None
    choices: int = 1
    estimated: bool = False


class Outcome(msgspec.Struct):
    """What one client got through the official library."""

    id: str = ""
    texts: dict[int, str] = {}
    finished: list[str] = []
    error: str = ""  # the type of what was raised
    code: str = ""
    collected: Any = None  # what the library's helper returned or raised, of a second call


def _chunk(index: int, **choice: Any) -> str:
    head = {"id": "x", "object": "chat.completion.chunk", "created": 1, "model": "m"}
    return json.dumps({**head, "choices": [{"index": index, **choice}]})


def _event(text: str, index: int = 0) -> str:
    return _chunk(index, delta={"content": text})


def _stop(reason: str = "stop") -> str:
    return _chunk(0, delta={}, finish_reason=reason)


def _raw(*blocks: str) -> dict[str, Any]:
    return {"kind": "raw", "raw": "".join(blocks).encode().decode("latin-1")}


def _odd_framing() -> list[Chaos]:
    """Return streams that the standard of server-sent events allows, however odd they look."""
    word, stop, done = f"data: {_event(' word')}\n\n", f"data: {_stop()}\n\n", "data: [DONE]\n\n"
    front, back = _event(" word").split(", ", 1)
    odd = {
        "a byte order mark first": ("\ufeff", word, stop, done),
        "fields beside the data": ("retry: 10\nid: 7\nevent: message\n", word, "id: 8\n\n", stop, done),
        "data over two lines": (f"data: {front},\ndata: {back}\n\n", stop, done),
        "no blank after the colon": (word.replace("data: ", "data:"), stop, done),
        "no line end after [DONE]": (word, stop, "data: [DONE]"),
        "words after [DONE]": (word, stop, done, word, word),
        "mixed line ends": (word.replace("\n", "\r\n"), stop.replace("\n", "\r"), done),
    }
    return [
        Chaos(name=name, behavior=_raw(*blocks), tokens=1, estimated=True) for name, blocks in odd.items()
    ]


def _odd_and_whole() -> dict[str, dict[str, Any]]:
    return {
        "plain": {},
        "crlf": {"framing": "crlf"},
        "cr": {"framing": "cr"},
        "dripping": {"drip": True},
        "dripping crlf": {"drip": True, "framing": "crlf", "comments": True},
        "dripping cr": {"drip": True, "framing": "cr", "comments": True},
        "comments": {"comments": True},
        "empty choices first": {"empty_choices": 3},
        "many role events": {"role_events": 5},
        "no [DONE] but finished": {"end": "no_done"},
        "ends with its connection": {"close_delimited": True},
        "ends with its connection, no [DONE]": {"close_delimited": True, "end": "no_done"},
        "half a megabyte": {"huge": 500_000, "usage": "always"},
        "a megabyte": {"huge": 1_100_000, "usage": "always"},
        "a stream that says it is JSON": {"headers": {"content-type": "application/json"}},
        "a stream that says it is text": {"headers": {"content-type": "text/plain; charset=utf-8"}},
        "a stream that says it in capitals": {"headers": {"content-type": "Text/Event-Stream"}},
        "a stream that says nothing of what it is": {"headers": {"content-type": ""}},
        "slow": {"pause": 0.2},
    }


def _whole() -> list[Chaos]:
    """Return the oddities that must not harm an answer."""
    odd = _odd_and_whole()
    found = [Chaos(name=name, behavior=behavior) for name, behavior in odd.items()]
    return [
        *found,
        *_odd_framing(),
        Chaos(name="no usage", behavior={"usage": "never"}, estimated=True),
        Chaos(name="usage doubled", behavior={"usage": "double"}, tokens=10),
        Chaos(name="usage of zeros", behavior=_zeros({"content": " word word"}), tokens=2, estimated=True),
        Chaos(
            name="sound and zeros",
            behavior=_zeros({"content": "", "audio": {"data": "AAAA"}}),
            tokens=0,
            estimated=True,
        ),
        Chaos(
            name="usage on the way and no more",
            behavior={"running_usage": 2, "usage": "never"},
            estimated=True,
        ),
        Chaos(name="usage on the way and at the end", behavior={"running_usage": 2, "is_told_beside": True}),
        Chaos(name="three choices", behavior={}, choices=3),
        Chaos(name="three choices, no [DONE]", behavior={"end": "no_done"}, choices=3),
    ]


def _zeros(delta: dict[str, Any]) -> dict[str, Any]:
    nothing = {"prompt_tokens": 0, "completion_tokens": 0, "total_tokens": 0}
    said = json.dumps({"id": "x", "choices": [], "usage": nothing})
    return {"kind": "events", "events": [_chunk(0, delta=delta), _stop(), said, "[DONE]"]}


def _broken() -> list[Chaos]:
    """Return the faults after content: k chunks are kept, and billed."""
    found = [
        Chaos(
            name=f"{end} after {after}",
            behavior={"end": end, "after": after, "pause": 0.02},
            status="incomplete",
            code="upstream_timeout" if end == "stall" else "upstream_error",
            estimated=True,
        )
        for end in ("cut", "drop", "reset", "error", "malformed", "stall")
        for after in (1, 2, 5)
    ]
    events: dict[str, tuple[list[str], int, int]] = {
        "a huge event later": ([_event(" word"), _event("x" * 2_200_000), _stop(), "[DONE]"], 1, 1),
        "one of two choices unfinished": ([_event(" word"), _event(" word", 1), _stop()], 2, 2),
        "not an object": ([_event(" word"), '"hello"', "[DONE]"], 1, 1),
        "invalid UTF-8 escape": ([_event(" word"), '{"choices": "\\ud8', "[DONE]"], 1, 1),
    }
    for name, (said, tokens, choices) in events.items():
        found.append(
            Chaos(
                name=name,
                behavior={"kind": "events", "events": said},
                status="incomplete",
                code="upstream_error",
                tokens=tokens,
                choices=choices,
                estimated=True,
            )
        )
    return found


def _told_on_the_way() -> list[Chaos]:
    """Return the faults after a usage event, whose usage is then not the whole."""
    told = {"running_usage": 1, "after": 3, "pause": 0.02}
    return [
        Chaos(
            name=f"usage on the way, then {end}",
            behavior={**told, "is_told_beside": is_beside, "end": end},
            status="incomplete",
            code="upstream_error",
            estimated=True,
        )
        for end, is_beside in (("cut", False), ("reset", True), ("error", True))
    ]


def _garbled() -> list[Chaos]:
    """Return the streams that are malformed after their first content."""
    word = f"data: {_event(' word')}\n\n"
    raws = {
        "half an event at the end": _raw(word, 'data: {"id": "x", "cho'),
        "a whole event without its blank line": _raw(word, f"data: {_stop()}"),
        "HTML in the middle": _raw(word, "data: <html>Bad Gateway</html>\n\n", "data: [DONE]\n\n"),
        "an error, then [DONE]": _raw(word, 'data: {"error": {"message": "no"}}\n\n', "data: [DONE]\n\n"),
    }
    return [
        Chaos(name=name, behavior=raw, status="incomplete", code="upstream_error", tokens=1, estimated=True)
        for name, raw in raws.items()
    ]


def _failed() -> list[Chaos]:
    """Return what fails before any content: a status for the client, nothing on the bill."""
    behaviors: dict[str, dict[str, Any]] = {
        **{
            f"{end} before content": {"end": end, "after": 0}
            for end in ("cut", "drop", "reset", "error", "malformed")
        },
        "reset before the head": {"kind": "reset_before_head"},
        "a page of HTML": {"kind": "html"},
        "a page of HTML that says 200": {"kind": "html", "status": 200},
        "a huge event first": {"huge": 2_200_000},
        "events without data:": _raw(f"{_event(' word')}\n\n{_stop()}\n\n"),
        "a JSON answer instead of a stream": {"kind": "status", "status": 200, "body": {"choices": []}},
        "status 500": {"kind": "status", "status": 500},
        "nothing but [DONE] missing": {"kind": "events", "events": []},
    }
    silent: dict[str, dict[str, Any]] = {
        "silence before the head": {"kind": "hang_before_head"},
        "silence after the head": {"kind": "hang_after_head"},
        "silence before content": {"end": "stall", "after": 0},
    }
    codes = [("upstream_error", behaviors), ("upstream_timeout", silent)]
    return [
        Chaos(name=name, behavior=behavior, status="error", code=code, tokens=0)
        for code, group in codes
        for name, behavior in group.items()
    ]


CASES = [*_whole(), *_broken(), *_told_on_the_way(), *_garbled(), *_failed()]
ALIASES = {case.name: f"chaos-{number}" for number, case in enumerate(CASES)}


def catalog(endpoint: str) -> list[dict[str, Any]]:
    """Return one alias for each case, so that the failures of one do not affect another."""
    room = {
        "timeouts": TIMEOUTS,
        "context_window": 300_000,
        "max_output_tokens": 200_000,
    }  # for half a megabyte
    return [sample.row(alias, f"up-{alias}", endpoint, **room) for alias in ALIASES.values()]


async def perform(gateway: Gateway, cases: Sequence[Chaos]) -> dict[str, Outcome]:
    """Make every call with the official client, a few at a time."""
    turn = asyncio.Semaphore(AT_ONCE)
    async with gateway.openai(sample.ALICE) as client:

        async def one(case: Chaos) -> Outcome:
            async with turn:
                return await _call(client, case)

        outcomes = await asyncio.gather(*(one(case) for case in cases))
    return {case.name: outcome for case, outcome in zip(cases, outcomes, strict=True)}


def collect(gateway: Gateway, case: Chaos) -> str:
    """Let the library's own helper collect the whole answer, waiting for it. Raises openai.APIError."""
    with (
        gateway.openai_sync(sample.ALICE) as client,
        client.chat.completions.stream(**question(ALIASES[case.name], n=case.choices)) as stream,
    ):
        answer: Any = stream.get_final_completion()
    return str(answer.choices[0].message.content)


async def _call(client: openai.AsyncOpenAI, case: Chaos) -> Outcome:
    seen = Outcome()
    try:
        stream: Any = await client.chat.completions.create(
            **question(ALIASES[case.name], stream=True, n=case.choices)
        )
        seen.id = stream.response.headers["x-request-id"]
        async for chunk in stream:
            for choice in chunk.choices:
                seen.texts[choice.index] = seen.texts.get(choice.index, "") + (choice.delta.content or "")
                if choice.finish_reason:
                    seen.finished.append(choice.finish_reason)
    except openai.APIStatusError as error:
        seen.id = error.response.headers["x-request-id"]
        seen.error, seen.code = "status", str(error.code)
    except openai.APIError as error:
        seen.error, seen.code = "event", str(error.code)
    return seen
