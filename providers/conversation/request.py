"""One conversation: what a client's request means, whatever its API. A pure value.

Every parameter that is stated with a value other than its default is also in `stated`, so that an upstream API which
does not know it refuses it by the client's own name for it (providers/conversation/parameters.py).
"""

from __future__ import annotations

from enum import StrEnum
from typing import Any, Literal, TypeAlias

import msgspec

from providers.conversation.content import CacheMark, Part, Text

Role: TypeAlias = Literal["user", "assistant", "system"]
Effort: TypeAlias = Literal["none", "minimal", "low", "medium", "high", "xhigh", "max"]


class Turn(msgspec.Struct, frozen=True):
    """Consecutive parts of one role. Roles may repeat; a `system` turn follows the first other turn."""

    role: Role
    parts: tuple[Part, ...]


class Tool(msgspec.Struct, frozen=True):
    """A client's tool. `schema` is the JSON schema of its arguments as the client wrote it; b"": none.

    `is_custom`: OpenAI's custom tool, whose input is text; `grammar` describes that text. `namespace`: the group in
    which the client has it, as `own_name` (Responses); `name` is unique among all tools.
    """

    name: str
    description: str = ""
    schema: bytes = b""
    strict: bool | None = None
    is_custom: bool = False
    grammar: str = ""
    cache: CacheMark | None = None
    namespace: str = ""
    own_name: str = ""


class Choosing(StrEnum):
    AUTO = "auto"
    NONE = "none"
    REQUIRED = "required"  # some tool
    NAMED = "named"  # this tool


class ToolChoice(msgspec.Struct, frozen=True):
    """`name` with NAMED; `allowed`: the only tools that may be called, with AUTO or REQUIRED; empty: all."""

    mode: Choosing = Choosing.AUTO
    name: str = ""
    allowed: tuple[str, ...] = ()


class ResponseFormat(msgspec.Struct, frozen=True):
    """`schema` is the JSON schema as the client wrote it; b"" for a plain JSON object."""

    schema: bytes = b""
    name: str = "response"
    description: str = ""
    strict: bool | None = None


class Reasoning(msgspec.Struct, frozen=True):
    """How much the model shall think. Everything None or False: the client did not say.

    `budget` is Anthropic's `budget_tokens`; `wants_text`: the client can show what was thought. `is_adaptive`: "as much
    as is needed"; an `effort` beside it goes only to a model whose levels are known.
    """

    effort: Effort | None = None
    budget: int | None = None
    is_adaptive: bool = False
    is_off: bool = False
    wants_text: bool = False


class Stated(msgspec.Struct, frozen=True):
    """A parameter that the client set: its name here (OpenAI's chat name), and the client's own name for it."""

    name: str
    member: str


class Conversation(msgspec.Struct, frozen=True, kw_only=True):
    """`system` is what comes before the first turn, in its parts. None: the client stated nothing."""

    system: tuple[Text, ...] = ()
    turns: tuple[Turn, ...]
    tools: tuple[Tool, ...] = ()
    tool_choice: ToolChoice | None = None
    parallel_tool_calls: bool | None = None
    response_format: ResponseFormat | None = None
    max_output_tokens: int | None = None
    stop: tuple[str, ...] = ()
    temperature: float | None = None
    top_p: float | None = None
    top_k: int | None = None
    n: int = 1
    presence_penalty: float | None = None
    frequency_penalty: float | None = None
    logprobs: bool = False
    top_logprobs: int | None = None
    seed: int | None = None
    reasoning: Reasoning = Reasoning()
    user: str = ""  # an end user, salted by tenant (providers/isolation/tenant_salt.py)
    service_tier: str = ""
    verbosity: str = ""
    prompt_cache_key: str = ""
    stream: bool = False
    uses_old_functions: bool = False  # OpenAI's `functions`: calls are returned as `function_call`
    stated: tuple[Stated, ...] = ()
    owners: frozenset[int] = frozenset()  # deployments that made thinking in its history
    echo: dict[str, Any] = {}  # members that the client's API repeats in its response (Responses)
