"""The lists of calls in the back office: search and filters use an index, counts are honest, times are whole."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.db import connection
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from metering.models import LoggedRequest, UsageEvent
from tenants.back_office import paging
from tenants.models import ApiKey, Tenant
from tests.support.clients.forms import NOW

pytestmark = [pytest.mark.django_db, pytest.mark.both_modes]

LISTS = {"usageevent": UsageEvent, "loggedrequest": LoggedRequest}


def call_id(number):
    return f"req_{number:032x}"


def usage_row(number, tenant, key, **more):
    fields = {
        "id": call_id(number),
        "started_at": NOW + timedelta(seconds=number),
        "finished_at": NOW,
        "tenant_id": tenant.pk,
        "tenant": tenant.name,
        "key_id": key.pk,
        "api_key_prefix": key.prefix,
        "endpoint": "chat.completions",
        "model": "gpt-4o",
        "provider": "openai",
        "deployment": "east",
        "upstream_model": "gpt-4o",
        "status": "ok",
        "http_status": 200,
        "cost_nanousd": 1_500_000,
        "input_tokens": 12_000,
        "latency_ms": 1234.5,
    }
    return UsageEvent(**{**fields, **more})


def log_row(number, tenant, key, **more):
    fields = {
        "id": call_id(number),
        "at": NOW + timedelta(seconds=number),
        "method": "POST",
        "path": "/v1/chat/completions",
        "tenant_id": tenant.pk,
        "tenant": tenant.name,
        "key_id": key.pk,
        "api_key_prefix": key.prefix,
        "model": "gpt-4o",
        "http_status": 429,
        "error_code": "rate_limit_exceeded",
        "figures": {
            "limit": {
                "scope": "key",
                "rule": "requests",
                "limit": 60,
                "remaining": 0,
                "resets_in_ms": 1000,
            }
        },
    }
    return LoggedRequest(**{**fields, **more})


MAKERS = {"usageevent": usage_row, "loggedrequest": log_row}


@pytest.fixture
def people():
    """Return tenant and key of two companies."""
    found = {}
    for name in ("acme", "other"):
        tenant = Tenant.objects.create(name=name)
        found[name] = (
            tenant,
            ApiKey.objects.create(tenant=tenant, name="k", prefix=f"{name}key", secret_hmac="x"),
        )
    return found


def fill(page, people):
    make: Any = MAKERS[page]
    rows = [make(number, *people["acme"]) for number in range(3)]
    odd = {"error_code": "odd_code", "client_request_id": "mine-1", "model": "odd-model"}
    ends = {"status": "error", "http_status": 502} if page == "usageevent" else {"http_status": 403}
    rows.append(make(9, *people["other"], **odd, **ends))
    model: Any = LISTS[page]
    model.objects.bulk_create(rows)


def listed(client, page, **query):
    answer = client.get(reverse(f"admin:metering_{page}_changelist"), query)
    assert answer.status_code == 200
    return [row.pk for row in answer.context["cl"].result_list], answer.content.decode()


OTHER = [call_id(9)]


@pytest.mark.parametrize("page", LISTS)
@pytest.mark.parametrize(
    "text",
    [
        call_id(9).upper().replace("REQ", "req"),
        f"  {call_id(9)} ",
        "sk-otherkey.its-secret",
        "otherkey",
    ],
)
def test_a_search_finds_what_the_text_names(client, people, page, text):
    fill(page, people)
    assert listed(client, page, q=text)[0] == OTHER


@pytest.mark.parametrize("page", LISTS)
@pytest.mark.parametrize("text", ["nothing", "sk-nobody", "req_9", "%", "req_" + "f" * 32, "a" * 3000])
def test_a_search_for_what_is_not_there_finds_nothing(client, people, page, text):
    fill(page, people)
    assert listed(client, page, q=text)[0] == []


@pytest.mark.parametrize(
    ("page", "query"),
    [
        *[
            (page, query)
            for page in LISTS
            for query in (
                {"tenant": "other"},
                {"key": "otherkey"},
                {"model": "odd-model"},
                {"code": "odd_code"},
            )
        ],
        ("usageevent", {"status": "error"}),
        ("loggedrequest", {"http_status": "403"}),
    ],
)
def test_filters_find_by_tenant_key_model_status_and_code(client, people, page, query):
    fill(page, people)
    assert listed(client, page, **query)[0] == OTHER
    [name] = query
    found = listed(client, page, **{name: "nobody"})[0]
    assert not found or found == listed(client, page)[0]


def plan_of(statement):
    """Return how the database would run a statement that was run: with SQLite its plan, else with scans forbidden."""
    with connection.cursor() as cursor:
        if connection.vendor == "sqlite":
            cursor.execute(f"EXPLAIN QUERY PLAN {statement}")
            return "\n".join(str(row[3]) for row in cursor.fetchall())
        cursor.execute("SET LOCAL enable_seqscan = off")
        cursor.execute(f"EXPLAIN {statement}")
        return "\n".join(row[0] for row in cursor.fetchall())


@pytest.mark.parametrize("page", LISTS)
@pytest.mark.parametrize(
    "query",
    [
        {"q": call_id(9)},
        {"q": "sk-otherkey"},
        {"q": "other"},
        {"q": "odd-model"},
        {"q": "mine-1"},
        {"tenant": "other"},
        {"key": "otherkey"},
        {"model": "odd-model"},
        {"code": "odd_code"},
    ],
    ids=str,
)
def test_what_is_searched_and_filtered_is_found_by_an_index(client, people, page, query):
    fill(page, people)
    table = LISTS[page]._meta.db_table  # noqa: SLF001 - Django's documented model API
    with CaptureQueriesContext(connection) as queries:
        assert listed(client, page, **query)[0] == OTHER
    asked = [each["sql"] for each in queries if f'FROM "{table}"' in each["sql"]]
    assert asked
    for statement in asked:
        plan = plan_of(statement)
        by_time = ("logged_request_at", "usage_event_started")
        assert not any(name in plan for name in by_time), plan  # by time it would read all of them
        used = [line for line in plan.splitlines() if table in line]
        assert used
        assert all("SEARCH" in line or "Index" in line for line in used), plan


@pytest.mark.parametrize("page", LISTS)
def test_a_count_that_stopped_says_so(client, people, page, monkeypatch):
    monkeypatch.setattr(paging, "MOST_COUNTED", 2)
    fill(page, people)
    text = listed(client, page)[1]
    words = " ".join(text.split())
    assert "more than 2 " in words
    assert "Show all" not in words
    one, text = listed(client, page, q=call_id(9))
    assert one == OTHER
    assert "more than" not in text
    assert "Show all" not in text


@pytest.mark.parametrize("page", LISTS)
def test_list_shows_id_and_time_with_seconds_and_zone(client, people, page):
    fill(page, people)
    text = listed(client, page)[1]
    nowrap = 'class="whitespace-nowrap"'
    assert f"<span {nowrap}>2026-03-01</span> <span {nowrap}>12:00:09 UTC</span>" in text
    assert f'<span {nowrap} title="{call_id(9)}">…{call_id(9)[-10:]}</span>' in text
    change = reverse(f"admin:metering_{page}_change", args=[call_id(9)])
    assert "2026-03-01 12:00:09 UTC" in client.get(change).content.decode()


def test_the_row_of_a_refusal_says_why(client, people):
    fill("loggedrequest", people)
    assert "60 requests a minute of the key, 0 left" in listed(client, "loggedrequest")[1]
    page = client.get(reverse("admin:metering_loggedrequest_change", args=[call_id(1)])).content.decode()
    assert "The key may make 60 requests a minute; 0 were left." in page
    assert "Key acmekey of tenant acme." in page


def test_a_refusal_cannot_be_touched(client, people):
    fill("loggedrequest", people)
    change = reverse("admin:metering_loggedrequest_change", args=[call_id(1)])
    assert client.post(change, {"http_status": 200}).status_code == 403
    assert client.get(reverse("admin:metering_loggedrequest_add")).status_code == 403
    delete = reverse("admin:metering_loggedrequest_delete", args=[call_id(1)])
    assert client.post(delete, {"post": "yes"}).status_code == 403


def test_what_a_client_sent_is_text_and_never_a_tag(client, people):
    evil = "<script>alert(1)</script>"
    log_row(1, *people["acme"], model=evil, message=evil, path=evil, client_request_id=evil).save()
    page = client.get(reverse("admin:metering_loggedrequest_change", args=[call_id(1)])).content.decode()
    assert evil not in page + listed(client, "loggedrequest")[1]
    assert "&lt;script&gt;" in page


@pytest.mark.parametrize(
    ("page", "other"), [("usageevent", "loggedrequest"), ("loggedrequest", "usageevent")]
)
def test_an_id_that_is_in_the_other_list_leads_there(client, people, page, other):
    fill(other, people)
    found, text = listed(client, page, q=call_id(9))
    assert found == []
    assert reverse(f"admin:metering_{other}_change", args=[call_id(9)]) in text
