"""Each vendor counts a prompt itself: for the counting endpoints, and for a budget that its bytes alone exceed."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import certifi
import pytest

from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.servers.gateway import Gateway

TEXT = "A few plain words, and some more of them. " * 150  # 6,300 bytes, some 1,500 tokens
CAP = 16
ROOM = 0.0045  # USD: 4,500 tokens of a prompt, so that the bytes do not fit and the tokens do
HIGHEST = 1_000 * len(TEXT)  # nano-USD: what the bytes cost
CLAUDE, ON_BEDROCK = "claude-sonnet-4-5", "us.anthropic.claude-sonnet-4-5-20250929-v1:0"
CHAT = {"messages": [{"role": "user", "content": TEXT}], "max_tokens": CAP}
INPUT = {"input": TEXT, "max_output_tokens": CAP}
# alias, client API, body, and the path at which its vendor counts
CASES: list[tuple[str, str, dict[str, Any], str]] = [
    ("anthropic", "chat/completions", CHAT, "/v1/messages/count_tokens"),
    ("anthropic", "messages", CHAT, "/v1/messages/count_tokens"),
    ("azure", "messages", CHAT, "/anthropic/v1/messages/count_tokens"),
    ("bedrock", "chat/completions", CHAT, f"/model/{ON_BEDROCK[3:].replace(':', '%3A')}/count-tokens"),
    ("bedrock", "messages", CHAT, f"/model/{ON_BEDROCK[3:].replace(':', '%3A')}/count-tokens"),
    ("vertex", "messages", CHAT, "/models/count-tokens:rawPredict"),
    ("gemini", "chat/completions", CHAT, "/models/gemini-3-pro:countTokens"),
    ("gemini-api", "chat/completions", CHAT, "/v1beta/models/gemini-3-pro:countTokens"),
    ("openai", "responses", INPUT, "/v1/responses/input_tokens"),
]
NAMES = [f"{case[0]} {case[1]}" for case in CASES]


def token(name: str) -> str:
    return f"sk-{name}.{name}-secret"


def rows(vendors) -> list[dict[str, Any]]:
    urls = vendors.urls
    account = json.dumps(vendors.service_accounts["one"])
    claude = {"facts": {"vendor": "anthropic"}}
    google = {"provider": "vertex", "api_key": None, "metadata": {"gcp_credentials_json": account}}
    keys = {"aws_access_key_id": "AKIAONE", "aws_secret_access_key": "aws-secret-one"}

    def row(alias: str, model: str, vendor: str, **more: Any) -> dict[str, Any]:
        found = sample.row(
            alias, model, urls[vendor], **{"provider": vendor, "context_window": 900_000, **more}
        )
        return {name: value for name, value in found.items() if value is not None}

    return [
        row("anthropic", CLAUDE, "anthropic", api_key="sk-ant-one", **claude),
        row("lies", "claude-lies", "anthropic", api_key="sk-ant-one", **claude),
        row("down", "claude-down", "anthropic", api_key="sk-ant-one", **claude),
        row("azure", CLAUDE, "azure", api_key="azure-key-one", **claude),
        row("bedrock", ON_BEDROCK, "bedrock", api_key=None, region="us-east-1", metadata=keys, **claude),
        row("vertex", CLAUDE, "vertex", **google, **claude),
        row("gemini", "gemini-3-pro", "vertex", **google),
        row("gemini-api", "gemini-3-pro", "vertex", api_key="AIza-one"),
        {**row("openai", "gpt-5.6", "openai", api_key="sk-openai-one"), "endpoint": f"{urls['openai']}/v1"},
    ]


@pytest.fixture(scope="module")
def gateway(vendors, tmp_path_factory):
    tenants = ["rich", "lies", "down", *[f"t{place}" for place in range(len(CASES))]]
    config = {
        **sample.NO_LIMITS,
        "model_catalog": rows(vendors),
        "bootstrap": {
            "tenants": [{"name": name} for name in tenants],
            "api_keys": [
                sample.key(name, token(name), **({} if name == "rich" else {"budget_usd": ROOM}))
                for name in tenants
            ],
        },
    }
    # The client that fetches Google's tokens reads the authorities, also where it needs none.
    authorities = {"SSL_CERT_FILE": certifi.where()}
    with Gateway(config, tmp_path_factory.mktemp("counts") / "data", authorities) as server:
        yield server


def calls(vendors, **given) -> list[dict[str, Any]]:
    """Return what was asked about the text, not the probes. One way to count has it in base64."""
    return [each for each in vendors.seen(**given) if len(each["body"]) > len(TEXT)]


async def post(gateway, name, path, body):
    async with gateway.client(token(name)) as client:
        return await client.post(f"/v1/{path}", json=body)


@pytest.mark.parametrize(
    ("place", "alias", "path", "body", "where"), [(n, *case) for n, case in enumerate(CASES)], ids=NAMES
)
async def test_a_budget_that_fits_only_the_counted_prompt(gateway, vendors, place, alias, path, body, where):
    before = (await asyncio.to_thread(vendors.stats))["calls"]
    answer = await post(gateway, f"t{place}", path, {"model": alias, **body})
    assert answer.status_code == 200, answer.text
    seen = [each for each in await asyncio.to_thread(calls, vendors) if each["number"] > before]
    assert len(seen) == 2
    assert seen[0]["path"].endswith(where)
    row = await row_of(gateway, answer.headers["x-request-id"])
    told = " ".join(await asyncio.to_thread(gateway.manage, "explain", row["id"]))
    assert "for its prompt as the provider counted it" in told
    [bill] = await asyncio.to_thread(lambda: vendors.bills(number=seen[-1]["number"]))
    assert bill["finished"]
    assert not row["estimated"]
    assert 1_000 * 1_000 < row["cost_nanousd"] < ROOM * 10**9 < HIGHEST


@pytest.mark.parametrize(
    "alias", ["anthropic", "azure", "bedrock", "vertex", "gemini", "gemini-api", "openai"]
)
async def test_both_endpoints_give_the_providers_number(gateway, alias):
    """OpenAI's models are asked by Responses only, as their chats have no count of their own."""
    messages = {"model": alias, "messages": CHAT["messages"]}
    found = [await post(gateway, "rich", "responses/input_tokens", {"model": alias, "input": TEXT})]
    if alias != "openai":
        found.append(await post(gateway, "rich", "messages/count_tokens", messages))
    for answer in found:
        assert answer.status_code == 200, answer.text
        assert "x-gateway-estimated" not in answer.headers
        assert 1_000 < answer.json()["input_tokens"] < 3_000


async def test_a_count_that_is_too_low_charges_no_more_than_the_hold(gateway, vendors):
    lie = {"status": 200, "body": {"input_tokens": 3}, "headers": {"content-type": "application/json"}}
    await asyncio.to_thread(vendors.script, "claude-lies", lie, {})
    answer = await post(gateway, "lies", "messages", {"model": "lies", **CHAT})
    assert answer.status_code == 200, answer.text
    row = await row_of(gateway, answer.headers["x-request-id"])
    hold = (4 + 16) * 1_000 + CAP * 2_000  # the count, its margins, and the output
    assert row["cost_nanousd"] == hold
    assert row["input_tokens"] > 1_000
    told = " ".join(await asyncio.to_thread(gateway.manage, "explain", row["id"]))
    assert "0.000052 USD was held" in told
    assert "beyond" in told or "disputed" in told


async def test_where_the_count_fails_the_bytes_stay_the_bound(gateway, vendors):
    await asyncio.to_thread(vendors.script, "claude-down", {"status": 503})
    answer = await post(gateway, "down", "messages", {"model": "down", **CHAT})
    assert answer.status_code in {402, 429}, answer.text
    seen = await asyncio.to_thread(lambda: calls(vendors, model="claude-down"))
    assert [each["path"] for each in seen] == ["/v1/messages/count_tokens"]
    fits = await post(
        gateway,
        "down",
        "messages",
        {"model": "down", **CHAT, "messages": [{"role": "user", "content": "Hi"}]},
    )
    assert fits.status_code >= 500  # it is sent without a count, and the provider is down
