"""The messages of a chat request become the system, and the turns, of a conversation."""

from __future__ import annotations

from typing import Any, Final

import msgspec

from providers.conversation.chat.body import Function, Message, ToolCall
from providers.conversation.chat.call_ids import split
from providers.conversation.chat.faults import wrong
from providers.conversation.chat.parts_reader import mark, mark_of, part_of
from providers.conversation.content import Audio, CacheMark, Part, Refusal, Text, Thinking, ToolResult
from providers.conversation.content import ToolCall as Call
from providers.conversation.request import Turn
from providers.conversation.stated import Statements
from providers.isolation.ownership import Owned, Ownership

THINKING: Final = "thinking"  # the purpose of marks on signatures
_ROLES: Final = "expected system, developer, user, assistant, tool or function"


class Messages:
    """`system` precedes the first turn; `owners` are the deployments that made the thinking in the history."""

    def __init__(self, ownership: Ownership | None, stated: Statements) -> None:
        self.system: list[Text] = []
        self.turns: list[Turn] = []
        self.owners: set[int] = set()
        self._ownership, self._stated = ownership, stated
        self._results: list[ToolResult] = []  # of consecutive messages: they make one turn
        self._custom_calls: set[str] = set()
        self._old_calls: list[tuple[str, str]] = []  # id and name of each `function_call` without its result

    def read(self, messages: tuple[Message, ...]) -> None:
        """Raises Unacceptable."""
        for place, message in enumerate(messages):
            where, role = f"messages[{place}]", message.role
            if role == "tool":
                self._results.append(self._tool_result(message, where))
                continue
            if role == "function":
                self._results.append(self._old_result(message, where))
                continue
            if self._results:
                self._end_results()
            if role == "user":
                self.turns.append(Turn("user", self._content(message, where)))
            elif role == "assistant":
                self.turns.append(Turn("assistant", self._assistant(message, place, where)))
            elif role in ("system", "developer"):
                self._add_system(message, where)
            else:
                raise wrong(f"{where}.role", _ROLES)
        if self._results:
            self._end_results()
        if self.turns and self.turns[-1].role == "assistant":
            self._stated.add("prefill", f"messages[{len(messages) - 1}]")

    def _end_results(self) -> None:
        self.turns.append(Turn("user", (*self._results,)))
        self._results = []

    def _add_system(self, message: Message, where: str) -> None:
        texts = self._texts(message, where)
        if self.turns:
            self._stated.add("system_later", where)
            self.turns.append(Turn("system", texts))
        else:
            self._stated.add("system", where)
            self.system += texts

    def _texts(self, message: Message, where: str) -> tuple[Text, ...]:
        texts = []
        for part in self._content(message, where):
            if not isinstance(part, Text):
                raise wrong(f"{where}.content", f"expected text in a message of role '{message.role}'")
            texts.append(part)
        return tuple(texts)

    def _content(self, message: Message, where: str) -> tuple[Part, ...]:
        """Return the parts of a content. A mark on the message is one on its last part."""
        cache = None
        if message.cache_control is not None or message.prompt_cache_breakpoint is not None:
            cache = mark_of(message, self._stated, where)
        content = message.content
        if isinstance(content, str):
            return (Text(content, cache),)
        if content is None:
            if message.role == "assistant":
                return ()
            raise wrong(f"{where}.content", "expected a string or a list of parts")
        parts: list[Part] = []
        for index, each in enumerate(content):
            if each.thinking is not None and each.text is None:
                parts.append(self._thinking(each.thinking, each.signature, None))
                continue
            part = part_of(each, self._stated, f"{where}.content[{index}]")
            if part is not None:
                parts.append(part)
        if cache is not None and parts:
            parts[-1] = _marked(parts[-1], cache)
        return (*parts,)

    def _tool_result(self, message: Message, where: str) -> ToolResult:
        if message.tool_call_id is None:
            raise wrong(f"{where}.tool_call_id", "expected the id of the call")
        call_id = split(message.tool_call_id).id
        return self._result(message, call_id, where)

    def _result(self, message: Message, call_id: str, where: str) -> ToolResult:
        content = []
        for part in self._content(message, where):
            if isinstance(part, Refusal | Audio | Thinking | Call | ToolResult):
                raise wrong(f"{where}.content", f"expected text in a message of role '{message.role}'")
            content.append(part)
        return ToolResult(call_id, (*content,), is_custom=call_id in self._custom_calls)

    def _old_result(self, message: Message, where: str) -> ToolResult:
        """Return the result of an old `function_call`, which has no id: of the last one with its name."""
        ids = [call_id for call_id, name in self._old_calls if name == message.name]
        if not ids:
            raise wrong(f"{where}.name", "expected the name of a function that was called before")
        self._old_calls = [call for call in self._old_calls if call[0] != ids[-1]]
        return self._result(message, ids[-1], where)

    def _assistant(self, message: Message, place: int, where: str) -> tuple[Part, ...]:
        content = self._content(message, where)
        if (
            message.thinking_blocks is None
            and message.tool_calls is None
            and message.extra_content is None
            and message.reasoning_content is None
            and message.function_call is None
            and message.refusal is None
            and message.audio is None
        ):
            return content or (Text(""),)
        parts = self._thoughts(message, where)
        if (signature := _google_signature(message.extra_content)) is not None:
            parts.append(self._thinking("", signature, None, "text"))
        parts += content
        if message.refusal is not None:
            parts.append(Refusal(message.refusal))
        if message.audio is not None:
            self._stated.add("file_id", f"{where}.audio")
        for index, call in enumerate(message.tool_calls or ()):
            self._add_call(parts, call, f"{where}.tool_calls[{index}]")
        if message.function_call is not None:
            parts.append(self._old_call(message.function_call, place, where))
        return (*parts,) or (Text(""),)

    def _thoughts(self, message: Message, where: str) -> list[Part]:
        blocks = message.thinking_blocks or ()
        if blocks or message.reasoning_content:
            self._stated.add("thinking_history", where)
        if not blocks and message.reasoning_content:
            return [Thinking(message.reasoning_content)]
        return [
            self._thinking(block.thinking or "", block.signature, block.data, block.place or "")
            for block in blocks
        ]

    def _thinking(self, text: str, signature: str | None, redacted: str | None, place: str = "") -> Thinking:
        self._stated.add("thinking_history")
        signed, hidden = self._owned(signature or ""), self._owned(redacted or "")
        owner = signed.owner or hidden.owner
        if owner:
            self.owners.add(owner)
        return Thinking(text, signed.text, hidden.text, owner, place)

    def _owned(self, text: str) -> Owned:
        return Owned(text, 0) if self._ownership is None or not text else self._ownership.read(text, THINKING)

    def _add_call(self, parts: list[Part], call: ToolCall, where: str) -> None:
        self._stated.add("tool_calls", where)
        if call.id is None:
            raise wrong(f"{where}.id", "expected the id of the call")
        own_id, signature = split(call.id)
        signature = _google_signature(call.extra_content) or signature
        if signature:
            parts.append(self._thinking("", signature, None, own_id))
        cache: CacheMark | None = None
        if call.cache_control is not None:
            cache = mark(call.cache_control, self._stated, f"{where}.cache_control")
        if call.custom is not None:
            self._custom_calls.add(own_id)
            parts.append(Call(own_id, call.custom.name or "", call.custom.input or "", True, cache))
        elif call.function is not None and call.function.name:
            parts.append(
                Call(own_id, call.function.name, call.function.arguments or "", is_custom=False, cache=cache)
            )
        else:
            raise wrong(where, "expected a function with its name")

    def _old_call(self, call: Function, place: int, where: str) -> Call:
        self._stated.add("tool_calls", f"{where}.function_call")
        call_id, name = f"call_{place}", call.name or ""
        self._old_calls.append((call_id, name))
        return Call(call_id, name, call.arguments or "")


def _google_signature(extra: Any) -> str | None:
    """Return the signature in Google's extension of a message or a tool call."""
    google = extra.get("google") if isinstance(extra, dict) else None
    signature = google.get("thought_signature") if isinstance(google, dict) else None
    return signature if isinstance(signature, str) and signature else None


def _marked(part: Part, cache: CacheMark) -> Part:
    return msgspec.structs.replace(part, cache=cache) if hasattr(part, "cache") else part
