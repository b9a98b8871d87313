"""K1: a cap that two readers of one body would read as different numbers is one number or refused."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from gateway.http.exceptions import BadRequest
from gateway.parsing.schemas import peek_chat
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.requests.money_classes import Unacceptable
from providers.target import Secret, Target

TARGET = Target(
    id=1,
    alias="m",
    name="m-1",
    provider="openai-compatible",
    upstream_model="m",
    base_url="http://u",
    secret=Secret(""),
)
MESSAGES = '"messages":[{"role":"user","content":"hi"}]'


def want(members: str):
    return peek_chat(f'{{"model":"m",{MESSAGES}{"," if members else ""}{members}}}'.encode())


@pytest.mark.parametrize(
    "members",
    [
        '"max_tokens":1,"max_completion_tokens":50000',  # M1
        '"max_tokens":1,"n_predict":50000',  # A2
        '"max_completion_tokens":5,"max_new_tokens":6',
        '"max_tokens":7,"max_output_tokens":8',
        '"max_length":9,"max_tokens":10',
        '"num_predict":3,"max_completion_tokens":2,"max_tokens":2',
    ],
)
def test_two_caps_that_say_different_numbers_are_refused(members: str):
    with pytest.raises(Unacceptable) as refused:
        want(members)
    assert refused.value.code == "conflicting_parameters"


@pytest.mark.parametrize(
    "members", ['"max_tokens":5,"max_completion_tokens":5', '"n_predict":5', '"max_tokens":5']
)
def test_one_number_is_one_cap_under_whatever_names(members: str):
    found = want(members)
    assert found.demand.output_cap == 5
    assert set(found.shape.cap_names) == set(json.loads(f"{{{members}}}"))


@pytest.mark.parametrize(
    "member",
    [
        "MAX_TOKENS",  # A2
        "Max_Completion_Tokens",
        "maxTokens",
        "max-tokens",
        "max_token\u017f",  # Go folds the long s
        "max_to\u212aens",  # and the Kelvin sign
        "max_tokens\u200b",
        "Model",
        "MESSAGES",
        "N",
        "nPredict",
        "Service_Tier",
    ],
)
def test_a_known_member_in_another_spelling_is_refused(member: str):
    with pytest.raises(Unacceptable) as refused:
        want(f"{json.dumps(member)}:50000")
    assert refused.value.param == member


@pytest.mark.parametrize(
    ("body", "cap"),
    [
        ('{"model":"m","max_tokens":1,"max_tokens":50000,%s}', 50_000),  # M10
        ('{"model":"m", "max_tokens": 50000, %s, "max_tokens": 1}', 1),
        ('{"model":"m",%s,"max\\u005ftokens":50000,"max_tokens":1}', 1),
        ('{"max_tokens":9,%s,"model":"dear","model":"m"}', 9),
    ],
)
def test_a_key_that_is_twice_is_sent_once_as_it_was_counted(body: str, cap: int):
    """M10: also where the alias is the upstream's own name, and the bytes would pass."""
    raw = (body % MESSAGES).encode()
    found = peek_chat(raw)
    assert found.demand.output_cap == cap
    sent = OpenAIToOpenAI(found.shape).request(
        raw, msgspec.structs.replace(TARGET, alias="m", upstream_model="m")
    )
    pairs = json.loads(sent, object_pairs_hook=list)
    assert len(pairs) == len(dict(pairs))
    assert dict(pairs)["max_tokens"] == cap
    assert dict(pairs)["model"] == "m"


@pytest.mark.parametrize(
    "body",
    [
        '{"model":"m","messages":[{"role":"user","content":"hi","content":[{"type":"video_url","video_url":{}}]}]}',
        '{"model":"m","messages":[{"role":"user","content":[{"type":"text","type":"video_url","text":"x"}]}]}',
        '{"model":"m","messages":[{"role":"user","c\\u006fntent":[{"type":"file"}],"content":"x"}]}',
        '{"model":"m",%s,"tools":[{"type":"web_search","type":"function","function":{"name":"f"}}]}',
    ],
)
def test_a_key_that_is_twice_in_a_message_or_tool_is_refused(body: str):
    raw = (body % MESSAGES if "%s" in body else body).encode()
    with pytest.raises(Unacceptable) as refused:
        peek_chat(raw)
    assert refused.value.code == "duplicate_parameter"


@pytest.mark.parametrize("style", [{"separators": (",", ":")}, {}, {"indent": 2}, {"indent": "\t"}])
def test_every_way_to_write_json_is_read_alike(style):
    body = {
        "model": "m",
        "messages": [
            {"role": "system", "content": 'gr\u00fc\u00df "model": {"a": 1}'},
            {"role": "user", "content": [{"type": "text", "text": "a, b"}]},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}],
        "max_tokens": 7,
    }
    for as_ascii in (True, False):
        found = peek_chat(json.dumps(body, ensure_ascii=as_ascii, **style).encode())
        assert (found.demand.output_cap, found.demand.tools, found.demand.messages) == (7, True, 2)
        assert not found.demand.needs_window


@pytest.mark.parametrize(
    "members",
    [
        '"min_tokens":50000',  # A2
        '"ignore_eos":true',
        '"options":{"num_predict":50000}',
        '"extra_body":{"max_tokens":50000}',
        '"n_predict":-1',
        '"max_new_tokens":"50000"',
        '"generationConfig":{"maxOutputTokens":50000}',
        '"max_out_tokens":50000',  # on no list
        '"newTokenLimit":50000',
        '"predict_length":50000',
        '"num_beams":16',
        '"thinking":{"type":"enabled","budget_tokens":50000}',
        '"thinking_budget":50000',
        '"max_output":50000',
        '"maxCompletionLength":50000',
        '"response_max_length":50000',
        '"max_seq_len":50000',
        '"num_retries":20',  # LiteLLM asks its own providers again and again
    ],
)
def test_what_could_make_a_server_exceed_the_cap_is_named(members: str):
    assert want(members).demand.against_cap


@pytest.mark.parametrize(
    "members",
    ['"min_tokens":0', '"ignore_eos":false', '"options":{}', '"n_predict":null', '"extra_body":null'],
)
def test_what_says_nothing_stands_against_nothing(members: str):
    assert want(members).demand.against_cap == ()


def test_choices_multiply_whatever_they_are_called():
    assert want('"n":3').demand.n == 3
    assert want('"best_of":8').demand.n == 8
    assert want('"n":9,"best_of":2').demand.n == 9


@pytest.mark.parametrize("name", ["max_tokens", "max_completion_tokens", "n_predict", "max_new_tokens"])
@pytest.mark.parametrize(
    "number",
    [
        "1e30",
        "2147483648",
        "1" + "0" * 40,
        "-1e300",
        "1e400",
        "123456789012345678",
        "0.00000000000000000000000000000000000000001",
    ],
)
def test_a_number_that_no_model_can_mean_is_refused_by_name(name: str, number: str):
    with pytest.raises((BadRequest, Unacceptable)) as refusal:
        want(f'"{name}":{number}')
    error: Any = refusal.value
    assert (error.param, error.code) in {(name, "invalid_value"), (None, "invalid_json")}


@pytest.mark.parametrize("number", [1, 2**31 - 1])
def test_the_largest_number_that_clients_write_for_no_limit_is_a_cap(number: int):
    assert want(f'"max_tokens":{number}').shape.stated_cap == number


@pytest.mark.parametrize(
    "members", ['"max_tokens":0', '"max_completion_tokens":0', '"n_predict":0,"user":"a"']
)
def test_a_cap_of_nothing_is_a_cap(members: str):
    found = want(members)
    assert (found.demand.output_cap, found.shape.stated_cap, len(found.shape.cap_names)) == (0, 0, 1)


def test_nothing_and_something_are_two_caps():
    with pytest.raises(Unacceptable):
        want('"max_tokens":0,"max_completion_tokens":100')
