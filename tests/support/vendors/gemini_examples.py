"""Conversations for the tests of Gemini's side, and what is sent for them, checked by Google's rules."""

from __future__ import annotations

import json
from typing import Any

from providers.conversation.apis import SentOptions
from providers.conversation.content import Part, Text, Thinking, ToolCall, ToolResult
from providers.conversation.gemini.request_writer import write
from providers.conversation.request import Conversation, Role, Tool, Turn
from providers.model_facts import ModelFacts
from providers.target import Secret, Target
from tests.support.vendors.gemini_rules import refusal

GEMINI_3 = ModelFacts(
    vendor="google", thinking="level", effort=("minimal", "low", "medium", "high"), audio_in=True
)
GEMINI_25 = ModelFacts(vendor="google", thinking="budget", effort=("none", "low", "high"))
SIGNATURE = "EpwICpkIAe5K"


def target(facts: ModelFacts = GEMINI_3, **more: Any) -> Target:
    known = {"id": 7, "alias": "g", "name": "g-1", "provider": "vertex", "upstream_model": "gemini"}
    return Target(**{**known, "base_url": "", "secret": Secret(""), "facts": facts, **more})


def turn(role: Role, *parts: Part) -> Turn:
    return Turn(role, parts)


def sent(conversation: Conversation, to: Target | None = None, cap: int | None = None) -> Any:
    to = to or target()
    body = json.loads(write(conversation, to, SentOptions(cap=cap)))
    version = to.api_version or "v1beta1"
    assert refusal(body, version=version, needs_signatures=to.facts.thinking == "level") == ""
    return body


def talk(*turns: Turn, **more: Any) -> Conversation:
    return Conversation(turns=turns, **more)


CALLS = (
    turn("user", Text("where?")),
    turn("assistant", Text("I look."), ToolCall("a", "f", ""), ToolCall("b", "g", '{"x": 1.50, "y":[]}')),
    turn("user", ToolResult("b", (Text("two"),))),
    turn("user", ToolResult("a", (Text("one"),), is_error=True), Text("go on")),
)


SIGNED = turn(
    "assistant",
    Thinking(signature=SIGNATURE, place="b", owner=7),
    Thinking(text="hm", signature="dGV4dA==", place="text", owner=7),
    Text("I look."),
    ToolCall("a", "f", "{}"),
    ToolCall("b", "g", "{}"),
)
RESULTS = turn("user", ToolResult("a"), ToolResult("b"))


TOOLS = (
    Tool("f", "does f", b'{"type":"object","properties":{"x":{"type":"string","minLength":1}}}'),
    Tool("g"),
    Tool("raw", "runs it", is_custom=True, grammar="start: /x/"),
)
HELLO = turn("user", Text("hi"))
