"""The gateway of the tests of Responses: two accounts of a strict provider, and two tenants."""

from __future__ import annotations

import pytest

from tests.support import sample
from tests.support.servers.gateway import Gateway
from tests.support.vendors.openai_responses import SECRET, Vendor
from tests.support.vendors.responses_events import hello

ALICE, BOB = "sk-anna.anna-secret", "sk-boris.boris-secret"


def row(alias, vendor, **more):
    return sample.row(alias, "up-gpt", vendor.base_url, provider="openai", api_key=SECRET, **more)


@pytest.fixture(scope="module")
def vendors():
    with Vendor("a") as first, Vendor("b") as second:
        yield first, second


@pytest.fixture(scope="module")
def gateway(vendors, tmp_path_factory):
    first, second = vendors
    config = {
        **sample.NO_LIMITS,
        "model_catalog": [
            row("gpt", first),
            row("other", second, context_window=900_000, max_output_tokens=200_000),
            row("both", first, deployment="both-a", priority=0),
            row("both", second, deployment="both-b", priority=1),
        ],
        "bootstrap": {
            "tenants": [{"name": "anna"}, {"name": "boris"}],
            "api_keys": [sample.key("anna", ALICE, budget_usd=5), sample.key("boris", BOB)],
        },
    }
    with Gateway(config, tmp_path_factory.mktemp("responses") / "data") as server:
        yield server


@pytest.fixture(autouse=True)
def usual(vendors):
    for vendor in vendors:
        vendor.ending, vendor.output = "completed", hello
        vendor.seen.clear()
        vendor.bodies.clear()


@pytest.fixture
def client(gateway):
    with gateway.openai_sync(ALICE) as client:
        yield client
