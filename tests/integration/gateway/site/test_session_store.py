"""A session's key is in its cookie only; the database has only its hash."""

from __future__ import annotations

import pytest
from django.contrib.sessions.models import Session
from django.test import Client

from gateway.site.session_store import SessionStore, hashed

PAGE = "/admin/ui/"

pytestmark = pytest.mark.django_db


def test_session_values_in_the_database_sign_no_user_in(client):
    assert client.get(PAGE).status_code == 200
    row = Session.objects.get()
    key = client.cookies["sessionid"].value
    assert row.session_key == hashed(key) != key
    for stolen in (row.session_key, hashed(row.session_key), row.session_data):
        thief = Client()
        thief.cookies["sessionid"] = stolen
        assert thief.get(PAGE).status_code == 302


def test_signing_out_deletes_the_row(client):
    client.post("/admin/ui/logout/")
    assert not Session.objects.exists()


def test_a_session_is_found_changed_renamed_and_deleted():
    store = SessionStore()
    store["a"] = 1
    store.create()
    first = store.session_key
    assert first is not None
    again = SessionStore(first)
    assert again.exists(first)
    again["a"] = 2
    again.save()
    again.cycle_key()
    assert not again.exists(first)
    assert SessionStore(again.session_key)["a"] == 2
    assert SessionStore(first).load() == {}
    again.delete()
    assert not Session.objects.exists()


def test_an_unknown_key_is_not_taken_over():
    store = SessionStore("chosen-by-a-stranger")
    assert store.load() == {}
    store["a"] = 1
    store.save()
    assert store.session_key != "chosen-by-a-stranger"
