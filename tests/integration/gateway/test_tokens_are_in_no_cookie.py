"""The token of a new key is shown once and is in no cookie, nor readable in the session of the database."""

from __future__ import annotations

import base64
import re
import zlib

import pytest
from django.contrib.sessions.models import Session
from django.urls import reverse

from tenants.models import ApiKey
from tests.support.clients.forms import NO_INLINES

pytestmark = pytest.mark.django_db

TOKEN = re.compile(r"<code>(sk-[^<]+)</code>")


def make(client, acme, how):
    if how == "added":
        fields = {"tenant": acme.pk, "name": "App", "priority": "interactive"}
        return client.post(reverse("admin:tenants_apikey_add"), NO_INLINES | fields)
    numbers = range(3 if how == "three rotated" else 1)
    rows = [
        ApiKey.objects.create(tenant=acme, name="App", prefix=f"app{n}", secret_hmac="x" * 64)
        for n in numbers
    ]
    action = {"action": "rotate", "_selected_action": [row.pk for row in rows]}
    return client.post(reverse("admin:tenants_apikey_changelist"), action)


def unpacked(text: str) -> str:
    """Return a cookie's or a session's text, and what it says if it is base64, and zipped."""
    found = text
    for part in re.split(r"[:.]", text):
        try:
            raw = base64.urlsafe_b64decode(part + "=" * (-len(part) % 4))
        except ValueError:
            continue
        found += raw.decode("latin-1")
        try:
            found += zlib.decompress(raw).decode("latin-1")
        except zlib.error:
            continue
    return found


@pytest.mark.parametrize("how", ["added", "rotated", "three rotated"])
def test_a_new_token_is_shown_once_and_kept_sealed_until_then(client, acme, how):
    answer = make(client, acme, how)

    cookies = "".join(
        unpacked(morsel.value) for morsel in (*answer.cookies.values(), *client.cookies.values())
    )
    kept = "".join(unpacked(session.session_data) for session in Session.objects.all())
    page = client.get(answer.url).content.decode()
    tokens = TOKEN.findall(page)
    assert len(tokens) == (3 if how == "three rotated" else 1)
    for token in tokens:
        secret = token.partition(".")[2]
        assert secret not in cookies
        assert secret not in kept
    assert not TOKEN.findall(client.get(answer.url).content.decode())


def test_the_cookie_of_messages_is_gone(client, acme):
    answer = make(client, acme, "added")

    assert "messages" not in answer.cookies
    assert "messages" not in client.cookies


def test_messages_that_cannot_be_opened_are_left_out(client, acme):
    make(client, acme, "added")
    session = client.session
    session["_messages"] = "bm90IHNlYWxlZA=="
    session.save()

    page = client.get("/admin/ui/")

    assert page.status_code == 200
    assert not TOKEN.findall(page.content.decode())
