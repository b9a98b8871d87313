"""The page of experiments: what each arm did, for users that may see the ledger, at a price that does not grow."""

from __future__ import annotations

import re
import time
from typing import Any

import msgspec
import pytest
from django.db import connection
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse

from catalog.models import Model
from metering.decision import DecisionTrace, document
from metering.journal.reader import Call
from metering.ledger import write
from tenants.models import User
from tests.support.books.calls import closed, opened

pytestmark = pytest.mark.django_db(transaction=True)

URL = "/admin/ui/metering/usageevent/experiments/"
SPLIT = {"experiment": {"by": "user", "arms": {"east": 75, "west": 25}}}


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com"))
    return client


def record(name: str, arm: str, *, model: str = "gpt-4o", ms: float = 200.0, status: str = "ok") -> None:
    at = time.time() - 60
    begin = msgspec.structs.replace(opened(name, at=at), model=model)
    end = msgspec.structs.replace(
        closed(name, at=at + 1, status=status),
        latency_ms=ms,
        decision=document(DecisionTrace(order=("east", "west"), arm=arm), ()),
    )
    write.write([Call(begin, end)])


def rows(client: Client, **query: Any) -> list[list[str]]:
    """Return the cells of the page's tables, as a reader sees them."""
    answer = client.get(URL, query)
    assert answer.status_code == 200
    text = answer.content.decode()
    found = re.findall(r'<tr class="data-row.*?</tr>', text, re.DOTALL)
    return [
        [re.sub(r"\s+", " ", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", row, re.DOTALL)]
        for row in found
    ]


def test_arms_stand_side_by_side_with_what_they_cost_and_how_long_they_took(client: Client) -> None:
    Model.objects.create(alias="gpt-4o", metadata=SPLIT)
    for n in range(3):
        record(f"e{n}", "east", ms=100.0 * (n + 1))
    record("w", "west", status="error")

    east, west = rows(client)

    assert east == [
        "east",
        "75.0% / 75.0%",
        "3",
        "0",
        "300 / 150",
        "0.135",
        "0.045",
        "200 ms / 300 ms",
        "-",
    ]
    assert west == ["west", "25.0% / 25.0%", "1", "1 (100.0%)", "100 / 50", "0.045", "0.045", "-", "-"]


def test_arms_without_calls_and_removed_arms_are_shown(client: Client) -> None:
    Model.objects.create(alias="gpt-4o", metadata=SPLIT)
    record("a", "north")
    record("b", "south", model="buried")

    found = [row[:3] for row in rows(client)]

    assert found == [
        ["south", "- / 100.0%", "1"],
        ["east", "75.0% / 0.0%", "0"],
        ["west", "25.0% / 0.0%", "0"],
        ["north", "- / 100.0%", "1"],
    ]
    assert [row[0] for row in rows(client, alias="gpt-4o")] == ["east", "west", "north"]


def test_a_period_is_chosen_and_a_made_up_one_is_the_usual(client: Client) -> None:
    Model.objects.create(alias="gpt-4o", metadata=SPLIT)
    for days, words in (("1", "24 hours"), ("30", "30 days"), ("x", "7 days"), ("9999", "7 days")):
        text = client.get(URL, {"days": days}).content.decode()
        assert f"Calls of the last {words}" in text


def test_without_an_experiment_the_page_explains_how_to_make_one(client: Client) -> None:
    assert "No alias splits its callers" in client.get(URL).content.decode()
    Model.objects.create(alias="plain")
    assert "splits no calls" in client.get(URL, {"alias": "plain"}).content.decode()


def test_what_is_wrong_with_an_experiment_is_said(client: Client) -> None:
    Model.objects.create(alias="odd", metadata={"experiment": {"by": "moon", "arms": {}}})
    assert "is tenant or user" in client.get(URL).content.decode()


def test_names_are_text_and_never_tags(client: Client) -> None:
    evil = "<script>alert(1)</script>"
    text = client.get(URL, {"alias": evil}).content.decode()
    assert evil not in text
    assert "&lt;script&gt;" in text


def test_pages_of_models_and_calls_link_to_the_experiment(client: Client) -> None:
    model = Model.objects.create(alias="gpt-4o", metadata=SPLIT)
    page = client.get(reverse("admin:catalog_model_change", args=[model.pk])).content.decode()
    [link] = set(re.findall(r'href="([^"]*/experiment[^"]*)"', page))
    assert client.get(link).headers["location"] == f"{URL}?alias=gpt-4o"
    for listed in ("catalog_model", "metering_usageevent"):
        page = client.get(reverse(f"admin:{listed}_changelist")).content.decode()
        [link] = set(re.findall(r'href="([^"]*experiments[^"]*)"', page))
        assert client.get(link, follow=True).redirect_chain[-1][0] == URL


def test_only_users_with_permission_to_see_calls_see_the_experiment_page() -> None:
    clerk = Client()
    assert clerk.get(URL).status_code == 302, "a stranger signs in first"
    clerk.force_login(User.objects.create_user("clerk@example.com", is_staff=True))
    assert clerk.get(URL).status_code == 403


def test_more_calls_take_no_more_queries(client: Client) -> None:
    Model.objects.create(alias="gpt-4o", metadata=SPLIT)
    counts = []
    for batch in range(2):
        for n in range(5):
            record(f"{batch}-{n}", "east")
        with CaptureQueriesContext(connection) as asked:
            client.get(URL)
        counts.append(len(asked))
    assert counts[0] == counts[1]
