"""The page of a call in the back office: the sentences of `explain`, and the receipt as a table."""

from __future__ import annotations

import html
import json
import re
from datetime import UTC, datetime

import pytest
from django.test import Client
from django.urls import reverse

from metering.back_office.json_fields import colored
from metering.journal.reader import Call
from metering.ledger import write
from metering.models import UsageEvent
from tenants.models import User
from tests.support.books.calls import closed, opened

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com"))
    return client


def page(client: Client, request_id: str) -> str:
    answer = client.get(reverse("admin:metering_usageevent_change", args=[request_id]))
    assert answer.status_code == 200
    return answer.content.decode()


def test_call_page_shows_the_story_and_the_receipt(client: Client) -> None:
    write.write([Call(opened("req_1"), closed("req_1"))])
    text = page(client, "req_1")
    assert "Key key-7 of tenant tenant-3." in text
    assert "It ended well, with HTTP 200" in text
    assert "<td>output tokens</td><td>50</td><td>0.0006</td><td>0.03</td><td>price row 11</td>" in text
    assert '<table class="facts">' in text  # gateway/pages.css keeps its columns apart


def test_what_a_client_sent_is_text_and_never_a_tag(client: Client) -> None:
    write.write([Call(opened("req_1"), closed("req_1"))])
    evil = "<script>alert(1)</script>"
    UsageEvent.objects.filter(pk="req_1").update(idempotency_key=evil, finished_at=datetime.now(UTC))
    text = page(client, "req_1")
    assert evil not in text
    assert "&lt;script&gt;" in text


def test_json_has_colors_that_the_policy_of_pages_allows(client: Client) -> None:
    """By classes: an inline style would not be applied."""
    write.write([Call(opened("req_1"), closed("req_1"))])
    decision = [{"why": 'a "quoted" <b>word</b>', "n": -1.5e3, "so": True, "none": None, "deep": {"4": [1]}}]
    UsageEvent.objects.filter(pk="req_1").update(decision=decision)
    text = page(client, "req_1")
    assert "style=" not in re.sub(r"<style.*?</style>", "", text, flags=re.DOTALL)
    assert '<link href="/static/gateway/json.css"' in text
    assert '<span class="json-name">&quot;why&quot;</span>: ' in text
    assert (
        '<span class="json-text">&quot;a \\&quot;quoted\\&quot; &lt;b&gt;word&lt;/b&gt;&quot;</span>' in text
    )
    assert '<span class="json-number">-1500.0</span>' in text
    assert '<span class="json-word">true</span>' in text
    assert '<span class="json-word">null</span>' in text
    assert '<span class="json-name">&quot;4&quot;</span>' in text


@pytest.mark.parametrize(
    "value", [{}, [], "", "a: 1", 'x":"y', "\\", "true", 0, None, {"a": {"b": [[]]}}, "\u2028<!--"]
)
def test_colored_json_is_the_same_text(value: object) -> None:
    shown = html.unescape(re.sub(r"<[^>]*>", "", colored(value)))
    assert json.loads(shown) == value
