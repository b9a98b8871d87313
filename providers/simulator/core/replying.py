"""The deterministic reply to what was asked: thinking, text or JSON, calls of tools, and why it ended. Pure.

Tools are called if a play or the tool choice says so, the scenario says so, or the user's own words name one.
"""

from __future__ import annotations

import re
from typing import Any, Literal, NamedTuple

import msgspec
import orjson

from providers.simulator.core.asked import ANY, NONE, Asked, Tool
from providers.simulator.core.errors import SimulatorError
from providers.simulator.core.json_schema import Instance
from providers.simulator.core.play import Called
from providers.simulator.core.text import Seed, Text, capped, reply, tokens_of_piece, words_of

Finish = Literal["stop", "stop_sequence", "length", "tools", "refusal", "filter"]
EMPTY = Text((), 0)
REFUSAL = "I cannot help with that: the simulator was asked to refuse."
_SHORTEST_HINT = 4  # shorter words of a tool's name are ignored ("get", "of")
_LONG = 16  # times a usual text
_MOST_CALLS = 3


class MadeCall(msgspec.Struct, frozen=True):
    """`key`: sixteen hexadecimal digits, from which each API makes its id."""

    key: str
    name: str
    arguments: Text
    is_text: bool = False  # the input of a custom tool

    @property
    def tokens(self) -> int:
        return self.arguments.tokens + tokens_of_piece(self.name)


class Reply(msgspec.Struct, frozen=True, kw_only=True):
    """`stop`: the stop sequence that ended it. `key`: sixteen hexadecimal digits for its id."""

    key: str
    finish: Finish
    thinking: Text = EMPTY
    text: Text = EMPTY
    calls: tuple[MadeCall, ...] = ()
    stop: str = ""

    @property
    def tokens(self) -> int:
        return self.thinking.tokens + self.text.tokens + sum(call.tokens for call in self.calls)


class _Wanted(NamedTuple):
    """A call to be made. `given`: its input, if a play says it."""

    tool: Tool
    given: dict[str, Any] | str | None = None


class _Room:
    """What is left of the cap."""

    def __init__(self, cap: int | None) -> None:
        self.left = cap

    def fit(self, text: str) -> Text:
        made = capped(text, self.left)
        self.take(made.tokens)
        return made

    def take(self, tokens: int) -> bool:
        if self.left is None:
            return True
        self.left -= tokens
        return self.left >= 0


def reply_to(asked: Asked, index: int = 0) -> Reply:
    """Return the reply; the same request gets the same one, streamed or not. Raises SimulatorError."""
    if asked.scenario.status:
        raise SimulatorError("The simulator was asked for this error.", status=asked.scenario.status)
    seed = Seed(asked.material, bytes([index]))
    key = f"{seed.below(1 << 64):016x}"
    if asked.scenario.refuses:
        return Reply(key=key, finish="refusal", text=capped(REFUSAL, asked.cap))
    room = _Room(asked.cap)
    thinking = room.fit(_thoughts(asked, seed)) if asked.thinks else EMPTY
    if thinking.cut:
        return Reply(key=key, finish="length", thinking=thinking)
    if asked.scenario.is_filtered:
        return Reply(key=key, finish="filter", thinking=thinking)
    calls = _wanted_calls(asked)
    return _calling(asked, calls, seed, room, Reply(key=key, finish="tools", thinking=thinking)) or _text(
        asked, seed, room, Reply(key=key, finish="stop", thinking=thinking)
    )


def _thoughts(asked: Asked, seed: Seed) -> str:
    text = f"The user wants this: {' '.join(words_of(asked.prompt)[-12:])}. I look at it step by step. "
    return text + reply(asked.prompt, seed) if asked.scenario.thinks else text.strip()


def _text(asked: Asked, seed: Seed, room: _Room, reply_: Reply) -> Reply:
    text = _content(asked, seed)
    found = [(place, stop) for stop in asked.stops if stop and (place := text.find(stop)) >= 0]
    place, stop = min(found) if found else (len(text), "")
    made = room.fit(text[:place])
    if made.cut:
        return msgspec.structs.replace(reply_, text=made, finish="length")
    return msgspec.structs.replace(reply_, text=made, stop=stop, finish="stop_sequence" if stop else "stop")


def _content(asked: Asked, seed: Seed) -> str:
    if asked.step is not None and asked.tools:
        return asked.step.text
    if asked.schema is not None:
        return orjson.dumps(instance(asked.schema, seed, asked.prompt, "response_format")).decode()
    about = asked.prompt if asked.results is None else asked.results
    if asked.wants_json:
        return orjson.dumps({"answer": reply(about, seed)}).decode()
    times = _LONG if asked.scenario.is_long else 1
    return " ".join(reply(about, seed) for _ in range(times))


def _calling(asked: Asked, calls: list[_Wanted], seed: Seed, room: _Room, reply_: Reply) -> Reply | None:
    if not calls:
        return None
    text = room.fit("I call a tool for that.") if asked.scenario.with_text else EMPTY
    made: list[MadeCall] = []
    is_cut = text.cut
    for wanted in calls:
        if is_cut or not room.take(tokens_of_piece(wanted.tool.name)):  # not even the name fits
            is_cut = True
            break
        call = _call(asked, wanted, seed, room)
        made.append(call)
        is_cut = call.arguments.cut
    return msgspec.structs.replace(
        reply_, text=text, calls=tuple(made), finish="length" if is_cut else "tools"
    )


def _call(asked: Asked, wanted: _Wanted, seed: Seed, room: _Room) -> MadeCall:
    key = f"{seed.below(1 << 64):016x}"
    tool, given = wanted.tool, wanted.given
    if tool.schema is None:
        text = reply(asked.prompt, seed) if given is None else str(given)
        return MadeCall(key, tool.name, room.fit(text), is_text=True)
    made = (
        instance(tool.schema or {"type": "object"}, seed, asked.prompt, "tools") if given is None else given
    )
    return MadeCall(key, tool.name, room.fit(orjson.dumps(made).decode()))


def instance(schema: dict[str, Any], seed: Seed, prompt: str, param: str) -> Any:
    """Return a value that the schema accepts. Raises SimulatorError."""
    try:
        return Instance(schema, seed, words_of(prompt)).build()
    except SimulatorError as refusal:
        raise SimulatorError(refusal.message, param=param, code="invalid_schema") from refusal
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        TypeError,
        ValueError,
        RecursionError,
        re.error,
    ) as error:
        raise SimulatorError(f"Invalid schema: {error}.", param=param, code="invalid_schema") from error


def _wanted_calls(asked: Asked) -> list[_Wanted]:
    """Raises SimulatorError."""
    if asked.step is None or not asked.tools or asked.choice == NONE:
        return [_Wanted(tool) for tool in _wanted_tools(asked)]
    return [_played(asked, call) for call in asked.step.calls]


def _played(asked: Asked, call: Called) -> _Wanted:
    found = next((tool for tool in asked.tools if tool.name == call.tool), None)
    if found is None:
        names = ", ".join(tool.name for tool in asked.tools)
        raise SimulatorError(f"The play calls '{call.tool}', but the tools are {names}.", code="invalid_play")
    if isinstance(call.input, str) != (found.schema is None):
        expected = "a text" if found.schema is None else "an object"
        raise SimulatorError(f"The input of '{call.tool}' is {expected}.", code="invalid_play")
    return _Wanted(found, call.input)


def _wanted_tools(asked: Asked) -> list[Tool]:
    """Return the tools to call: a forced one, those of the scenario, or one that the user's own words name."""
    choice, tools, scenario = asked.choice, list(asked.tools), asked.scenario
    if choice == NONE:
        return []
    if choice.startswith("="):
        return [tool for tool in tools if tool.name == choice[1:]][:1]
    if scenario.tools and asked.rounds < scenario.rounds:
        is_parallel = scenario.parallel and asked.parallel
        return (tools * 2)[: max(2, min(len(tools), _MOST_CALLS))] if is_parallel else tools[:1]
    if choice == ANY:
        return tools[:1]
    if asked.results is not None:
        return []  # a tool's result was sent: now the model responds with text
    return _named(tools, asked.prompt)


def _named(tools: list[Tool], prompt: str) -> list[Tool]:
    words = {word.lower() for word in words_of(prompt)}
    return [tool for tool in tools if words & _hints(tool.name)][:1]


def _hints(name: str) -> set[str]:
    words = name.lower().replace("-", "_").split("_")
    return {word for word in words if len(word) >= _SHORTEST_HINT} | {name.lower()}
