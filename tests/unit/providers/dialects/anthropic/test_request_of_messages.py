"""A client's body reaches Claude byte for byte, but for what the gateway sets."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.parameters import Unsupported
from providers.dialects.anthropic.passthrough import AnthropicToAnthropic
from providers.dialects.anthropic.request import body_for
from providers.dialects.base import Shape
from providers.isolation.ownership import THINKING
from providers.isolation.tenant_salt import Salts
from providers.json_scan.limits import Limits
from providers.json_scan.outline import outline_of
from providers.request_additions import Added
from providers.requests.layout import layout_of
from tests.support.vendors.claude_calls import deployment, facts

SALT = Salts(b"secret").for_tenant(1)
OTHER = Salts(b"secret").for_tenant(2)
BODY = b"""{ "max_tokens" : 100,\n "model" : "claude", "system": [{"type":"text","text":"s"}],
  "messages":[{"role":"user","content":"hi \\u00e9"}], "new_member": {"a": [1.50, null]}, "stream": true }"""
BEDROCK = deployment(provider="bedrock", facts=facts())
VERTEX = deployment(provider="vertex", facts=facts())


def shape(**more: Any) -> Shape:
    known: dict[str, Any] = {
        "alias": "claude",
        "path": "messages",
        "stated_cap": 100,
        "cap_names": ("max_tokens",),
    }
    return Shape(**{**known, "salt": SALT, **more})


def test_only_the_model_changes() -> None:
    assert body_for(shape(), BODY, deployment()) == BODY.replace(b'"claude"', b'"claude-up"')
    assert body_for(shape(), BODY, deployment(upstream_model="claude")) is BODY


def test_and_the_cap_where_a_budget_binds() -> None:
    sent = body_for(shape(output_cap=7), BODY, deployment())
    assert sent == BODY.replace(b'"claude"', b'"claude-up"').replace(b"100", b"7")
    assert body_for(shape(output_cap=100), BODY, deployment(upstream_model="claude")) is BODY
    without = BODY.replace(b'"max_tokens" : 100,\n ', b"")
    sent = body_for(
        shape(output_cap=7, stated_cap=None, cap_names=()), without, deployment(upstream_model="claude")
    )
    assert sent == without.replace(b"{ ", b'{"max_tokens":7, ', 1)


def test_a_member_that_is_there_twice_has_its_last_value() -> None:
    raw = b'{"model":"x","messages":[],"model":"claude"}'
    sent = body_for(shape(exact=False), raw, deployment())
    assert sent == b'{"model":"claude-up","messages":[]}'
    assert body_for(shape(), raw, deployment()) == sent


def test_a_cap_that_is_there_twice_is_sent_once_also_where_nothing_else_changes() -> None:
    """Servers differ in which of two they take, and the hold is made for the last."""
    raw = b'{"max_tokens":90000,"model":"claude","messages":[],"max\\u005ftokens":100}'
    same, given = deployment(upstream_model="claude"), shape(exact=False, output_cap=100)
    assert body_for(given, raw, same) == b'{"max_tokens":100,"model":"claude","messages":[]}'
    spaced = BODY.replace(b'"claude"', b'"claude" ')
    assert body_for(given, spaced, same) == spaced
    large = b'{"max_tokens":90000,"model":"claude","max_tokens":100,"system":"%b","messages":[]}' % (
        b"x" * 300_000
    )
    layout = layout_of(large, outline_of(large, Limits()), frozenset({"model", "max_tokens"}))
    sent = body_for(msgspec.structs.replace(given, layout=layout), large, same)
    assert sent.count(b"max_tokens") == 1
    assert json.loads(sent) == json.loads(large)


def test_white_space_between_members_stays() -> None:
    raw = b' {"messages" : [ 1 ],\n\t"model" :  "claude", "max_tokens": 100 } '
    sent = body_for(shape(exact=False), raw, deployment())  # white space may hide a second name
    assert sent == raw.replace(b'"claude"', b'"claude-up"')


@pytest.mark.parametrize(
    "raw",
    [
        b'{"model":12,"x":"a","model":1}',
        b'{"a":1,"b":",\\"a\\":2","a":222,"model":"claude"}',
        b'{"model":"claude", "model":"claude"}',
    ],
)
def test_members_that_are_there_twice_are_never_taken_for_one(raw) -> None:
    sent = json.loads(body_for(shape(exact=False), raw, deployment()), object_pairs_hook=list)
    assert len(dict(sent)) == len(sent)
    assert dict(sent) == json.loads(raw) | {"model": "claude-up"}


def test_a_large_body_is_spliced_by_its_layout() -> None:
    raw = json.dumps(
        {"messages": [{"role": "user", "content": "x" * 300_000}], "model": "claude", "max_tokens": 100}
    ).encode()
    layout = layout_of(raw, outline_of(raw, Limits()), frozenset({"model", "max_tokens"}))
    sent = body_for(shape(output_cap=7, layout=layout), raw, deployment())
    assert json.loads(sent) == json.loads(raw) | {"model": "claude-up", "max_tokens": 7}
    assert json.loads(body_for(shape(layout=layout), raw, BEDROCK)).keys() == {
        "messages",
        "max_tokens",
        "anthropic_version",
    }


@pytest.mark.parametrize("target", [BEDROCK, VERTEX])
def test_the_clouds_have_the_version_in_the_body_and_no_model(target: Any) -> None:
    beta = "context-management-2025-06-27,claude-code-20250219"
    raw = BODY.replace(b'"new_member"', b'"context_management"')
    sent = json.loads(body_for(shape(client_headers={"anthropic-beta": beta}), raw, target))
    assert sent["anthropic_beta"] == ["context-management-2025-06-27"]
    assert "context_management" in sent
    assert "model" not in sent
    assert ("stream" in sent) is (target is VERTEX)
    dropped = json.loads(
        body_for(shape(client_headers={"anthropic-beta": "claude-code-20250219"}), raw, target)
    )
    assert "context_management" not in dropped
    assert "anthropic_beta" not in dropped


def test_what_changes_the_response_is_refused_where_it_is_not_known() -> None:
    for member in (b'{"mcp_servers":[{"url":"x"}],"model":"claude"}', b'{"model":"claude","speed":"fast"}'):
        with pytest.raises(Unsupported):
            body_for(shape(), member, BEDROCK)
        assert body_for(shape(), member, deployment()) == member.replace(b'"claude"', b'"claude-up"')
    assert (
        body_for(shape(), b'{"speed":"standard","model":"claude"}', BEDROCK)
        == b'{"anthropic_version":"bedrock-2023-05-31"}'
    )


values = st.recursive(
    st.none() | st.integers() | st.text(max_size=8),
    lambda each: st.lists(each) | st.dictionaries(st.text(), each),
    max_leaves=6,
)
members = st.dictionaries(
    st.text(max_size=6).filter(lambda name: name not in {"model", "max_tokens"}), values, max_size=5
)


@given(members, st.sampled_from([None, 1, 3]), st.booleans(), st.integers(0, 6))
def test_every_body_stays_the_same_json_but_for_these_members(
    given_members: dict[str, Any],
    indent: int | None,
    is_ascii: bool,  # noqa: FBT001
    at: int,
) -> None:
    rows = [*given_members.items()]
    document = dict([*rows[:at], ("model", "claude"), *rows[at:], ("max_tokens", 100)])
    raw = json.dumps(document, indent=indent, ensure_ascii=is_ascii).encode("utf-8", "surrogatepass")
    sent = body_for(shape(output_cap=5), raw, deployment())
    assert list(json.loads(sent).items()) == list(
        (document | {"model": "claude-up", "max_tokens": 5}).items()
    )


def history(*blocks: dict[str, Any], **more: Any) -> bytes:
    messages = [
        {"role": "user", "content": "hi"},
        {"role": "assistant", "content": [*blocks]},
        {"role": "user", "content": "go"},
    ]
    return json.dumps({"model": "claude", "max_tokens": 100, "messages": messages, **more}, indent=1).encode()


def thought(signature: str) -> dict[str, Any]:
    return {"type": "thinking", "thinking": "Hm.", "signature": signature}


TEXT = {"type": "text", "text": 'He said "signature": "x~gw1.' + "A" * 32 + '"'}
OWN = SALT.ownership.mark("EqQ=", 7, THINKING)
AWAY = SALT.ownership.mark("EqQ=", 9, THINKING)


def sent_history(raw: bytes, **more: Any) -> bytes:
    return body_for(shape(**more), raw, deployment(same_account=frozenset({8}))).replace(
        b"claude-up", b"claude"
    )


def test_marks_are_cut_out_and_all_else_stays() -> None:
    for owner in (7, 8):
        marked = history(thought(SALT.ownership.mark("EqQ=", owner, THINKING)), TEXT)
        assert sent_history(marked) == history(thought("EqQ="), TEXT)
    data = {"type": "redacted_thinking", "data": OWN}
    assert sent_history(history(data, TEXT)) == history(data | {"data": "EqQ="}, TEXT)


def test_thinking_without_a_mark_is_not_touched() -> None:
    raw = history(thought("EqQ="), TEXT)
    assert sent_history(raw) == raw


@pytest.mark.parametrize(
    "signature",
    [
        AWAY,
        OTHER.ownership.mark("EqQ=", 7, THINKING),
        SALT.ownership.mark("gw:WyIiLCIiXQ==", 7, THINKING),
        SALT.ownership.mark("EqQ=", 7, "another purpose"),
    ],
)
def test_thinking_of_another_account_is_dropped_whole(signature: str) -> None:
    sent = json.loads(sent_history(history(thought(OWN), thought(signature), TEXT, thought(signature))))
    assert sent["messages"][1]["content"] == [thought("EqQ="), TEXT]


def test_a_message_of_such_thinking_alone_is_dropped_too() -> None:
    sent = json.loads(sent_history(history(thought(AWAY), thought(AWAY))))
    assert [each["role"] for each in sent["messages"]] == ["user", "user"]


def test_then_a_budget_is_switched_off_and_adaptive_thinking_is_not() -> None:
    budget = {"type": "enabled", "budget_tokens": 2000}
    away, own = (history(thought(mark), TEXT, thinking=budget) for mark in (AWAY, OWN))
    assert json.loads(sent_history(away, stated_cap=9_000))["thinking"] == {"type": "disabled"}
    assert json.loads(sent_history(own, stated_cap=9_000))["thinking"] == budget
    adaptive, target = {"type": "adaptive"}, deployment(facts=facts(thinking="adaptive"))
    sent = body_for(shape(), history(thought(AWAY), TEXT, thinking=adaptive), target)
    assert json.loads(sent)["thinking"] == adaptive


def test_a_call_of_no_tenant_has_no_marked_thinking() -> None:
    sent = json.loads(sent_history(history(thought(OWN), TEXT), salt=None))
    assert sent["messages"][1]["content"] == [TEXT]


def test_many_marks_in_one_text_take_linear_time() -> None:
    raw = history({"type": "text", "text": "~gw1." * 200_000})
    assert sent_history(raw) == raw


def test_the_dialect_names_path_headers_and_additions() -> None:
    given_headers = {"anthropic-beta": "a-1", "anthropic-version": "2026-10-21"}
    dialect = AnthropicToAnthropic(shape(client_headers=given_headers, output_cap=7, stream=True))
    dialect.request(BODY, deployment())
    assert dialect.path(deployment()) == "messages"
    assert dialect.headers(deployment()) == given_headers
    assert dialect.describe_additions(Added("max_tokens")) == "max_tokens=7"
    assert dialect.is_sse


def test_the_dialect_follows_its_target() -> None:
    dialect = AnthropicToAnthropic(shape(stream=True))
    dialect.request(BODY, BEDROCK)
    assert dialect.path(BEDROCK) == "invoke-with-response-stream"
    assert dialect.headers(BEDROCK) == {"accept": "application/vnd.amazon.eventstream"}
    assert not dialect.is_sse


def test_the_dialect_on_vertex_has_server_sent_events() -> None:
    dialect = AnthropicToAnthropic(shape(stream=True))
    msgspec.json.decode(dialect.request(BODY, VERTEX))
    assert dialect.path(VERTEX) == "streamRawPredict"
    assert dialect.is_sse
