"""Responses to a provider that has Responses: bytes pass, ids leave marked and return to the account that made them."""

from __future__ import annotations

import json
import re

import openai
import pytest

from tests.support.books.ledger import row_of
from tests.support.vendors.responses_events import call, hello, text, thought

ALICE, BOB = "sk-anna.anna-secret", "sk-boris.boris-secret"
TOOL = {
    "type": "function",
    "name": "weather",
    "parameters": {"type": "object", "properties": {}},
    "strict": True,
}


def no_vendor_id(document, vendors):
    words = json.dumps(document)
    return not any(found in words for vendor in vendors for found in (*vendor.stored, *vendor.items))


def test_a_body_reaches_the_provider_byte_for_byte_but_for_the_model_the_cap_and_the_cache(gateway, vendors):
    body = (
        b'{"model":"other","input":[{"role":"user","content":"caf\\u00e9"}],"temperature":1.0,"metadata":{"a":"b"},'
        b'"max_output_tokens":100,"store":false}'
    )
    with gateway.openai_sync(ALICE) as client:
        client.post("/responses", cast_to=object, body=json.loads(body), options={"headers": {}})
    sent = vendors[1].bodies[-1]
    cache = re.search(rb',"prompt_cache_key":"[0-9a-f]+"', sent)
    assert cache is not None  # tenants do not share the account's cache
    assert json.loads(sent.replace(cache[0], b"")) == json.loads(body) | {"model": "up-gpt"}


async def test_an_answer_is_billed_and_keeps_unknown_members(gateway, vendors):
    async with gateway.client(ALICE) as client:
        answer = await client.post("/v1/responses", json={"model": "gpt", "input": "hi"})
    document = answer.json()
    assert answer.status_code == 200, answer.text
    assert document["model"] == "gpt"
    assert document["new_member"] == {"id": "kept as it is"}
    assert document["prompt_cache_key"] is None  # the client gave none
    assert document["id"].startswith("resp_gw1")
    assert document["output"][0]["id"].startswith("msg_gw1")
    assert no_vendor_id(document, vendors)
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert (row["input_tokens"], row["cached_input_tokens"]) == (40, 8)
    assert (row["output_tokens"], row["reasoning_tokens"]) == (12, 4)
    assert not row["estimated"]
    assert row["endpoint"] == "responses"


def test_the_cap_of_a_budget_reaches_the_provider_as_its_only_cap(client, vendors):
    client.responses.create(model="gpt", input="hi")
    assert vendors[0].seen[-1]["max_output_tokens"] == 1024
    client.responses.create(model="gpt", input="hi", max_output_tokens=20)
    assert vendors[0].seen[-1]["max_output_tokens"] == 20


def test_a_stream_has_the_providers_events_and_one_end(client, vendors):
    vendors[0].output = lambda _: [thought("deep"), call("weather", {"city": "Rome"})]
    events = list(client.responses.create(model="gpt", input="hi", stream=True, tools=[TOOL]))
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert [event.type for event in events][:2] == ["response.created", "response.in_progress"]
    assert events[-1].type == "response.completed"
    last = events[-1].response
    assert last.model == "gpt"
    assert last.usage.total_tokens == 52
    assert last.output[1].arguments == '{"city": "Rome"}'
    assert {event.item_id for event in events if hasattr(event, "item_id")} == {
        item.id for item in last.output
    }
    assert no_vendor_id(last.model_dump(), vendors)
    assert "~gw1." in last.output[0].encrypted_content


def test_a_loop_of_tools_returns_reasoning_to_its_account_unchanged(client, vendors):
    vendor = vendors[0]
    vendor.output = lambda _: [thought("deep"), call("weather", {"city": "Rome"})]
    asked = [{"role": "user", "content": "What is the weather?"}]
    first = client.responses.create(model="both", input=asked, tools=[TOOL], store=False)
    history = [*asked, *[item.model_dump(exclude_none=True) for item in first.output]]
    history.append({"type": "function_call_output", "call_id": "call_1", "output": "sunny"})
    vendor.output = hello
    again = client.responses.create(model="both", input=history, tools=[TOOL], store=False)
    assert again.output_text == "Hello there"
    sent = vendor.seen[-1]["input"]
    assert sent[1]["encrypted_content"] == vendor.encrypted("deep")
    assert sent[1]["id"].startswith("rs_")
    assert "gw1" not in json.dumps(sent)
    # The provider's prompt cache: the later request begins with the items of the earlier one.
    assert sent[:1] == vendor.seen[-2]["input"]


def test_reasoning_of_another_account_is_left_out(client, vendors):
    vendors[0].output = lambda _: [thought("deep"), call("weather", {"city": "Rome"})]
    first = client.responses.create(model="gpt", input="hi", tools=[TOOL], store=False)
    history = [
        {"role": "user", "content": "hi"},
        *[item.model_dump(exclude_none=True) for item in first.output],
    ]
    history.append({"type": "function_call_output", "call_id": "call_1", "output": "sunny"})
    answer = client.responses.create(model="other", input=history, tools=[TOOL], store=False)
    assert answer.output_text == "Hello there"
    assert [item.get("type") for item in vendors[1].seen[-1]["input"]][1:] == [
        "function_call",
        "function_call_output",
    ]


def test_a_stored_response_is_continued_by_the_account_that_made_it(client, vendors):
    first = client.responses.create(model="other", input="hi")
    assert first.id.startswith("resp_")
    assert len(first.id) <= 512
    again = client.responses.create(model="other", input="and?", previous_response_id=first.id)
    assert vendors[1].seen[-1]["previous_response_id"] in vendors[1].stored
    assert again.previous_response_id == first.id
    kept = client.responses.create(
        model="other",
        input=[{"type": "item_reference", "id": first.output[0].id}, {"role": "user", "content": "?"}],
    )
    assert kept.output_text == "Hello there"


def test_a_continued_response_never_goes_to_another_account(client, vendors):
    first = client.responses.create(model="other", input="hi")
    seen = len(vendors[0].seen)
    with pytest.raises(openai.InternalServerError) as refused:
        client.responses.create(model="gpt", input="and?", previous_response_id=first.id)
    assert refused.value.code == "state_owner_unavailable"
    assert len(vendors[0].seen) == seen


def ids_that_are_not_annas(gateway, client):
    own = client.responses.create(model="gpt", input="hi").id
    with gateway.openai_sync(BOB) as other:
        foreign = other.responses.create(model="gpt", input="hi").id
    changed = own[:-1] + ("A" if own[-1] != "A" else "B")
    others = {"another tenant's": foreign, "made up": "resp_123", "empty mark": "resp_gw1"}
    return {"cut": own[:-4], "changed": changed, **others}


def test_ids_that_are_not_the_tenants_do_not_exist(gateway, client, vendors):
    found = {}
    vendor_id = next(iter(vendors[0].stored), "resp_0")
    for name, each in {**ids_that_are_not_annas(gateway, client), "the provider's": vendor_id}.items():
        seen = [len(vendor.seen) for vendor in vendors]
        with pytest.raises(openai.NotFoundError) as retrieved:
            client.responses.retrieve(each)
        with pytest.raises(openai.NotFoundError) as continued:
            client.responses.create(model="gpt", input="and?", previous_response_id=each)
        with pytest.raises(openai.NotFoundError):
            client.responses.delete(each)
        assert seen == [len(vendor.seen) for vendor in vendors], name
        found[name] = (retrieved.value.message, continued.value.message)
    assert len(set(found.values())) == 1


def test_a_stored_response_is_read_listed_and_deleted(client, vendors):
    made = client.responses.create(model="other", input="hi")
    read = client.responses.retrieve(made.id)
    assert read.id == made.id
    assert read.output[0].id == made.output[0].id
    assert read.model == "other"
    items = client.responses.input_items.list(made.id)
    assert items.data[0].id.startswith("msg_gw1")
    with pytest.raises(openai.BadRequestError):
        client.responses.cancel(made.id)
    client.responses.delete(made.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(made.id)


def test_input_tokens_are_the_providers_count_and_cost_nothing(client, vendors):
    counted = client.responses.input_tokens.count(model="gpt", input="hi")
    assert counted.input_tokens == 40
    assert vendors[0].seen[-1] == {"model": "up-gpt", "input": "hi"}


async def test_a_compaction_is_billed_and_its_content_is_marked(gateway, vendors):
    async with gateway.client(ALICE) as client:
        answer = await client.post("/v1/responses/compact", json={"model": "gpt", "input": "hi"})
    document = answer.json()
    assert answer.status_code == 200, answer.text
    assert document["object"] == "response.compaction"
    assert "~gw1." in document["output"][0]["encrypted_content"]
    assert "max_output_tokens" not in vendors[0].seen[-1]
    row = await row_of(gateway, answer.headers["x-request-id"])
    assert row["output_tokens"] == 12


def test_a_large_body_passes_with_its_state_and_its_tools(client, vendors):
    first = client.responses.create(model="other", input="hi")
    asked = [{"role": "user", "content": "x" * 3_000}] * 120
    kept = [{"type": "item_reference", "id": first.output[0].id}]
    answer = client.responses.create(
        model="other",
        input=[*asked, *kept],
        previous_response_id=first.id,
        tools=[TOOL],
        max_output_tokens=40,
    )
    assert answer.previous_response_id == first.id
    sent = vendors[1].seen[-1]
    assert sent["input"][:-1] == asked
    assert sent["input"][-1]["id"] in vendors[1].items
    assert sent["max_output_tokens"] == 40
    with pytest.raises(openai.NotFoundError):
        client.responses.create(model="other", input=asked, previous_response_id=first.id[:-1])


def test_marks_are_valid_after_a_restart(gateway, vendors):
    with gateway.openai_sync(ALICE) as client:
        first = client.responses.create(model="other", input="hi")
    gateway.restart()
    with gateway.openai_sync(ALICE) as client:
        again = client.responses.create(model="other", input="and?", previous_response_id=first.id)
    assert again.output_text == "Hello there"
    assert vendors[1].seen[-1]["previous_response_id"] in vendors[1].stored


def test_a_large_response_is_marked_as_well(client, vendors):
    vendors[1].output = lambda _: [text("x" * 600_000)]
    for streams in (False, True):
        answer = client.responses.create(model="other", input="hi", stream=streams)
        response = list(answer)[-1].response if streams else answer
        assert len(response.output_text) == 600_000
        assert no_vendor_id(response.model_dump(), vendors)
