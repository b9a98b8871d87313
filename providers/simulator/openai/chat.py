"""Chat completions of the simulator: the parsed request, and the choices of its response. Pure; under 1 ms."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import orjson

from providers.simulator.core import play, scenario
from providers.simulator.core.asked import ANY, AUTO, NONE, Asked, Tool
from providers.simulator.core.counting import PER_TURN, segment, text_tokens
from providers.simulator.core.errors import SimulatorError, refusal_of
from providers.simulator.core.prompt_cache import PROMPTS, CacheUse, Segment
from providers.simulator.core.replying import Reply, reply_to
from providers.simulator.core.text import tokens_of_piece
from providers.simulator.openai.models import CACHE_STEP, check_chat, hides_thinking, reports_writes

MAX_CHOICES = 128
TOKENS_PER_IMAGE = 85


class ContentPart(msgspec.Struct):
    type: str = "text"
    text: str = ""
    refusal: str = ""


class Message(msgspec.Struct):
    role: str
    content: str | list[ContentPart] | None = None
    name: str = ""
    tool_calls: list[Any] | None = None
    tool_call_id: str | None = None

    @property
    def text(self) -> str:
        if isinstance(self.content, list):
            return " ".join(part.text or part.refusal for part in self.content)
        return self.content or ""


class Function(msgspec.Struct):
    name: str
    description: str | None = None
    parameters: dict[str, Any] | None = None


class Custom(msgspec.Struct):
    name: str
    description: str | None = None
    format: dict[str, Any] | None = None


class OfferedTool(msgspec.Struct):
    type: str = "function"
    function: Function | None = None
    custom: Custom | None = None

    @property
    def offered(self) -> Tool:
        if self.custom is not None:
            return Tool(self.custom.name, None)
        if self.function is None:
            return Tool("", None)
        return Tool(self.function.name, self.function.parameters or {})


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
    tools: list[OfferedTool] | None = None
    parallel_tool_calls: bool | None = None
    reasoning_effort: str | None = None
    temperature: float | None = None
    top_p: float | None = None
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    tool_choice: str | dict[str, Any] | None = None
    response_format: ResponseFormat | None = None
    logprobs: bool | None = None
    prompt_cache_key: str | None = None
    top_logprobs: int | None = None
    seed: int | None = None

    @property
    def cap(self) -> int | None:
        return self.max_completion_tokens if self.max_completion_tokens is not None else self.max_tokens

    @property
    def prompt(self) -> str:
        """The user's last message."""
        return next((message.text for message in reversed(self.messages) if message.role == "user"), "")


class Completion(msgspec.Struct, frozen=True):
    id: str
    model: str
    choices: list[Reply]
    prompt: CacheUse
    scenario: scenario.Scenario

    @property
    def prompt_tokens(self) -> int:
        return self.prompt.total

    @property
    def completion_tokens(self) -> int:
        return sum(choice.tokens for choice in self.choices)

    @property
    def hides_thinking(self) -> bool:
        return hides_thinking(self.model)

    def usage(self) -> dict[str, Any]:
        thinking = sum(choice.thinking.tokens for choice in self.choices)
        details = {"cached_tokens": self.prompt.read, "audio_tokens": 0}
        if reports_writes(self.model):
            details["cache_write_tokens"] = self.prompt.writes
        return {
            "prompt_tokens": self.prompt_tokens,
            "completion_tokens": self.completion_tokens,
            "total_tokens": self.prompt_tokens + self.completion_tokens,
            "prompt_tokens_details": details,
            "completion_tokens_details": {"reasoning_tokens": thinking, "audio_tokens": 0},
        }


_request = msgspec.json.Decoder(ChatRequest)


def read(body: bytes) -> ChatRequest:
    """Return the parsed request. Raises SimulatorError."""
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
    check_chat(request.model, msgspec.to_builtins(request))
    _check_results(request)
    return request


def complete(request: ChatRequest, account: str = "") -> Completion:
    """Return the completion; the same conversation gets the same one, streamed or not. Raises SimulatorError."""
    asked = _asked(request)
    choices = [reply_to(asked, index) for index in range(request.n or 1)]
    owner = f"{account} {request.model} {request.prompt_cache_key or ''}"
    used = PROMPTS.use(owner, _segments(request), step=CACHE_STEP)
    return Completion(f"chatcmpl-sim{choices[0].key}", request.model, choices, used, asked.scenario)


def _asked(request: ChatRequest) -> Asked:
    drama, prompt = scenario.read(request.prompt)
    wanted = request.response_format
    is_after_results = request.messages[-1].role == "tool"
    return Asked(
        model=request.model,
        material=request.model.encode() + b"\0" + msgspec.json.encode([request.messages, request.seed]),
        prompt=prompt,
        scenario=drama,
        step=_step(request.messages),
        results=request.messages[-1].text if is_after_results else None,
        rounds=_rounds(request.messages),
        tools=tuple(tool.offered for tool in request.tools or ()),
        choice=_choice(request),
        parallel=request.parallel_tool_calls is not False,
        schema=_schema(request),
        wants_json=wanted is not None and wanted.type == "json_object",
        thinks=drama.thinks or request.reasoning_effort not in {None, "none"},
        cap=request.cap,
        stops=(request.stop,) if isinstance(request.stop, str) else tuple(request.stop or ()),
    )


def _step(messages: list[Message]) -> play.Step | None:
    texts = (message.text for message in messages if message.role == "user")
    return play.step(texts, sum(message.role == "tool" for message in messages))


def _rounds(messages: list[Message]) -> int:
    """Return how many turns of tool results came since the user's last message."""
    rounds = 0
    for message, before in zip(reversed(messages), [*reversed(messages[:-1]), Message("user")], strict=True):
        if message.role == "user":
            break
        rounds += message.role == "tool" and before.role != "tool"
    return rounds


def _schema(request: ChatRequest) -> dict[str, Any] | None:
    wanted = request.response_format
    if wanted is None or wanted.type != "json_schema":
        return None
    if wanted.json_schema is None or wanted.json_schema.schema is None:
        raise SimulatorError(
            "Missing required parameter: 'response_format.json_schema.schema'.", param="response_format"
        )
    return wanted.json_schema.schema


def _choice(request: ChatRequest) -> str:
    names = {tool.offered.name for tool in request.tools or ()}
    choice = request.tool_choice
    if isinstance(choice, dict):
        inner = choice.get("function") or choice.get("custom")
        if not isinstance(inner, dict):
            return ANY if _allowed(choice).get("mode") == "required" else AUTO
        name = inner.get("name")
        if name not in names:
            raise SimulatorError(f"Tool choice '{name}' not found in 'tools' parameter.", param="tool_choice")
        return f"={name}"
    if choice == "required" and not names:
        raise SimulatorError("'tool_choice' is only allowed when 'tools' are specified.", param="tool_choice")
    return {"required": ANY, "none": NONE}.get(choice or "", AUTO)


def _allowed(choice: dict[str, Any]) -> dict[str, Any]:
    allowed = choice.get("allowed_tools")
    return allowed if isinstance(allowed, dict) else {}


def _check_results(request: ChatRequest) -> None:
    """Every call must be answered by a tool message right after it, as OpenAI demands."""
    open_calls: set[str] = set()
    for place, message in enumerate(request.messages):
        if message.role == "tool":
            if message.tool_call_id is not None and message.tool_call_id not in open_calls:
                raise SimulatorError(
                    "Invalid parameter: messages with role 'tool' must be a response to a preceding message "
                    "with 'tool_calls'.",
                    param=f"messages.[{place}].role",
                )
            open_calls.discard(message.tool_call_id or "")
            continue
        _check_answered(open_calls)
        calls = message.tool_calls or ()
        open_calls = {str(call.get("id")) for call in calls if isinstance(call, dict)}
    _check_answered(open_calls)


def _check_answered(open_calls: set[str]) -> None:
    if open_calls:
        raise SimulatorError(
            "An assistant message with 'tool_calls' must be followed by tool messages responding to each "
            f"'tool_call_id'. These did not have response messages: {', '.join(sorted(open_calls))}",
            param="messages",
        )


def _segments(request: ChatRequest) -> list[Segment]:
    """Return the prompt in pieces. OpenAI caches by itself: here behind the leading instructions, and the whole."""
    tools = request.tools or []
    tokens = text_tokens(msgspec.json.encode(tools).decode()) if tools else 0
    pieces = [segment(tools, tokens + PER_TURN)]
    leading = True
    for message in request.messages:
        if leading and message.role not in {"system", "developer"}:
            leading = False
            pieces[-1] = msgspec.structs.replace(pieces[-1], mark="30m")
        pieces.append(segment(message, _message_tokens(message)))
    pieces[-1] = msgspec.structs.replace(pieces[-1], mark="30m")
    return pieces


def _message_tokens(message: Message) -> int:
    total = PER_TURN + tokens_of_piece(message.role) + text_tokens(message.text)
    total += tokens_of_piece(message.name) + 1 if message.name else 0
    total += text_tokens(orjson.dumps(message.tool_calls).decode()) if message.tool_calls else 0
    parts = message.content if isinstance(message.content, list) else ()
    return total + sum(TOKENS_PER_IMAGE for part in parts if part.type == "image_url")
