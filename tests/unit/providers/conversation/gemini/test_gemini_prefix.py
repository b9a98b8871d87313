"""Any conversation is accepted by Google or refused here; later turns begin with the bytes of earlier ones."""

from __future__ import annotations

import json
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.apis import SentOptions
from providers.conversation.content import (
    Image,
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from providers.conversation.gemini.request_writer import write
from providers.conversation.parameters import Unsupported
from providers.conversation.request import (
    Turn,
)
from providers.model_facts import ModelFacts
from tests.support.vendors.gemini_examples import (
    GEMINI_3,
    GEMINI_25,
    HELLO,
    RESULTS,
    SIGNED,
    TOOLS,
    talk,
    target,
    turn,
)
from tests.support.vendors.gemini_rules import refusal

STEPS = (
    HELLO,
    SIGNED,
    RESULTS,
    turn("assistant", Text("done")),
    turn("user", Text("next"), Image(data="aQ==", media_type="image/png")),
    turn("assistant", ToolCall("c", "f", '{"x":"ü"}')),
    turn("user", ToolResult("c", (Text("r"),))),
    turn("assistant", Text("b"), Thinking(signature="ZW5k", place="text", owner=7)),
    turn("user", Text("bye")),
)


def test_a_later_turn_begins_with_the_bytes_of_the_earlier_one() -> None:
    bodies = [
        write(
            talk(*STEPS[:count], system=(Text("s"),), tools=TOOLS, max_output_tokens=count),
            target(),
            SentOptions(),
        )
        for count in (1, 3, 5, 7, 9)
    ]
    prefixes = [body.partition(b'],"generationConfig"')[0] for body in bodies]

    for earlier, later in pairwise(prefixes):
        assert later.startswith(earlier)
        assert len(later) > len(earlier)


TEXTS = st.text(st.characters(exclude_categories=["Cs"]), max_size=5).map(Text)
RESULT = st.builds(ToolResult, st.sampled_from("abc"), st.lists(TEXTS, max_size=2).map(tuple), st.booleans())
THOUGHTS = st.builds(
    Thinking,
    text=st.text("xy", max_size=2),
    signature=st.sampled_from(["", "c2ln", "c2k=", "!"]),
    owner=st.sampled_from([0, 7, 9]),
    place=st.sampled_from(["", "text", "a", "b", "thought"]),
)
CALL = st.builds(
    ToolCall,
    st.sampled_from("abc"),
    st.sampled_from(["f", "g"]),
    st.sampled_from(["", "{}", '{"a":1}', "[1]", "{", "5"]),
    st.booleans(),
)
TURNS = st.one_of(
    st.builds(Turn, st.just("assistant"), st.lists(st.one_of(TEXTS, THOUGHTS, CALL), max_size=5).map(tuple)),
    st.builds(Turn, st.just("user"), st.lists(st.one_of(TEXTS, RESULT), max_size=4).map(tuple)),
    st.builds(Turn, st.just("system"), st.lists(TEXTS, max_size=2).map(tuple)),
)


@given(st.lists(TURNS, max_size=8), st.sampled_from([GEMINI_3, GEMINI_25]), st.sampled_from(["", "v1"]))
def test_any_conversation_is_accepted_by_google_or_refused_here(
    turns: list[Turn], facts: ModelFacts, version: str
) -> None:
    try:
        body = write(talk(*turns), target(facts, api_version=version), SentOptions())
    except Unsupported:
        return
    assert (
        refusal(json.loads(body), version=version or "v1beta1", needs_signatures=facts.thinking == "level")
        == ""
    )
