"""Whatever a conversation is, its body keeps the rules of Amazon Bedrock."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from providers.conversation.apis import SentOptions
from providers.conversation.content import (
    CacheMark,
    Document,
    Part,
    Refusal,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from providers.conversation.converse.request_writer import write
from providers.conversation.request import (
    Conversation,
    Tool,
    Turn,
)
from tests.unit.providers.conversation.converse.bodies import (
    PDF,
    PICTURE,
    TOOL,
    VENDORS,
    assistant,
    body,
    target,
    user,
)

TEXTS = st.one_of(st.sampled_from(["", " ", "hi", "\n", "a b"]), st.text(max_size=6))
MARKS = st.one_of(st.none(), st.builds(CacheMark, st.sampled_from(["", "5m", "1h"])))
MATERIAL = st.one_of(
    st.builds(Text, TEXTS, MARKS), st.just(PICTURE), st.builds(Document, text=TEXTS, cache=MARKS)
)
OF_USER: st.SearchStrategy[Part] = st.one_of(
    MATERIAL,
    st.just(PDF),
    st.builds(ToolResult, TEXTS, st.lists(MATERIAL, max_size=3).map(tuple), cache=MARKS),
)
OF_ASSISTANT: st.SearchStrategy[Part] = st.one_of(
    st.builds(Text, TEXTS, MARKS),
    st.builds(Refusal, TEXTS),
    st.builds(ToolCall, TEXTS, st.sampled_from(["f", "g"]), TEXTS, cache=MARKS),
    st.builds(Thinking, TEXTS, st.sampled_from(["", "sig"]), owner=st.sampled_from([0, 7, 8])),
)
TURNS = st.lists(
    st.one_of(
        st.lists(OF_USER, max_size=4).map(lambda parts: Turn("user", tuple(parts))),
        st.lists(OF_ASSISTANT, max_size=4).map(lambda parts: Turn("assistant", tuple(parts))),
        st.lists(st.builds(Text, TEXTS, MARKS), max_size=2).map(lambda parts: Turn("system", tuple(parts))),
    ),
    max_size=6,
)


@settings(max_examples=150)
@given(TURNS, st.sampled_from(VENDORS), st.lists(st.builds(Text, TEXTS, MARKS), max_size=3), st.booleans())
def test_whatever_the_turns_are_the_body_is_accepted(
    turns: list[Turn],
    vendor: str,
    system: list[Text],
    has_tools: bool,  # noqa: FBT001
) -> None:
    parts = [part for turn in turns for part in turn.parts]
    is_orphan = any(isinstance(part, ToolResult) for part in parts)
    is_orphan = is_orphan and not any(isinstance(part, ToolCall) for part in parts)  # of calls nobody knows
    tools = (TOOL, Tool("f", cache=CacheMark())) if has_tools or is_orphan else ()
    body(*turns, vendor=vendor, system=tuple(system), tools=tools)


@settings(max_examples=60)
@given(TURNS, st.sampled_from(VENDORS))
def test_a_later_turn_begins_with_the_bytes_of_the_earlier_one(turns: list[Turn], vendor: str) -> None:
    """Marks of caches may move, and a last message of the assistant loses its last blanks."""
    turns = [
        turn for turn in (*turns, user("so?")) if not any(getattr(part, "cache", None) for part in turn.parts)
    ]
    to, tools = target(vendor), (TOOL, Tool("f"), Tool("g"))
    first = write(Conversation(turns=tuple(turns), tools=tools), to, SentOptions())
    longer = (*turns, assistant("well"), user("more"))
    second = write(Conversation(turns=longer, tools=tools), to, SentOptions())
    end = first.rindex(b'],"inferenceConfig"')
    assert second.startswith(first[:end])
