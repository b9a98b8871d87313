"""manage.py catalog facts: asks the vendors over real sockets, prints what differs, and stores it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from io import StringIO
from typing import Any

import pytest
from django.core.management import CommandError, call_command

from catalog.facts.of_rows import facts_of_row
from catalog.models import Deployment
from catalog.pricing.price_map import lookup
from catalog.prompt_limits import row_facts
from catalog.sync import sync_catalog
from gateway.config import Config
from providers.auth.scheme import HeaderAuth
from providers.platforms.provider import Provider
from providers.registry import PROVIDERS
from providers.target import Target
from tenants.models import AuditEvent
from tests.support.vendors.models import KEY, Vendors, serving

pytestmark = pytest.mark.django_db(transaction=True)


def _add_key(target: Target, headers: dict[str, str]) -> None:
    headers["x-api-key"] = target.secret.reveal()


@pytest.fixture
def vendors(monkeypatch: pytest.MonkeyPatch) -> Iterator[Vendors]:
    """Serve the vendors' pages, and have each provider that this release may lack."""
    for name in ("anthropic", "bedrock", "vertex", "huggingface"):
        if name not in PROVIDERS:
            own = Provider(
                name=name,
                auth=HeaderAuth(_add_key),
                url=lambda target, path: f"{target.base_url}/v1/{path}",
                own=lambda _config: ("", ""),
                api=name,
            )
            monkeypatch.setitem(PROVIDERS, name, own)
    with serving() as server:
        yield server


def catalog(*rows: dict[str, Any]) -> None:
    base = {"alias": "m", "api_key": KEY, "price_input": 1, "price_output": 1}
    sync_catalog(Config.model_validate({"model_catalog": [base | row for row in rows]}))


def run(*arguments: str) -> str:
    out = StringIO()
    call_command("catalog", "facts", *arguments, stdout=out, stderr=StringIO())
    return out.getvalue()


def test_differences_are_printed_as_a_table_and_stored_only_when_asked(vendors: Vendors):
    catalog({"deployment": "claude", "provider": "anthropic", "provider_model": "claude-opus-5-5",
             "endpoint": vendors.url, "facts": {"documents": False}})  # fmt: skip
    lines = run("m").splitlines()
    assert lines[0].split() == ["Deployment", "Fact", "Stored", "Its", "vendor", "says"]
    table = {line.split()[1]: line for line in lines[1:-1]}
    assert list(table) == ["documents", "effort", "max_output_tokens", "shutdown_date"]
    assert "128,000" in table["max_output_tokens"]
    assert "96,000" in table["max_output_tokens"]
    assert "the row's own goes first" in table["documents"]
    assert lines[-1].endswith("catalog facts m --write")
    assert Deployment.objects.get().found_facts == {}
    path, headers = vendors.asked[0]
    assert path == "/v1/models/claude-opus-5-5"
    assert headers["anthropic-version"] == "2023-06-01"

    assert run("m", "--write").endswith("Stored at 1 deployment.\n")

    row = Deployment.objects.select_related("model").get()
    facts = facts_of_row(row_facts(row.model, row, lookup(row.provider, row.upstream_model)))
    assert (facts.max_output_tokens, facts.shutdown_date, facts.documents) == (96_000, "2027-09-01", False)
    assert facts.effort == ("low", "medium", "high", "max")
    assert '"max_output_tokens": 96000' in json.dumps(AuditEvent.objects.get(action="update").after)
    assert run("m", "--write").endswith("Stored at 0 deployments.\n")
    assert AuditEvent.objects.filter(action="update").count() == 1


def test_each_provider_has_a_page_of_its_own(vendors: Vendors):
    catalog(
        {"deployment": "own", "provider": "openai", "provider_model": "gpt-4o", "endpoint": f"{vendors.url}/v1"},
        {"deployment": "az", "provider": "azure", "provider_model": "gpt-4o", "endpoint": vendors.url},
        {"deployment": "vllm", "provider": "openai-compatible", "provider_model": "mine",
         "endpoint": f"{vendors.url}/v1"},
    )  # fmt: skip
    run("m", "--write")
    found = {row.name: row.found_facts for row in Deployment.objects.all()}
    assert found == {
        "own": {"shutdown_date": "2027-01-14"},
        "az": {"shutdown_date": "2027-01-14"},
        "vllm": {"context_window": 8192},
    }
    assert {path for path, _ in vendors.asked} == {"/v1/models/gpt-4o", "/openai/v1/models", "/v1/models"}


def test_a_vendor_without_such_a_page_is_named(vendors: Vendors):
    claude = {"provider": "azure", "provider_model": "claude-opus-5-5", "endpoint": vendors.url}
    catalog({"deployment": "foundry", **claude})
    assert run("m") == "foundry: its vendor publishes no facts of its models.\n"
    assert vendors.asked == []


def test_nothing_that_differs_is_said_so(vendors: Vendors):
    facts = {"context_window": 8192}
    catalog({"deployment": "vllm", "provider": "openai-compatible", "provider_model": "mine",
             "endpoint": f"{vendors.url}/v1", "facts": facts})  # fmt: skip
    assert run("m") == "vllm: nothing differs.\n"


@pytest.mark.parametrize(
    ("row", "status", "raw", "why"),
    [
        ({"api_key": "wrong"}, 200, b"", "status 401"),
        ({"provider_model": "gone"}, 200, b"", "status 404: there is no such model"),
        ({}, 503, b"", "status 503"),
        ({}, 200, b"<html>", "the answer does not list the model"),
        ({}, 200, b"[1]", "the answer does not list the model"),
        ({"endpoint": "http://127.0.0.1:1/v1"}, 200, b"", "ConnectFailed"),
    ],
)
def test_a_vendor_that_cannot_be_asked_is_the_answer_no(
    vendors: Vendors, row: dict[str, Any], status: int, raw: bytes, why: str
):
    vendors.status, vendors.raw = status, raw
    own = {
        "deployment": "d",
        "provider": "openai",
        "provider_model": "gpt-4o",
        "endpoint": f"{vendors.url}/v1",
    }
    catalog(own | row)
    with pytest.raises(CommandError) as failed:
        run("m", "--write")
    assert failed.value.returncode == 1
    assert f"d could not be asked: {why}" in str(failed.value)
    assert KEY not in str(failed.value)
    assert Deployment.objects.get().found_facts == {}


def test_an_unknown_alias_is_the_answer_no():
    with pytest.raises(CommandError) as failed:
        run("nothing")
    assert failed.value.returncode == 1
