"""Chat completions of the simulator: the parsed request, and the choices of its response. Pure; under 1 ms.

Tool calls are made if `tool_choice` forces one or the prompt names one; `response_format` gives an instance.
"""

from __future__ import annotations

import re
from typing import Any, Literal

import msgspec
import orjson

from providers.simulator.errors import SimulatorError, refusal_of
from providers.simulator.json_schema import Instance
from providers.simulator.text import Seed, Text, capped, reply, tokens_of, tokens_of_piece, words_of

MAX_CHOICES = 128
TOKENS_PER_MESSAGE = 3  # what OpenAI's chat template adds to each message, and once to the whole
TOKENS_PER_IMAGE = 85
_SHORTEST_HINT = 4  # shorter words of a tool's name are ignored ("get", "of")


class ContentPart(msgspec.Struct):
    type: str = "text"
    text: str = ""
    refusal: str = ""


class Message(msgspec.Struct):
    role: str
    content: str | list[ContentPart] | None = None
    name: str = ""
    tool_calls: list[Any] | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return " ".join(part.text or part.refusal for part in self.content)
        return self.content or ""


class Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Tool(msgspec.Struct):
    type: str = "function"
    function: Function | None = None


class JsonSchema(msgspec.Struct):
    name: str = ""
    schema: dict[str, Any] | None = None


class ResponseFormat(msgspec.Struct):
    type: Literal["text", "json_object", "json_schema"] = "text"
    json_schema: JsonSchema | None = None


class StreamOptions(msgspec.Struct):
    include_usage: bool | None = None


class ChatRequest(msgspec.Struct):
    model: str
    messages: list[Message]
    stream: bool | None = None
    stream_options: StreamOptions | None = None
    n: int | None = None
    max_tokens: int | None = None
    max_completion_tokens: int | None = None
    stop: str | list[str] | None = None
    tools: list[Tool] | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    top_logprobs: int | None = None
    seed: int | None = None

    @property
    def cap(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def prompt(self) -> str:
        """The user's last message."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")


class Choice(msgspec.Struct, frozen=True):
    """One finished choice: text, or a call of the tool `tool` whose arguments are the text."""

    text: Text
    finish_reason: str
    tokens: int
    tool: str = ""
    call_id: str = ""


class Completion(msgspec.Struct, frozen=True):
    id: str
    model: str
    choices: list[Choice]
    prompt_tokens: int

    @property
    def completion_tokens(self) -> int:
        return sum(choice.tokens for choice in self.choices)

    def usage(self) -> dict[str, Any]:
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
            "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
        }


_request = msgspec.json.Decoder(ChatRequest)


def read(body: bytes) -> ChatRequest:
    """Return the parsed request. Raises Refused."""
    try:
        request = _request.decode(body)
    except msgspec.DecodeError as error:
        raise refusal_of(error) from error
    if not request.messages:
        raise SimulatorError("Invalid 'messages': empty array.", param="messages", code="empty_array")
    if request.n is not None and not 1 <= request.n <= MAX_CHOICES:
        raise SimulatorError(f"Invalid 'n': expected 1 to {MAX_CHOICES}.", param="n", code="invalid_value")
    if request.cap is not None and request.cap < 1:
        field = "max_tokens" if request.max_completion_tokens is None else "max_completion_tokens"
        raise SimulatorError(
            f"Invalid '{field}': expected at least 1.", param=field, code="integer_below_min_value"
        )
    return request


def complete(request: ChatRequest) -> Completion:
    """Return the completion; the same conversation gets the same one, streamed or not."""
    material = request.model.encode() + b"\0" + msgspec.json.encode([request.messages, request.seed])
    seed = Seed(material)
    identity = f"chatcmpl-sim{seed.below(1 << 64):016x}"
    tool = _wanted_tool(request)
    answers = []
    for index in range(request.n or 1):
        own = Seed(material, bytes([index]))
        answers.append(_called(request, tool, own) if tool is not None else _text_choice(request, own))
    return Completion(identity, request.model, answers, _prompt_tokens(request))


def _text_choice(request: ChatRequest, seed: Seed) -> Choice:
    text = _content(request, seed)
    stops = [request.stop] if isinstance(request.stop, str) else request.stop or []
    places = [place for place in (text.find(stop) for stop in stops if stop) if place >= 0]
    output = capped(text[: min(places)] if places else text, request.cap)
    return Choice(output, "length" if output.cut else "stop", output.tokens)


def _called(request: ChatRequest, tool: Function, seed: Seed) -> Choice:
    name_tokens = tokens_of_piece(tool.name)
    room = None if request.cap is None else request.cap - name_tokens
    if room is not None and room < 0:  # not even the name fits
        return Choice(Text((), 0, cut=True), "length", 0)
    made = _instance(tool.parameters or {"type": "object"}, seed, request.prompt, "tools")
    arguments = capped(orjson.dumps(made).decode(), room)
    reason = "length" if arguments.cut else "tool_calls"
    return Choice(
        arguments, reason, arguments.tokens + name_tokens, tool.name, f"call_{seed.below(1 << 64):016x}"
    )


def _content(request: ChatRequest, seed: Seed) -> str:
    wanted = request.response_format
    if wanted is None or wanted.type == "text":
        last = request.messages[-1]
        return reply(last.text if last.role == "tool" else request.prompt, seed)
    if wanted.type == "json_object":
        return orjson.dumps({"answer": reply(request.prompt, seed)}).decode()
    if wanted.json_schema is None or wanted.json_schema.schema is None:
        raise SimulatorError(
            "Missing required parameter: 'response_format.json_schema.schema'.", param="response_format"
        )
    made = _instance(wanted.json_schema.schema, seed, request.prompt, "response_format")
    return orjson.dumps(made).decode()


def _instance(schema: dict[str, Any], seed: Seed, prompt: str, param: str) -> Any:
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


def _wanted_tool(request: ChatRequest) -> Function | None:
    """Return the function to call, if one is forced or the user's own words name it."""
    functions = [tool.function for tool in request.tools or () if tool.function is not None]
    choice = request.tool_choice
    if isinstance(choice, dict) and isinstance(choice.get("function"), dict):
        name = choice["function"].get("name")
        found = next((function for function in functions if function.name == name), None)
        if found is None:
            raise SimulatorError(f"Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice")
        return found
    if choice == "required":
        if not functions:
            raise SimulatorError(
                "'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice"
            )
        return functions[0]
    if choice == "none" or request.messages[-1].role != "user":
        return None  # a tool's result was sent: now the model responds with text
    words = {word.lower() for word in words_of(request.prompt)}
    return next((function for function in functions if words & _hints(function)), None)


def _hints(function: Function) -> set[str]:
    words = function.name.lower().replace("-", "_").split("_")
    return {word for word in words if len(word) >= _SHORTEST_HINT} | {function.name.lower()}


def _prompt_tokens(request: ChatRequest) -> int:
    total = TOKENS_PER_MESSAGE
    for message in request.messages:
        total += TOKENS_PER_MESSAGE + tokens_of_piece(message.role) + tokens_of(message.text)
        total += tokens_of_piece(message.name) + 1 if message.name else 0
        total += tokens_of(orjson.dumps(message.tool_calls).decode()) if message.tool_calls else 0
        parts = message.content if isinstance(message.content, list) else ()
        total += sum(TOKENS_PER_IMAGE for part in parts if part.type == "image_url")
    if request.tools:
        total += tokens_of(msgspec.json.encode(request.tools).decode())
    return total
