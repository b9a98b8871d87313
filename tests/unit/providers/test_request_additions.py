"""A member that the gateway adds can be refused by name: it is then left out, also in later requests."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from providers.dialects.base import Shape
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.errors.exceptions import UpstreamStatus
from providers.request_additions import LEARNED_S, MOST_TENANTS, Added, Additions, stated, without
from providers.resilience.health import DeploymentHealth
from providers.target import Secret, Target
from providers.usage import Usage

RAW = b'{"model":"chat","messages":[],"stream":true}'
STREAM = Shape(alias="chat", path="chat/completions", stream=True, output_cap=4096)
REFUSALS = {  # of stream_options, with the bytes that servers send
    "Mistral": (
        422,
        (
            b'{"detail":[{"type":"extra_forbidden","loc":["body","stream_options"],"msg":"Extra inputs are not '
            b'permitted","input":{"include_usage":true}}]}'
        ),
    ),
    "Azure, an older version": (
        400,
        (
            b'{"error":{"message":"Unrecognized request argument supplied: stream_options","type":'
            b'"invalid_request_error","param":null,"code":null}}'
        ),
    ),
    "OpenAI's words": (
        400,
        b'{"error":{"message":"Unknown parameter: \'stream_options\'.","param":"stream_options"}}',
    ),
    "Google": (
        400,
        (
            b'[{"error":{"code":400,"message":"Invalid JSON payload received. Unknown name \\"stream_options\\": '
            b'Cannot find field.","status":"INVALID_ARGUMENT"}}]'
        ),
    ),
    "a JSON schema": (
        400,
        b'{"error":"Additional properties are not allowed (\'stream_options\' was unexpected)"}',
    ),
    "Cohere": (400, b'{"message":"unknown field: parameter \'stream_options\' is not a valid field"}'),
}
CAPS = {  # of one name for the cap
    "a reasoning model": (
        "max_tokens",
        (
            b'{"error":{"message":"Unsupported parameter: \'max_tokens\' is not supported with this model. Use '
            b'\'max_completion_tokens\' instead.","param":"max_tokens","code":"unsupported_parameter"}}'
        ),
    ),
    "Azure, an older version": (
        "max_completion_tokens",
        b'{"error":{"message":"Unrecognized request argument supplied: max_completion_tokens"}}',
    ),
    "FastAPI": (
        "max_completion_tokens",
        (
            b'{"detail":[{"type":"extra_forbidden","loc":["body","max_completion_tokens"],"msg":"Extra inputs are not '
            b'permitted"}]}'
        ),
    ),
    "plain": ("max_tokens", b'{"error":"unknown field `max_tokens`"}'),
}
NOT_ABOUT_IT = [
    b'{"error":{"message":"Unrecognized request argument supplied: stream_options_x"}}',
    (
        b'{"error":{"message":"max_tokens is too large: 50000. This model supports at most 4096 completion tokens",'
        b'"code":"invalid_value"}}'
    ),
    b'{"error":{"message":"Unknown parameter: \'temperatur\'."}}',
    b'{"error":{"message":"stream_options must be an object"}}',
    # A cap that is too high has been understood: under a name that is ignored there would be none.
    b'{"error":{"message":"max_tokens of 50000 is not supported: at most 4096"}}',
    b'{"error":{"message":"Unsupported value: max_tokens does not support 50000, the maximum value is 4096"}}',
    b'{"error":{"message":"max_tokens: 50000 is not allowed, it must be less than 4097"}}',
    b'{"detail":[{"loc":["body","max_tokens"],"type":"less_than_equal","msg":"forbidden: not in range"}]}',
    b"",
]


def target(**more: Any) -> Target:
    row = {"provider": "openai-compatible", "secret": Secret("s"), **more}
    return Target(id=1, alias="chat", name="chat-1", upstream_model="up", base_url="http://u", **row)


def sent(added: Added | None, at: Target | None = None, shape: Shape = STREAM) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(OpenAIToOpenAI(shape).request(RAW, at or target(), added))
    return body


def instead(added: Added, status: int, body: bytes) -> Added | None:
    return without(added, UpstreamStatus(status, body), has_cap=True, asks_usage=True)


@pytest.mark.parametrize("who", REFUSALS)
def test_a_refused_stream_option_is_left_out(who: str) -> None:
    status, body = REFUSALS[who]
    added = instead(Added("max_tokens"), status, body)
    assert added == Added("max_tokens", usage=False)
    assert "stream_options" not in sent(added)
    assert sent(added)["max_tokens"] == 4096
    assert without(Added("max_tokens"), UpstreamStatus(status, body), has_cap=True, asks_usage=False) is None


@pytest.mark.parametrize("who", CAPS)
def test_a_refused_cap_goes_under_its_other_name(who: str) -> None:
    name, body = CAPS[who]
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}[name]
    added = instead(Added(name), 400, body)
    assert added == Added(other)
    assert (name in sent(added), sent(added)[other]) == (False, 4096)
    assert without(Added(name), UpstreamStatus(400, body), has_cap=False, asks_usage=True) is None


@pytest.mark.parametrize("body", NOT_ABOUT_IT)
def test_a_refusal_of_other_things_takes_nothing_back(body: bytes) -> None:
    assert instead(Added("max_tokens"), 400, body) is None


@pytest.mark.parametrize("status", [401, 403, 429, 500])
def test_only_a_refusal_of_the_request_takes_something_back(status: int) -> None:
    assert instead(Added("max_tokens"), status, REFUSALS["Azure, an older version"][1]) is None


def test_refused_additions_are_remembered_for_an_hour_for_one_deployment() -> None:
    now = [0.0]
    additions = Additions(lambda: now[0])
    here = target()
    additions.learn(here, Added("max_completion_tokens", usage=False))
    assert additions.for_target(here) == Added("max_completion_tokens", usage=False)
    assert additions.for_target(Target(id=2, alias="b", name="b", provider="openai", upstream_model="b", base_url="",
                               secret=Secret(""))) == Added("max_completion_tokens")  # fmt: skip
    now[0] = LEARNED_S
    assert additions.for_target(here) == Added("max_tokens")


def test_what_one_tenants_call_met_changes_nothing_for_others_until_they_meet_it_too() -> None:
    """An error may quote what a tenant wrote, or what a picture's server said the first time it was asked."""
    now = [0.0]
    additions, here, usual = Additions(lambda: now[0]), target(), Added("max_tokens")
    other = Added("max_completion_tokens", usage=False)
    for _ in range(3):
        additions.learn(here, other, 7)
    assert [additions.for_target(here, who) for who in (7, 8, 0)] == [other, usual, usual]
    additions.learn(here, Added("max_completion_tokens"), 8)
    assert [additions.for_target(here, who) for who in (7, 9, 0)] == [other, usual, usual]
    additions.learn(here, other, 9)
    assert [additions.for_target(here, who) for who in (7, 9, 10, 0)] == [other] * 4
    now[0] = LEARNED_S
    assert [additions.for_target(here, who) for who in (7, 9, 10, 0)] == [usual] * 4
    additions.learn(here, other, 10)
    assert [additions.for_target(here, who) for who in (7, 10, 0)] == [usual, other, usual]


@pytest.mark.parametrize(
    "edit",
    [
        {"base_url": "http://elsewhere"},
        {"upstream_model": "another"},
        {"api_version": "2099-01-01"},
        {"metadata": {"cap_member": "none"}},
    ],
)
def test_an_edited_row_is_another_server(edit: dict[str, Any]) -> None:
    """Also where a call that began before the edit gets an answer about the old row."""
    additions, old, other = Additions(), target(), Added("max_completion_tokens")
    new = msgspec.structs.replace(old, **edit)
    additions.learn(old, other)
    assert (additions.for_target(old), additions.for_target(new)) == (other, stated(new))
    additions.learn(new, Added("max_tokens", usage=False))
    additions.learn(old, other)
    assert additions.for_target(new) == stated(new)


def test_what_the_operators_own_call_met_is_known_for_all() -> None:
    additions, here, other = Additions(), target(), Added("max_completion_tokens")
    additions.learn(here, other)
    assert [additions.for_target(here, who) for who in (0, 7)] == [other, other]


def test_refused_additions_are_dropped_with_their_deployment() -> None:
    health = DeploymentHealth()
    health.update_targets([target()])
    health.additions.learn(target(), Added("max_tokens", usage=False))
    health.update_targets([target()])
    assert health.additions.for_target(target()) == Added("max_tokens", usage=False)
    health.update_targets([])
    assert health.additions.for_target(target()) == stated(target())


def test_very_many_tenants_fit() -> None:
    additions, here = Additions(), target()
    for who in range(1, MOST_TENANTS + 3):
        additions.learn(here, Added(f"name-{who}"), who)
    usual = Added("max_tokens")
    assert [additions.for_target(here, who).cap for who in (2, MOST_TENANTS)] == [
        "max_tokens",
        f"name-{MOST_TENANTS}",
    ]
    assert additions.for_target(here, 1) == usual


def test_a_refusal_that_is_billed_is_none() -> None:
    """There is money for one try."""
    status, body = REFUSALS["OpenAI's words"]
    refusal = UpstreamStatus(status, body)
    refusal.usage = Usage(input_tokens=9)
    assert without(Added("max_tokens"), refusal, has_cap=True, asks_usage=True) is None


@pytest.mark.parametrize(
    ("metadata", "added"),
    [
        ({}, Added("max_tokens")),
        ({"cap_member": "max_completion_tokens"}, Added("max_completion_tokens")),
        ({"cap_member": "none"}, Added("")),
        ({"stream_usage": "none"}, Added("max_tokens", usage=False)),
        ({"stream_usage": "ask", "cap_member": "max_tokens"}, Added("max_tokens")),
    ],
)
def test_a_row_says_what_is_added(metadata: dict[str, str], added: Added) -> None:
    assert stated(target(metadata=metadata)) == added


def test_a_row_that_takes_no_cap_gets_none_but_the_clients_own() -> None:
    at = target(metadata={"cap_member": "none"})
    assert not {"max_tokens", "max_completion_tokens"} & sent(None, at).keys()
    shape = Shape(
        alias="chat",
        path="chat/completions",
        output_cap=9,
        stated_cap=100,
        cap_names=("max_completion_tokens",),
    )
    raw = b'{"model":"chat","messages":[],"max_completion_tokens":100}'
    assert json.loads(OpenAIToOpenAI(shape).request(raw, at))["max_completion_tokens"] == 9


@pytest.mark.parametrize(
    ("shape", "added", "told"),
    [
        (STREAM, Added("max_tokens"), "max_tokens=4096, stream_options.include_usage=true"),
        (STREAM, Added("max_completion_tokens", usage=False), "max_completion_tokens=4096"),
        (STREAM, Added("", usage=False), ""),
        (
            Shape(alias="c", path="p", output_cap=7, stated_cap=7, cap_names=("max_tokens",)),
            Added("max_tokens"),
            "",
        ),
        (
            Shape(alias="c", path="p", output_cap=7, stated_cap=8, cap_names=("n",)),
            Added("max_tokens"),
            "max_tokens=7",
        ),
        (Shape(alias="c", path="p", stream=True, include_usage=True), Added("max_tokens"), ""),
    ],
)
def test_configured_additions_are_reported(shape: Shape, added: Added, told: str) -> None:
    assert OpenAIToOpenAI(shape).describe_additions(added) == told


def test_members_about_tools_that_are_none_do_not_leave() -> None:
    raw = b'{"model":"chat","messages":[],"tools":[],"tool_choice":"auto","temperature":1}'
    shape = Shape(alias="chat", path="chat/completions", absent=("tools", "tool_choice"))
    assert json.loads(OpenAIToOpenAI(shape).request(raw, target())) == {
        "model": "up",
        "messages": [],
        "temperature": 1,
    }
