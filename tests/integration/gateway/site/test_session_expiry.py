"""A person stays signed in for 12 hours at most, and for one without opening a page; cookies stay on TLS and here."""

from __future__ import annotations

import subprocess
import sys
from datetime import timedelta

import pytest
from django.contrib.sessions.models import Session
from django.test import Client
from django.utils.timezone import now

from gateway.site.session_expiry import BEGAN, RENEWED
from tenants.models import User
from tests.support.servers.processes import clean_environment
from tests.support.sources import ROOT

pytestmark = pytest.mark.django_db

HOUR = 3600.0
PASSWORD = "a good phrase 1"


def is_signed_in(client) -> bool:
    return bool(client.get("/admin/ui/").status_code == 200)


def age(client, **seconds) -> None:
    """Let the session's instants lie so many seconds back."""
    session = client.session
    for name, back in seconds.items():
        session[name] = now().timestamp() - back
    session.save()


def lasts_s() -> float:
    return (Session.objects.get().expire_date - now()).total_seconds()


def test_a_session_ends_an_hour_after_the_last_page(client):
    assert is_signed_in(client)

    assert HOUR - 60 < lasts_s() <= HOUR
    Session.objects.update(expire_date=now() - timedelta(seconds=1))
    assert not is_signed_in(client)


@pytest.mark.parametrize(("idle_s", "stays"), [(61, True), (3500, True), (3700, False)])
def test_page_views_extend_a_session_and_inactivity_ends_it(client, idle_s, stays):
    is_signed_in(client)
    age(client, **{RENEWED: idle_s})

    assert is_signed_in(client) is stays


@pytest.mark.parametrize(("age_s", "stays"), [(11 * HOUR, True), (12 * HOUR + 1, False), (30 * HOUR, False)])
def test_a_busy_session_ends_after_twelve_hours(client, age_s, stays):
    is_signed_in(client)
    age(client, **{BEGAN: age_s, RENEWED: 61})

    assert is_signed_in(client) is stays


def test_the_last_hour_ends_with_the_twelfth(client):
    is_signed_in(client)
    age(client, **{BEGAN: 11.5 * HOUR, RENEWED: 61})

    assert is_signed_in(client)
    assert lasts_s() <= HOUR / 2


def test_a_session_that_was_never_used_ends_too():
    User.objects.create_superuser("root@example.com", PASSWORD)
    client = Client()
    client.post("/admin/ui/login/", {"username": "root@example.com", "password": PASSWORD})

    assert lasts_s() <= HOUR


def test_a_session_of_the_release_before_begins_to_age(client):
    session = client.session
    for name in (BEGAN, RENEWED):
        session.pop(name, None)
    session.set_expiry(14 * 24 * 3600)
    session.save()

    assert is_signed_in(client)
    assert lasts_s() <= HOUR


def test_pages_over_tls_say_so_for_a_year_and_others_do_not(client):
    over_tls = client.get("/admin/ui/", secure=True)

    assert over_tls["Strict-Transport-Security"] == "max-age=31536000"
    assert "Strict-Transport-Security" not in client.get("/admin/ui/")


@pytest.mark.parametrize(
    ("variables", "names"),
    [
        ({}, "sessionid csrftoken False"),
        ({"ROUTER_SERVER_PUBLIC_URL": "http://ai.internal"}, "sessionid csrftoken False"),
        ({"ROUTER_SERVER_PUBLIC_URL": "https://ai.example.com"}, "__Host-sessionid __Host-csrftoken True"),
    ],
)
def test_where_cookies_are_secure_they_belong_to_this_very_host(tmp_path, variables, names):
    ask = (
        "from django.conf import settings as s; "
        "print(s.SESSION_COOKIE_NAME, s.CSRF_COOKIE_NAME, s.CSRF_COOKIE_SECURE)"
    )
    env = clean_environment(ROUTER_DATA_DIR=str(tmp_path), **variables)

    done = subprocess.run(
        [sys.executable, str(ROOT / "manage.py"), "shell", "--no-imports", "-c", ask],
        capture_output=True,
        text=True,
        env=env,
        cwd=tmp_path,
        check=True,
    )

    assert done.stdout.strip().splitlines()[-1] == names
