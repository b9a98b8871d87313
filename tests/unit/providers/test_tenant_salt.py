"""No tenant shares or probes another's prompt cache at a provider account that both use (kind: neighbours)."""

from __future__ import annotations

import json

import pytest
from msgspec import structs

from gateway.parsing.large_reading import name_of, parse_large
from gateway.parsing.schemas import peek_chat, peek_embeddings
from providers.dialects.openai.passthrough import OpenAIToOpenAI
from providers.isolation.tenant_salt import MEMBERS, Salts
from providers.json_scan.limits import Limits
from providers.target import Secret, Target

SALTS = Salts(b"secret of the process")
HELLO = '"messages":[{"role":"user","content":"hi"}]'


def target(provider: str = "openai", upstream: str = "m", **metadata: str) -> Target:
    return Target(
        id=1,
        alias="m",
        name="d",
        provider=provider,
        upstream_model=upstream,
        base_url="http://127.0.0.1",
        secret=Secret(""),
        metadata=metadata,
    )


def sent(body: str, tenant: int = 1, at: Target | None = None, *, salts: Salts = SALTS) -> dict[str, object]:
    raw = body.encode()
    want = peek_embeddings(raw) if '"input"' in body else peek_chat(raw)
    shape = structs.replace(want.shape, salt=salts.for_tenant(tenant))
    found: dict[str, object] = json.loads(OpenAIToOpenAI(shape).request(raw, at or target()))
    return found


@pytest.mark.parametrize("member", sorted(MEMBERS))
@pytest.mark.parametrize("upstream", ["m", "another"])
def test_a_large_body_is_salted_as_a_small_one_is(member: str, upstream: str) -> None:
    body = f'{{"model":"m",{HELLO},"{member}":"shared"}}'.encode()
    want = parse_large(body, name_of(peek_chat), Limits()).parsed
    assert want is not None
    assert want.shape.layout is not None
    shape = structs.replace(want.shape, salt=SALTS.for_tenant(1))
    found = OpenAIToOpenAI(shape).request(body, target(upstream=upstream))
    assert json.loads(found) == sent(body.decode(), 1, target(upstream=upstream))
    assert found.count(f'"{member}":'.encode()) == 1


@pytest.mark.parametrize("member", sorted(MEMBERS))
@pytest.mark.parametrize("provider", ["openai", "azure", "openai-compatible"])
def test_the_same_name_of_two_tenants_is_salted_differently(member: str, provider: str) -> None:
    body = f'{{"model":"m",{HELLO},"{member}":"shared"}}'
    mine, again, theirs = (sent(body, tenant, target(provider))[member] for tenant in (1, 1, 2))
    assert mine == again != theirs
    assert "shared" not in (mine, theirs)
    assert len(str(mine)) <= 64


@pytest.mark.parametrize(
    "spelling",
    [
        '"prompt_cache_key":"\\u0073hared"',
        '"prompt_c\\u0061che_key":"shared"',
        '"prompt_cache_key":"x","prompt_cache_key":"shared"',
        ' "prompt_cache_key" : "shared" ',
    ],
)
def test_a_name_is_salted_however_it_is_spelled(spelling: str) -> None:
    plain = sent(f'{{"model":"m",{HELLO},"prompt_cache_key":"shared"}}')["prompt_cache_key"]
    assert sent(f'{{"model":"m",{spelling},{HELLO}}}')["prompt_cache_key"] == plain


@pytest.mark.parametrize("says", ["", ',"prompt_cache_key":null', ',"prompt_cache_key":""'])
@pytest.mark.parametrize("upstream", ["m", "another"])
def test_a_call_that_names_no_cache_gets_its_tenants_own(says: str, upstream: str) -> None:
    body = f'{{"model":"m",{HELLO}{says}}}'
    mine, theirs = (sent(body, tenant, target(upstream=upstream)) for tenant in (1, 2))
    assert mine["prompt_cache_key"] != theirs["prompt_cache_key"]
    assert mine | {"prompt_cache_key": None} == {
        **json.loads(body),
        "model": upstream,
        "prompt_cache_key": None,
    }


def test_no_tenant_can_name_the_cache_of_another() -> None:
    theirs = sent(f'{{"model":"m",{HELLO}}}', 2)["prompt_cache_key"]
    for guess in (theirs, "", " ", "\\u0000"):
        said = sent(f'{{"model":"m",{HELLO},"prompt_cache_key":"{guess}"}}')["prompt_cache_key"]
        assert said != theirs


@pytest.mark.parametrize(
    ("at", "member"),
    [
        (target("openai-compatible"), ""),  # a server that may refuse what it does not know
        (target("azure"), ""),
        (target("openai-compatible", cache_member="cache_salt"), "cache_salt"),
        (target("azure", cache_member="prompt_cache_key"), "prompt_cache_key"),
    ],
)
def test_a_cache_is_named_where_that_is_understood(at: Target, member: str) -> None:
    body = f'{{"model":"m",{HELLO}}}'
    found = sent(body, 1, at)
    assert found.keys() - json.loads(body).keys() == ({member} if member else set())


@pytest.mark.parametrize("member", ["user", "safety_identifier", "cache_salt"])
def test_embeddings_send_no_user_either(member: str) -> None:
    body = f'{{"model":"m","input":"x","{member}":"shared"}}'
    assert len({sent(body, tenant)[member] for tenant in (1, 2)} | {"shared"}) == 3
    assert "prompt_cache_key" not in sent('{"model":"m","input":"x"}')


@pytest.mark.parametrize("value", ["7", "1.5", "true", '["shared"]', '{"a":1}'])
@pytest.mark.parametrize("member", ["prompt_cache_key", "cache_salt"])
def test_a_cache_that_is_named_by_something_else_is_a_tenants_own_too(member: str, value: str) -> None:
    body = f'{{"model":"m",{HELLO},"{member}":{value}}}'
    mine, again, theirs = (sent(body, tenant)[member] for tenant in (1, 1, 2))
    assert mine == again != theirs
    assert json.dumps(mine) != value
    assert mine != sent(f'{{"model":"m",{HELLO},"{member}":{json.dumps(value)}}}')[member]


@pytest.mark.parametrize("value", ["null", '""', "7", '{"a":1}'])
def test_a_user_value_that_is_no_name_passes_unchanged(value: str) -> None:
    assert json.dumps(sent(f'{{"model":"m",{HELLO},"user":{value}}}')["user"]) == json.dumps(
        json.loads(value)
    )


def test_salted_names_differ_by_member_and_by_process() -> None:
    body = f'{{"model":"m",{HELLO},"user":"u","safety_identifier":"u"}}'
    found = sent(body)
    assert found["user"] != found["safety_identifier"]
    assert sent(body, salts=Salts(b"another process"))["user"] != found["user"]
