"""K1 and K3 through the whole gateway: what could cost more than its bytes is measured, bounded or refused."""

from __future__ import annotations

import asyncio
import json

import pytest

from tests.support import sample
from tests.support.books.money import limit_status, nanousd, samples, settled
from tests.support.clients.media import data_url, jpeg, png
from tests.support.clients.pdfs import plain
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway

CENT = "sk-cent.cent-secret"
RICH = "sk-rich.rich-secret"
FREE = "sk-free.free-secret"
TIGHT = "sk-tight.tight-secret"


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    def row(alias, **more):
        found = sample.row(alias, f"up-unbounded-{alias}", upstream.base_url) | more
        return {name: value for name, value in found.items() if value is not None}

    names = ("cent", "rich", "tight")
    config = {
        **sample.NO_LIMITS,
        "model_catalog": [
            row("seen", context_window=None, max_output_tokens=200),
            row("window", context_window=50_000),
            row("strict", unknown_members="refuse"),
            row("learns", context_window=2_000),
            row("counted", provider_model="gpt-4o-unbounded", max_output_tokens=10, context_window=None),
            row("half", price_output=None),
            row("by-request", price_input=0, price_output=0, context_window=None, pricing={"request": 0.001}),
            row(
                "paged", context_window=50_000, facts={"image_max_tokens": 900, "pdf_page_max_tokens": 1_200}
            ),
            row(
                "present", free=True, price_input=None, price_output=None, price_per=None, context_window=None
            ),
        ],
        "bootstrap": {
            "tenants": [{"name": name} for name in (*names, "free")],
            "api_keys": [
                sample.key("cent", CENT),
                sample.key("rich", RICH),
                sample.key("tight", TIGHT, rate_limit={"requests_per_minute": 3}),
                sample.key("free", FREE),
            ],
            "tenant_budgets": [
                {"tenant": "cent", "budget_usd": 0.01},
                {"tenant": "rich", "budget_usd": 10},
                {"tenant": "tight", "budget_usd": 0.001},
            ],
        },
    }
    with Gateway(config, tmp_path_factory.mktemp("unbounded") / "data") as server:
        yield server


def carrying(model, *parts, **more):
    messages = [{"role": "user", "content": [{"type": "text", "text": "what is this?"}, *parts]}]
    return {"model": model, "messages": messages, **more}


async def until_answered(gateway, body, status):
    """Ask until the gateway has loaded what changed in its database."""
    async with asyncio.timeout(20):
        while (answer := await ask(gateway.url, RICH, body)).status != status:
            pass  # the question itself waits
    return answer


def image(data):
    return {"type": "image_url", "image_url": {"url": data_url(data)}}


@pytest.mark.parametrize(
    "body",
    [
        carrying("seen", image(png(600, 600, 1_000_000))),  # M3: a picture of 1 MB
        carrying("seen", image(jpeg(1000, 750, 1_500_000))),
        {"model": "seen", "messages": [{"role": "user", "content": "        return 1\n" * 400}]},
        carrying("seen", tools=[{"type": "function", "function": {"name": "f", "description": "d" * 3_000}}]),
        carrying(
            "seen", response_format={"type": "json_schema", "json_schema": {"schema": {"d": "e" * 3_000}}}
        ),
    ],
    ids=["png", "jpeg", "code", "tools", "schema"],
)
async def test_request_that_costs_less_than_a_cent_fits_a_budget_of_a_cent(gateway, body):
    answer = await ask(gateway.url, CENT, body)
    assert answer.status == 200, answer.body


WORDY = "        Returns what was asked for, in order.\n" * 400  # 18 kB, whose bytes a cent cannot pay


@pytest.mark.parametrize(
    "body",
    [
        {"model": "counted", "messages": [{"role": "user", "content": "        return 1\n" * 1_000}]},
        carrying("counted", tools=[{"type": "function", "function": {"name": "f", "description": WORDY}}]),
        carrying("counted", response_format={"type": "json_schema", "json_schema": {"schema": {"d": WORDY}}}),
        {"model": "counted", "messages": [{"role": "tool", "tool_call_id": "a", "content": WORDY}]},
    ],
    ids=["code", "tools", "schema", "tool result"],
)
async def test_long_request_that_costs_less_than_a_cent_fits_a_budget_of_a_cent(gateway, upstream, body):
    upstream.script("gpt-4o-unbounded", {})
    cent = (await limit_status(gateway, CENT))["limit"]
    assert len(json.dumps(body)) * sample.INPUT_NANOUSD > cent, "its bytes fit, so that nothing is shown"
    answer = await ask(gateway.url, CENT, body)
    assert answer.status == 200, answer.body


@pytest.mark.parametrize(
    "part",
    [
        {"type": "video_url", "video_url": {"url": "http://x/y.mp4"}},  # M6, A3
        {"type": "audio_url", "audio_url": {"url": "http://x/y.mp3"}},
        {"type": "file", "file": {"file_data": "data:application/pdf;base64,JVBERi0="}},
        {"type": "hologram", "hologram": {"url": "http://x"}},
    ],
)
async def test_a_reference_is_held_as_a_whole_window(gateway, upstream, part):
    """The provider reports 50,000 prompt tokens, which a cent cannot pay; without a known window it is refused."""
    upstream.script("up-unbounded-window", {"prompt_tokens": 50_000, "chunks": 2})
    before = await limit_status(gateway, CENT)
    refused = await ask(gateway.url, CENT, carrying("window", part, max_tokens=2))
    assert (refused.status, refused.error["code"]) == (429, "insufficient_quota")
    served = await ask(gateway.url, RICH, carrying("window", part, max_tokens=2))
    assert served.status == 200
    assert nanousd(served.headers["x-gateway-cost-usd"]) == 50_000_000 + 2 * 2_000
    nowhere = await ask(gateway.url, RICH, carrying("seen", part))
    assert (nowhere.status, nowhere.error["code"]) == (400, "unbounded_parameter")
    assert nowhere.error["param"].startswith("messages[0].content")
    assert await limit_status(gateway, CENT) == before


PAGES = data_url(plain(3), "application/pdf")
LIES = data_url(plain(3).replace(b"/Count 3", b"/Count 1"), "application/pdf")


@pytest.mark.parametrize(
    ("part", "model", "status"),
    [
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": PAGES}}, "paged", 200),
        ({"type": "file", "file": {"filename": "a.pdf", "file_data": PAGES}}, "window", 429),
        ({"type": "file", "file": {"file_data": LIES}}, "paged", 429),
        ({"type": "image_url", "image_url": {"url": "https://x/a.png"}}, "paged", 200),
        ({"type": "image_url", "image_url": {"url": "https://x/a.png"}}, "window", 429),
    ],
)
async def test_configured_sizes_bound_pictures_and_pages(gateway, upstream, part, model, status):
    """A cent is 10,000 tokens. The model reads 3 pages as 3,600, and no tenant pays for what is beyond its bound."""
    upstream.script("up-unbounded-paged", {"prompt_tokens": 3_700, "chunks": 2})
    answer = await ask(gateway.url, CENT, carrying(model, part, max_tokens=2))
    assert answer.status == status, answer.body
    if status == 200 and "file" in part:
        [seen] = upstream.seen(call=answer.id)
        assert json.loads(seen["body"])["messages"][0]["content"][1] == part
        assert nanousd(answer.headers["x-gateway-cost-usd"]) == 3_700_000 + 2 * 2_000


async def test_a_model_with_free_tokens_is_not_refused_for_an_unbounded_count(gateway):
    model = "by-request"
    film = {"type": "video_url", "video_url": {"url": "http://x/y.mp4"}}
    for body in (
        carrying(model, film),
        question(model, vendor_option=1),
        question(model, min_tokens=9),
        question(model, max_tokens=0),
        question(model, nvext={"max_thinking_tokens": 9}),
    ):
        answer = await ask(gateway.url, CENT, body)
        assert answer.status == 200, answer.body
    refused = await ask(gateway.url, CENT, question(model, tools=[{"type": "code_interpreter"}]))
    assert refused.error["code"] == "feature_unpriced"


@pytest.mark.parametrize("member", ["vendor_option", "enable_magic", "safe_prompt"])
async def test_an_unknown_member_passes_within_the_window_or_not_at_all(gateway, upstream, member):
    body = question("window", max_tokens=2, **{member: 1})
    answer = await ask(gateway.url, RICH, body)
    assert answer.status == 200
    [seen] = upstream.seen(call=answer.id)
    assert json.loads(seen["body"])[member] == 1
    for model, code in (("seen", "unbounded_parameter"), ("strict", "model_cannot")):
        refused = await ask(gateway.url, RICH, {**body, "model": model})
        assert (refused.status, refused.error["code"], refused.error["param"]) == (400, code, member)
    assert (await ask(gateway.url, FREE, {**body, "model": "present"})).status == 200


async def test_a_member_that_cost_more_than_its_hold_is_refused_until_cleared(gateway, upstream):
    upstream.script("up-unbounded-learns", {"prompt_tokens": 90_000})
    body = question("learns", max_tokens=5, secret_search=True)
    first = await ask(gateway.url, RICH, body)
    assert first.status == 200
    assert (
        nanousd(first.headers["x-gateway-cost-usd"]) <= 2_000 * 1_000 + 5 * 2_000
    )  # never more than was held
    answer = await until_answered(gateway, body, 400)
    assert answer.error["param"] == "secret_search"
    assert (await ask(gateway.url, RICH, question("learns", max_tokens=5))).status == 200
    await settled(gateway)

    async def cleared() -> int:
        """Clear it and ask: what an earlier call found may be stored after it was cleared once."""
        gateway.sql("UPDATE catalog_deployment SET refused_members = '[]' WHERE name = 'learns-1'")
        gateway.sql("UPDATE tenants_configversion SET version = version + 1")
        return (await ask(gateway.url, RICH, body)).status

    async with asyncio.timeout(20):
        while await cleared() != 200:
            pass  # the question itself waits
    await settled(gateway)
    gateway.manage("reconcile")


@pytest.mark.parametrize(
    ("members", "param"),
    [
        ({"service_tier": "priority"}, "service_tier"),  # M7
        ({"web_search_options": {}}, "web_search"),
        ({"web_search_options": {"search_context_size": "high"}}, "web_search"),
        ({"tools": [{"type": "code_interpreter"}]}, "code_interpreter"),
    ],
)
async def test_a_feature_without_a_price_is_refused_under_a_budget(gateway, members, param):
    answer = await ask(gateway.url, RICH, question("window", **members))
    assert (answer.status, answer.error["code"], answer.error["param"]) == (403, "feature_unpriced", param)
    assert (await ask(gateway.url, FREE, question("present", **members))).status == 200


@pytest.mark.parametrize("member", ["models", "api_base", "plugins", "data_sources", "previous_response_id"])
async def test_member_that_names_a_destination_is_refused_for_all_tenants(gateway, member):
    for key, model in ((RICH, "window"), (FREE, "present")):
        answer = await ask(gateway.url, key, question(model, **{member: ["x"]}))
        assert (answer.status, answer.error["param"]) == (400, member)


async def test_model_with_half_a_price_is_unpriced(gateway):
    answer = await ask(gateway.url, RICH, question("half"))
    assert (answer.status, answer.error["code"]) == (403, "model_unpriced")


async def test_a_prompt_is_counted_exactly_and_in_another_process(gateway, upstream):
    """A thousandth of a dollar pays 1,000 tokens: 6,000 bytes of words fit when they are counted."""
    upstream.script("gpt-4o-unbounded", {})
    body = question("counted")
    body["messages"][0]["content"] = "incomprehensibilities " * 200
    answer = await ask(gateway.url, TIGHT, body)
    assert answer.status == 200, answer.body
    found = await samples(gateway)
    assert not [name for name in found if name.startswith("gateway_fallbacks") and "counter" in name]


async def test_counting_a_prompt_in_vain_is_charged_to_the_rate(gateway):
    body = question("counted")
    body["messages"][0]["content"] = "incomprehensibilities " * 2_000
    codes = [(await ask(gateway.url, TIGHT, body)).error["code"] for _ in range(4)]
    assert codes[0] == "insufficient_quota"
    assert codes[-1] == "rate_limit_exceeded"
