"""POST /v1/gateway/simulate: it returns what a call would do, and changes nothing."""

from __future__ import annotations

import pytest

from tests.support import sample
from tests.support.books.money import limit_status, settled
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway

pytestmark = pytest.mark.both_modes

RICH, POOR, SLOW, NARROW = (f"sk-{name}.{name}-secret" for name in ("rich", "poor", "slow", "narrow"))
THRIFTY = "sk-thrift.thrift-secret"
ARMS = {"by": "user", "arms": {"sim-m": 50, "sim-n": 50}}
PATH = "/v1/gateway/simulate"


def config(endpoint, closed_port):
    return {
        **sample.NO_LIMITS,
        "model_catalog": [
            sample.row("sim", "up-sim-a", endpoint, deployment="sim-a"),
            sample.row("sim", "up-sim-b", endpoint, deployment="sim-b", priority=1, price_output=4.0),
            sample.row("sim", "up-sim-c", endpoint, deployment="sim-c", api_key="${SURELY_NOT_SET}"),
            sample.row(
                "small", "up-sim-small", endpoint, context_window=50, fallbacks={"context_window": ["sim"]}
            ),
            sample.row("arms", "up-sim-m", endpoint, deployment="sim-m", experiment=ARMS),
            sample.row("arms", "up-sim-n", endpoint, deployment="sim-n"),
            sample.row("vectors", "up-sim-vectors", endpoint, model_type="embedding"),
        ],
        "bootstrap": {
            "tenants": [{"name": "planners"}, {"name": "thrifty"}],
            "tenant_budgets": [{"tenant": "thrifty", "budget_usd": 0.0005, "on_insufficient": "clamp"}],
            "api_keys": [
                sample.key(
                    "planners",
                    RICH,
                    budget_usd=5,
                    rate_limit={"requests_per_minute": 60, "parallel_requests": 4},
                ),
                sample.key("planners", POOR, budget_usd=0.0001),
                sample.key("planners", SLOW, rate_limit={"requests_per_minute": 1}),
                sample.key("planners", NARROW, scopes=["embeddings"]),
                sample.key("thrifty", THRIFTY),
            ],
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    with Gateway(
        config(upstream.base_url, closed_port), tmp_path_factory.mktemp("simulated") / "data"
    ) as server:
        yield server


async def simulate(gateway, key, body, status=200, headers=None):
    async with gateway.client(key) as client:
        answer = await client.post(PATH, json=body, headers=headers)
    assert answer.status_code == status, answer.text
    return answer.json()


async def test_dry_run_reports_route_cost_and_binding_limit(gateway):
    report = await simulate(
        gateway, RICH, {"endpoint": "chat.completions", "body": question("sim", max_tokens=100)}
    )
    assert (report["admitted"], report["refusal"], report["model"]) == (True, None, "sim")
    route = report["route"]
    assert [each["deployment"] for each in route["deployments"]] == ["sim-a", "sim-b"]
    assert [each["deployment"] for each in route["skipped"]] == ["sim-c"]
    cost = report["cost"]
    assert cost["expected_of"] == {
        "deployment": "sim-a",
        "input_tokens": cost["expected_of"]["input_tokens"],
        "output_tokens": 100,
    }
    assert cost["expected_nanousd"] == cost["expected_of"]["input_tokens"] * 1_000 + 100 * 2_000
    assert cost["worst_case_nanousd"] > 100 * 4_000, "the dearer deployment may come to answer"
    assert report["binding"]["rule"] == "parallel"
    assert [(each["rule"], each["limit"], each["remaining"]) for each in report["limits"]] == [
        ("parallel", 4, 4),
        ("requests", 60, report["limits"][1]["remaining"]),
    ]
    assert {each["scope"] for each in report["budgets"]} == {"key", "tenant"}


async def test_dry_run_agrees_with_the_call_and_uses_nothing(gateway, upstream):
    upstream.script("up-sim-a", {"prompt_tokens": 10, "chunks": 5})
    body = question("sim", max_tokens=50)
    before = await limit_status(gateway, RICH)
    reports = [await simulate(gateway, RICH, body) for _ in range(3)]
    assert await limit_status(gateway, RICH) == before
    assert not upstream.seen(model="up-sim-a")
    remaining = {report["limits"][1]["remaining"] for report in reports}
    assert len(remaining) == 1, "a simulation counts against no limit"

    answer = await ask(gateway.url, RICH, body)
    assert answer.status == 200
    await settled(gateway)
    told = "\n".join(gateway.manage("explain", answer.id))
    assert f"{reports[0]['cost']['worst_case_usd']} USD was held" in told


async def test_dry_run_refuses_with_the_error_that_the_call_would_get(gateway):
    for key, body in (
        (POOR, question("sim", max_tokens=1000)),
        (RICH, question("nobody")),
        (NARROW, question("sim")),
        (RICH, question("vectors")),
        (RICH, {"model": "sim", "messages": []}),
        (RICH, question("sim", max_tokens=-1)),
    ):
        report = await simulate(gateway, key, {"endpoint": "chat.completions", "body": body})
        async with gateway.client(key) as client:
            answer = await client.post("/v1/chat/completions", json=body)
        assert report["admitted"] is False
        assert report["refusal"]["status"] == answer.status_code
        assert report["refusal"]["error"] == answer.json()["error"]


async def test_a_budget_that_is_too_small_binds(gateway):
    report = await simulate(gateway, POOR, question("sim", max_tokens=1000))
    assert report["refusal"]["error"]["code"] == "insufficient_quota"
    binding = report["binding"]
    assert (binding["rule"], binding["scope"], binding["limit_usd"]) == ("budget", "key", "0.0001")
    assert (binding["calls_left"], binding["needed_nanousd"]) == (0, report["cost"]["worst_case_nanousd"])
    assert report["route"] is not None


async def test_an_exhausted_rate_is_reported_by_the_dry_run(gateway, upstream):
    upstream.script("up-sim-a", {"prompt_tokens": 10, "chunks": 5})
    assert (await simulate(gateway, SLOW, question("sim")))["admitted"] is True
    assert (await ask(gateway.url, SLOW, question("sim"))).status == 200
    report = await simulate(gateway, SLOW, question("sim"))
    refused = await ask(gateway.url, SLOW, question("sim"))
    assert report["refusal"]["status"] == refused.status == 429
    assert report["refusal"]["error"]["code"] == "rate_limit_exceeded"
    assert report["binding"]["rule"] == "requests"


async def test_dry_run_infers_the_endpoint_from_the_body_and_follows_hints(gateway):
    vectors = await simulate(gateway, NARROW, {"model": "vectors", "input": "a few words"})
    assert (vectors["endpoint"], vectors["admitted"]) == ("embeddings", True)
    assert vectors["cost"]["expected_of"]["output_tokens"] == 0
    wrapped = await simulate(gateway, NARROW, {"body": {"model": "vectors", "input": "a few words"}})
    assert wrapped["endpoint"] == "embeddings"
    hinted = await simulate(gateway, RICH, question("sim"), headers={"x-gateway-route": "only=sim-b"})
    assert [each["deployment"] for each in hinted["route"]["deployments"]] == ["sim-b"]


async def test_dry_run_is_guarded_like_every_endpoint(gateway):
    nobody = await simulate(gateway, None, question("sim"), status=401)
    assert nobody["error"]["code"] == "invalid_api_key"
    unknown = await simulate(gateway, RICH, {"endpoint": "weather", "body": {}}, status=400)
    assert unknown["error"]["param"] == "endpoint"
    async with gateway.client(RICH) as client:
        broken = await client.post(PATH, content=b"{", headers={"content-type": "application/json"})
    assert (broken.status_code, broken.json()["error"]["code"]) == (400, "invalid_json")


async def test_dry_run_reports_the_fallback_model_and_the_reason(gateway):
    long = question("small") | {"messages": [{"role": "user", "content": "one two three " * 100}]}
    short = (await simulate(gateway, RICH, question("small")))["route"]
    assert (short["fallback"], short["deployments"][0]["model"]) == (None, "small")
    assert [each["model"] for each in short["instead"]["context_window"]] == ["sim", "sim"]
    route = (await simulate(gateway, RICH, long))["route"]
    assert (route["fallback"], {each["model"] for each in route["deployments"]}) == (
        "context_window",
        {"sim"},
    )
    assert ("small", "small-1") in {(each["model"], each["deployment"]) for each in route["skipped"]}
    answer = await ask(gateway.url, RICH, long)
    assert (answer.headers["x-gateway-fallback"], answer.headers["x-gateway-model"]) == (
        "context_window",
        "sim",
    )


async def test_dry_run_reports_that_the_budget_would_lower_the_cap(gateway):
    body = question("sim", max_tokens=1000)
    report = await simulate(gateway, THRIFTY, body)
    assert (report["admitted"], report["clamped"]) == (True, True)
    answer = await ask(gateway.url, THRIFTY, body)
    assert answer.headers["x-gateway-clamped-max-tokens"] == str(report["output_cap"])
    assert report["cost"]["worst_case_nanousd"] <= 500_000


async def test_dry_run_reports_the_arm_of_a_user(gateway):
    for user in ("a", "b", "c"):
        route = (await simulate(gateway, RICH, question("arms", user=user)))["route"]
        answer = await ask(gateway.url, RICH, question("arms", user=user))
        assert route["arm"] == route["deployments"][0]["deployment"] == answer.headers["x-gateway-deployment"]
