"""A body of Messages reaches Claude byte for byte but for its model, on four platforms; others get it translated."""

from __future__ import annotations

import json

import pytest

from tests.functional.providers.matrix.asked import LONG
from tests.functional.providers.matrix.messages.messages_calls import TOOLS, ask, call, read, user
from tests.functional.providers.matrix.rows import ROWS

CLAUDES = [up for up in ROWS if up.family == "claude"]
OTHERS = [up for up in ROWS if up.family != "claude"]
every_claude = pytest.mark.parametrize("up", CLAUDES, ids=lambda up: up.alias)
every_other = pytest.mark.parametrize("up", OTHERS, ids=lambda up: up.alias)
both_ways = pytest.mark.parametrize("stream", ["false", "true"], ids=["whole", "stream"])
BETAS = "context-management-2025-06-27,interleaved-thinking-2025-05-14"
# Odd white space, escapes, an order of its own, a number with its digits, numbers of a schema, a name of unicode.
BODY = """ {"messages" : [ {"role":"user","content":[{"text":"caf\\u00e9 \\/ [tools] \\ud83d\\ude00","type":"text"}]}],
  "stream":%s,\t"model"  :  "%s", "max_tokens":2048,"tools":[{"input_schema":{"properties":{"b":{"type":"number",
  "minimum":1.50},"a":{"type":"string"}},"type":"object"},"name":"weather","description":"\\u00fc"}],
  "system":[{"type":"text","text":"x-anthropic-billing-header: cc_version=2.1; cch=%s;"},{"text":"Be  kind",
  "type":"text",
  "cache_control":{"type":"ephemeral","ttl":"1h"}}],
  "context_management":{"edits":[{"type":"clear_tool_uses_20250919"}]}%s } """


def sent_to(vendors, up):
    return vendors.calls(vendor=up.vendor, model=up.model, method="POST")[-1]


def expected(up, raw, stream):
    """Return the client's bytes with what the platform sets."""
    if up.vendor in {"anthropic", "azure"}:
        return raw.replace(f'"model"  :  "{up.alias}"', f'"model"  :  "{up.model}"')
    version = {"bedrock": "bedrock-2023-05-31", "vertex": "vertex-2023-10-16"}[up.vendor]
    flags = json.dumps(BETAS.split(","), separators=(",", ":"))
    start = f'{{"anthropic_version":"{version}","anthropic_beta":{flags},'
    raw = raw.replace("{", start, 1)
    raw = raw.replace(f',\t"model"  :  "{up.alias}"', "")
    return raw.replace(f',\n  "stream":{stream}', "") if up.vendor == "bedrock" else raw


@every_claude
@both_ways
async def test_a_body_passes_byte_for_byte(matrix, books, up, stream):
    raw = BODY % (stream, up.alias, "1", "")
    answer = await call(matrix, raw.encode(), anthropic_beta=BETAS)
    assert answer.status_code == 200, answer.text
    seen = sent_to(books.vendors, up)
    assert seen["body"].decode() == expected(up, raw, stream)
    if up.vendor in {"anthropic", "azure"}:
        assert seen["headers"]["anthropic-beta"] == BETAS
        assert seen["headers"]["anthropic-version"] == "2023-06-01"
    books.check(up, read(answer, up.alias, streams=stream == "true"))


@every_claude
async def test_unknown_members_pass(matrix, books, up):
    raw = BODY % ("false", up.alias, "1", ', "new_member" : {"a": [1,  2]}')
    answer = await call(matrix, raw.encode(), anthropic_beta=BETAS)
    seen = sent_to(books.vendors, up)
    assert seen["body"].decode() == expected(up, raw, "false")
    assert (answer.status_code, "new_member" in answer.text) == (400, True)


def claude_code(up, turn, stream):
    """Return what Claude Code sends, whichever model is behind it; of Claude's newest the block may not vary."""
    turn = 1 if up.family == "claude" else turn
    adaptive = up.model == "claude-opus-5-5" or up.family != "claude"
    thinks = {"type": "adaptive", "display": "omitted"} if adaptive else {"type": "disabled"}
    return {
        "thinking": thinks,
        "context_management": {"edits": [{"type": "clear_tool_uses_20250919"}]},
        "metadata": {"user_id": "user_1_session_2"},
        "stream": stream,
        "tools": TOOLS,
        "system": [
            {"type": "text", "text": f"x-anthropic-billing-header: cc_version=2.1.0; cch={turn}{stream};"},
            {
                "type": "text",
                "text": f"You are Claude Code at {up.alias}. {LONG}",
                "cache_control": {"type": "ephemeral"},
            },
        ],
    }


def body_of(up, turn, stream, *messages):
    return {
        "model": up.alias,
        "max_tokens": 3_000,
        "messages": list(messages),
        **claude_code(up, turn, stream),
    }


@pytest.mark.parametrize("up", ROWS, ids=lambda up: up.alias)
@pytest.mark.parametrize("stream", [False, True], ids=["whole", "stream"])
async def test_claude_code_as_it_is(matrix, books, up, stream):
    marked = {"type": "text", "text": "[tools] How is it?", "cache_control": {"type": "ephemeral"}}
    asked = user([marked])
    first_call = await call(matrix, body_of(up, 1, stream, asked), anthropic_beta=BETAS)
    assert first_call.status_code == 200, first_call.text
    first = read(first_call, up.alias, streams=stream)
    assert first.stop == "tool_use"
    books.check(up, first)
    done = [{"type": "tool_result", "tool_use_id": id_, "content": "Dry."} for id_, _, _ in first.calls]
    second_call = await call(
        matrix, body_of(up, 2, stream, asked, *first.said, user(done)), anthropic_beta=BETAS
    )
    assert second_call.status_code == 200, second_call.text
    bill = books.check(up, read(second_call, up.alias, streams=stream))
    sent = [
        call["body"] for call in books.vendors.calls(vendor=up.vendor, model=up.model, method="POST")[-2:]
    ]
    if up.family == "claude":
        assert all(b"context_management" in each and b"x-anthropic-billing-header" in each for each in sent)
        return
    assert not any(b"context_management" in each or b"billing-header" in each for each in sent)
    assert bill["counts"]["cache_read"] > 3_000  # the block that varies is in no prefix


@pytest.mark.parametrize("up", ROWS, ids=lambda up: up.alias)
async def test_system_messages_between_the_others(matrix, books, up):
    turns = [user("Hello"), {"role": "system", "content": "Now be brief."}]
    reply = await ask(matrix, up.alias, *turns)
    assert reply.text
    assert (
        b"Now be brief." in books.vendors.calls(vendor=up.vendor, model=up.model, method="POST")[-1]["body"]
    )
    books.check(up, reply)
