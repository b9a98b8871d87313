"""A Responses body leaves as it came: marked ids are the vendor's own again, and foreign reasoning is left out."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from providers.conversation.content import Thinking
from providers.conversation.responses.reasoning_items import PURPOSE, sealed
from providers.conversation.responses.state import UnknownState, owner_of, owner_of_names
from providers.dialects.base import Shape
from providers.dialects.responses.passthrough import ResponsesToResponses
from providers.dialects.responses.request import body_for
from providers.isolation.ownership import Ownership
from providers.isolation.tenant_salt import Salt
from providers.json_scan.limits import MalformedAnswer
from providers.requests.responses.items import StateName
from providers.target import Secret, Target

SALT, OTHER = Salt(b"a" * 32), Salt(b"b" * 32)
ANNA = SALT.ownership
TARGET = Target(
    id=7, alias="gpt", name="a", provider="azure", upstream_model="up", base_url="", secret=Secret("k"),
    same_account=frozenset({8}),
)  # fmt: skip


def sent(raw, **shape):
    return body_for(Shape(alias="gpt", path="responses", salt=SALT, **shape), raw, TARGET)


def body(**members):
    return json.dumps({"model": "gpt", "input": "hi", **members}, separators=(",", ":")).encode()


def test_white_space_between_members_stays():
    raw = b' {"input" : "hi",\n\t"model" :  "gpt", "new": 1.50 } '
    assert sent(raw, exact=False) == raw.replace(b'"gpt"', b'"up"')


def test_a_member_that_is_there_twice_is_sent_once():
    raw = b'{"model":"x", "input":"hi", "model":"gpt"}'
    assert sent(raw, exact=False) == b'{"model":"up","input":"hi"}'


@given(st.dictionaries(st.sampled_from(["instructions", "metadata", "new", "text"]), st.text(max_size=20)))
def test_a_body_leaves_byte_for_byte_but_for_the_model(members):
    raw = body(**members)
    assert sent(raw) == raw.replace(b'"model":"gpt"', b'"model":"up"', 1)


def test_a_cap_is_the_only_cap():
    assert json.loads(sent(body(), output_cap=50))["max_output_tokens"] == 50
    raw = body(max_output_tokens=90)
    assert json.loads(sent(raw, output_cap=50, stated_cap=90))["max_output_tokens"] == 50
    assert json.loads(sent(raw, output_cap=90, stated_cap=90))["max_output_tokens"] == 90


def test_marked_ids_are_restored_where_they_are_whole_values():
    response, item = ANNA.mark_id("resp_1", 7), ANNA.mark_id("msg_1", 8)
    raw = body(
        previous_response_id=response,
        conversation={"id": ANNA.mark_id("conv_1", 7)},
        input=[
            {"type": "item_reference", "id": item},
            {"role": "user", "content": f"what is {response}?"},
            {"type": "function_call", "call_id": "c", "name": "f", "arguments": json.dumps({"id": response})},
        ],
    )
    found = json.loads(sent(raw))
    assert found["previous_response_id"] == "resp_1"
    assert found["conversation"] == {"id": "conv_1"}
    assert found["input"][0]["id"] == "msg_1"
    assert found["input"][1]["content"] == f"what is {response}?"
    assert json.loads(found["input"][2]["arguments"]) == {"id": response}


@pytest.mark.parametrize(
    ("content", "arrives"),
    [
        (ANNA.mark("gAAA", 7, PURPOSE), "gAAA"),
        (ANNA.mark("gAAA", 8, PURPOSE), "gAAA"),  # another deployment of the same account
        (ANNA.mark("gAAA", 9, PURPOSE), None),
        (OTHER.ownership.mark("gAAA", 7, PURPOSE), None),
        (sealed(Thinking("t", "s"), 7, ANNA), None),  # of another API
        ("gAAA", "gAAA"),  # from before the gateway
    ],
)
def test_reasoning_goes_to_its_own_account_only(content, arrives):
    item = {"type": "reasoning", "summary": [], "encrypted_content": content}
    found = json.loads(sent(body(input=[item, {"role": "user", "content": "?"}])))["input"]
    assert [each.get("encrypted_content") for each in found] == ([arrives] if arrives else []) + [None]


@given(st.binary(max_size=400))
def test_hostile_bytes_around_marks_do_no_harm(raw):
    marked = ANNA.mark_id("resp_1", 7).encode()
    whole = body(instructions=(raw + marked + b"~gw1." + raw).decode("latin-1"))
    assert json.loads(sent(whole)) == json.loads(whole) | {"model": "up"}


OWN = ANNA.mark_id("resp_1", 7)


@pytest.mark.parametrize(
    ("members", "owner"),
    [
        ({}, 0),
        ({"previous_response_id": OWN}, 7),
        ({"previous_response_id": OWN[:-1]}, None),
        ({"previous_response_id": "resp_1"}, None),
        ({"previous_response_id": OTHER.ownership.mark_id("resp_1", 7)}, None),
        ({"conversation": {"id": ANNA.mark_id("conv_1", 9)}}, 9),
        ({"conversation": "conv_1"}, None),
        ({"conversation": 5}, None),
        ({"previous_response_id": OWN, "conversation": ANNA.mark_id("conv_1", 9)}, None),
        ({"input": [{"type": "item_reference", "id": ANNA.mark_id("msg_1", 7)}]}, 7),
        ({"input": [{"type": "item_reference", "id": "msg_1"}]}, None),
        ({"input": [{"id": "msg_1"}]}, None),
        ({"input": [{"type": "reasoning", "id": "rs_1", "summary": []}]}, None),
        ({"input": [{"type": "reasoning", "id": "rs_1", "encrypted_content": "x", "summary": []}]}, 0),
        ({"input": [{"type": "message", "role": "assistant", "id": "msg_1", "content": []}]}, 0),
        ({"input": [{"type": "message", "role": "assistant", "id": "msg_gw1x", "content": []}]}, None),
        ({"tools": [{"type": "code_interpreter", "container": "cntr_1"}]}, None),
        ({"tools": [{"type": "code_interpreter", "container": ANNA.mark_id("cntr_1", 7)}]}, 7),
    ],
)
def test_a_body_has_the_owner_of_what_it_names(members, owner):
    assert owner_of(body(**members), ANNA) == owner


def test_a_preference_gives_way_to_what_is_required():
    names = [
        StateName("input[0]", ANNA.mark_id("msg_1", 8), False),
        StateName("previous_response_id", OWN, True),
    ]
    for several in (names, names[::-1]):
        assert owner_of_names(several, ANNA)[:2] == (7, "previous_response_id")
    with pytest.raises(UnknownState):
        owner_of_names(names, None)


@given(st.text(min_size=1), st.integers(0, 2**60))
def test_an_id_is_read_back_by_its_own_tenant(text, owner):
    marked = ANNA.mark_id(text, owner)
    if marked != text:
        assert len(marked) <= 512
        assert marked.isascii()
        assert ANNA.read_id(marked) == (text, owner)
        assert Ownership(b"c" * 32).read_id(marked) is None
        assert ANNA.read_id(marked[:-1]) is None
        assert ANNA.read_id(f"x{marked}") is None


def dialect(raw=body()):  # noqa: B008 - bytes
    found = ResponsesToResponses(Shape(alias="gpt", path="responses", salt=SALT))
    found.request(raw, TARGET)
    return found


def test_a_document_is_marked_and_billed():
    response: dict[str, Any] = {
        "id": "resp_1",
        "model": "up",
        "output": [{"type": "message", "id": "msg_1", "content": []}],
    }
    response["usage"] = {"input_tokens": 3, "output_tokens": 2}
    answered = dialect().response(json.dumps(response).encode())
    found = json.loads(answered.body)
    assert (found["id"], found["output"][0]["id"]) == (ANNA.mark_id("resp_1", 7), ANNA.mark_id("msg_1", 7))
    assert answered.usage.total_tokens == 5


@pytest.mark.parametrize(
    "raw", [b"<html>", b"[]", b'{"id":"x"}', b'{"status":"failed","output":[],"error":{"code":"c"}}']
)
def test_what_is_no_response_is_malformed(raw):
    with pytest.raises(MalformedAnswer):
        dialect().response(raw)


def test_a_document_in_place_of_a_stream_and_the_reverse():
    response: dict[str, Any] = {
        "id": "resp_1",
        "model": "up",
        "status": "completed",
        "output": [],
        "usage": None,
    }
    made = dialect()
    out = made.begin_with_document(made.stream(), msgspec.json.encode(response))
    assert out.count(b"event: response.created") == 1
    assert json.loads(made.folded(out))["id"] == ANNA.mark_id("resp_1", 7)
