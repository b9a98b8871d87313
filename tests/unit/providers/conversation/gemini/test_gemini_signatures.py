"""Signatures of thoughts return where they belong, and no foreign one is sent."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from providers.conversation.content import (
    Text,
    Thinking,
    ToolCall,
    ToolResult,
)
from providers.conversation.request import (
    Turn,
)
from tests.support.vendors.gemini_examples import (
    CALLS,
    GEMINI_25,
    RESULTS,
    SIGNATURE,
    SIGNED,
    sent,
    talk,
    target,
    turn,
)
from tests.support.vendors.gemini_rules import SKIP


def signatures(body: Any) -> list[str]:
    return [part.get("thoughtSignature", "") for part in body["contents"][1]["parts"]]


def with_owner(owner: int) -> Turn:
    parts = [
        msgspec.structs.replace(part, owner=owner) if isinstance(part, Thinking) else part
        for part in SIGNED.parts
    ]
    return turn("assistant", *parts)


@pytest.mark.parametrize("owner", [0, 7, 8])
def test_signatures_return_in_the_part_that_they_came_with(owner: int) -> None:
    body = sent(talk(CALLS[0], with_owner(owner), RESULTS), target(same_account=frozenset({8})))

    assert signatures(body) == ["dGV4dA==", SKIP, SIGNATURE]


def test_a_foreign_signature_is_not_sent_and_the_first_call_of_each_step_says_so() -> None:
    assert signatures(sent(talk(CALLS[0], with_owner(9), RESULTS))) == ["", SKIP, ""]
    assert signatures(sent(talk(CALLS[0], with_owner(9), RESULTS), target(GEMINI_25))) == ["", "", ""]


@pytest.mark.parametrize("signature", ["", "not base64!", "~gw1.x"])
def test_a_signature_that_is_none_counts_as_lost(signature: str) -> None:
    step = turn("assistant", Thinking(signature=signature, place="a"), ToolCall("a", "f", "{}"))
    assert signatures(sent(talk(CALLS[0], step, turn("user", ToolResult("a"))))) == [SKIP]


def test_thinking_of_other_vendors_is_left_out() -> None:
    step = turn("assistant", Thinking("deep", "c2ln", owner=7), Thinking(redacted="x", owner=7), Text("b"))
    assert sent(talk(CALLS[0], step))["contents"][1]["parts"] == [{"text": "b"}]


def test_a_signature_after_the_last_text_is_a_part_of_its_own() -> None:
    step = turn("assistant", Text("b"), Thinking(signature="ZW5k", place="text", owner=7))
    assert sent(talk(CALLS[0], step))["contents"][1]["parts"] == [
        {"text": "b"},
        {"text": "", "thoughtSignature": "ZW5k"},
    ]
