"""Background probes against a real server, with their history in a real database."""

from __future__ import annotations

import json
import logging
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import pytest
from django.urls import reverse
from typing_extensions import override

from catalog.health.probes import plan_new, probe_all
from catalog.health.queries import failed_probes, provider_health
from catalog.models import Deployment, HealthProbe
from catalog.sync import sync_catalog
from gateway.config import Config
from tenants.models import User
from tests.support.logged import logged

NOON = datetime(2026, 3, 1, 12, tzinfo=UTC)
MINUTE = timedelta(minutes=1)

pytestmark = pytest.mark.django_db(transaction=True)


class Provider(ThreadingHTTPServer):
    """Answers GET /models with `list_status` and POST with `chat_status`; keeps the requests and their keys."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.list_status = self.chat_status = 200
        self.models: list[str] = []
        self.listed = b""  # in place of a list with these models
        self.asked: list[tuple[str, str, str]] = []

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/v1"


class _Handler(BaseHTTPRequestHandler):
    server: Provider

    def do_GET(self) -> None:
        self._answer(self.server.list_status)

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(self.server.chat_status)

    @override
    def log_message(self, *_: object) -> None:
        """Log nothing."""

    def _answer(self, status: int) -> None:
        self.server.asked.append((self.command, self.path, self.headers.get("authorization", "")))
        listed = {"data": [{"id": name} for name in self.server.models]}
        body = self.server.listed or json.dumps(listed).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)


@pytest.fixture
def provider() -> Iterator[Provider]:
    server = Provider()
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def catalog(url: str, *keys: str) -> None:
    rows = [
        {
            "alias": f"model-{number}",
            "provider": "openai-compatible",
            "provider_model": "up",
            "endpoint": url,
            "api_key": key,
            "price_input": "1",
            "price_output": "1",
        }
        for number, key in enumerate(keys)
    ]
    sync_catalog(Config.model_validate({"model_catalog": rows}), now=NOON - MINUTE)


def states(now: datetime) -> list[str]:
    return [doing.state for doing in provider_health(now)]


def test_each_endpoint_and_credential_is_probed_once_for_all_aliases(provider: Provider) -> None:
    catalog(provider.url, "sk-one-0000000000", "sk-one-0000000000", "sk-two-0000000000")
    assert states(NOON) == ["unknown"] * 3
    assert probe_all(NOON) == 2
    assert sorted(provider.asked) == [
        ("GET", "/v1/models", "Bearer sk-one-0000000000"),
        ("GET", "/v1/models", "Bearer sk-two-0000000000"),
    ]
    assert states(NOON) == ["online"] * 3
    assert "sk-" not in "".join(HealthProbe.objects.values_list("place", flat=True))


@pytest.mark.parametrize("status", [401, 403])
def test_a_refused_credential_is_offline_at_once(provider: Provider, status: int) -> None:
    catalog(provider.url, "sk-one-0000000000")
    provider.list_status = status
    probe_all(NOON)
    [doing] = provider_health(NOON)
    assert (doing.state, doing.since, doing.last_probe_at) == ("offline", NOON, NOON)
    assert doing.error.startswith(f"status {status} (it refuses the API key")


def test_a_probe_requests_one_token_where_models_cannot_be_listed(provider: Provider) -> None:
    catalog(provider.url, "sk-one-0000000000")
    provider.list_status = 404
    probe_all(NOON)
    assert [asked[:2] for asked in provider.asked] == [
        ("GET", "/v1/models"),
        ("POST", "/v1/chat/completions"),
    ]
    assert states(NOON) == ["online"]
    provider.chat_status = 404
    probe_all(NOON + MINUTE)
    assert states(NOON + MINUTE) == ["offline"]


@pytest.mark.parametrize(
    "listed",
    [
        pytest.param(b'{"data":[{"id":"a\xff"}]}', id="no UTF-8"),
        pytest.param(b'{"data":[{"id":"a","x":' + b"[" * 5000 + b"]" * 5000 + b"}]}", id="nested deeply"),
        pytest.param(b"{" * 9000, id="no JSON, nested deeply"),
        pytest.param(b'{"data":[{"id":1}]}', id="numbers"),
    ],
)
def test_unreadable_model_list_does_not_degrade_a_healthy_server(provider: Provider, listed: bytes) -> None:
    catalog(provider.url, "sk-one-0000000000")
    provider.listed = listed
    assert probe_all(NOON) == 1
    assert HealthProbe.objects.get().state == "online"


def test_probe_result_keeps_its_start_and_expires_after_a_week(provider: Provider) -> None:
    catalog(provider.url, "sk-one-0000000000")
    seen = []
    for number, status in enumerate((200, 200, 500, 500, 200)):
        provider.list_status = status
        now = NOON + number * MINUTE
        probe_all(now)
        [doing] = provider_health(now)
        assert doing.since is not None
        seen.append((doing.state, (doing.since - NOON) // MINUTE))
    assert seen == [("online", 0), ("online", 0), ("degraded", 2), ("offline", 3), ("online", 4)]
    probe_all(NOON + timedelta(days=8))
    assert HealthProbe.objects.count() == 1
    assert states(NOON + timedelta(days=9)) == ["unknown"]


def test_an_address_typed_by_an_administrator_may_not_lead_inside(provider: Provider) -> None:
    catalog(provider.url, "sk-one-0000000000")
    Deployment.objects.update(edited=True)
    probe_all(NOON)
    assert provider.asked == []
    [doing] = provider_health(NOON)
    assert "inside this network" in doing.error


def test_a_dead_endpoint_is_degraded_then_offline(provider: Provider) -> None:
    catalog("http://127.0.0.1:9/v1", "sk-one-0000000000")
    for number in range(2):
        probe_all(NOON + number * MINUTE)
    assert list(HealthProbe.objects.order_by("pk").values_list("state", flat=True)) == ["degraded", "offline"]


def test_staff_see_the_states_and_the_history(provider: Provider, client, settings) -> None:
    catalog(provider.url, "sk-one-0000000000")
    probe_all(datetime.now(UTC))
    client.force_login(User.objects.create(email="root@example.com", is_staff=True, is_superuser=True))
    for name in ("admin:catalog_deployment_changelist", "admin:catalog_healthprobe_changelist"):
        page = client.get(reverse(name))
        assert page.status_code == 200
        assert "online" in page.content.decode()


def test_what_the_last_probe_saw_is_read_by_every_process_and_logged_once(
    provider: Provider, caplog: pytest.LogCaptureFixture
) -> None:
    catalog(provider.url, "secret-key-1")
    with caplog.at_level(logging.INFO, "catalog"):
        probe_all(NOON)
        assert failed_probes(NOON) == []
        provider.list_status = 401
        probe_all(NOON + MINUTE)
        (problem,) = failed_probes(NOON + MINUTE)
        probe_all(NOON + 2 * MINUTE)
        provider.list_status = 200
        probe_all(NOON + 3 * MINUTE)
    assert problem.reason == f"{provider.url} failed its probe: status 401 (it refuses the API key)"
    assert failed_probes(NOON + 3 * MINUTE) == []
    assert [record.getMessage() for record in caplog.records] == ["probe.failed", "probe.recovered"]
    [failed] = logged(caplog, "probe.failed")
    assert (failed["endpoint"], failed["deployments"], failed["error"]) == (provider.url, 1, "status 401")
    assert "secret-key-1" not in str([vars(record) for record in caplog.records])


def test_a_result_counts_only_for_the_endpoint_key_and_model_that_were_measured(provider: Provider) -> None:
    def changed(**columns: str) -> None:
        row = {
            "endpoint": provider.url,
            "api_key": "k",
            "provider_model": "up",
            "provider": "openai-compatible",
        }
        entry = {"alias": "model-0", "price_input": "1", "price_output": "1", **row, **columns}
        sync_catalog(Config.model_validate({"model_catalog": [entry]}), now=NOON)

    provider.list_status = 401
    catalog(provider.url, "k")
    probe_all(NOON)
    changed()
    (before,) = failed_probes(NOON)
    other = provider.url.replace("127.0.0.1", "localhost")
    for columns in ({"endpoint": other}, {"api_key": "another"}, {"provider_model": "other"}):
        changed(**columns)
        assert (failed_probes(NOON), states(NOON)) == ([], ["unknown"]), columns
        assert len(plan_new(NOON)) == 1, columns
    Deployment.objects.update(edited=True)  # as a person's word it may not lead inside, and was not asked so
    assert failed_probes(NOON) == []
    Deployment.objects.update(edited=False)
    changed()
    assert failed_probes(NOON) == [before]
    assert plan_new(NOON) == []


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("gpt-4o-minni", "'gpt-4o-mini'"),
        ("gpt4o-mini", "'gpt-4o-mini'"),
        ("GPT-4o-mini", "'gpt-4o-mini'"),
        ("gpt-4o-mini", ""),
        ("my-fine-tune", ""),
    ],
)
def test_model_name_close_to_a_listed_one_is_reported_as_a_slip(
    provider: Provider, name: str, said: str
) -> None:
    provider.models = ["gpt-4o-mini", "text-embedding-3-small"]
    catalog(provider.url, "k")
    Deployment.objects.update(upstream_model=name)
    probe_all(NOON)
    found = [problem.reason for problem in failed_probes(NOON)]
    assert [f"did you mean {said}" in reason for reason in found] == ([True] if said else [])
    assert HealthProbe.objects.get().state == "online"  # the provider is well: only the name is not


def test_a_misspelled_model_is_reported_for_its_own_deployment_only(provider: Provider) -> None:
    """They share a place, and with it the row of its probe; the right name is in the sentence about the wrong one."""
    provider.models = ["gpt-4o-mini", "text-embedding-3-small"]
    names = ["gpt-4o-minni", "gpt-4o-mini", "gpt4o-mini", "my-fine-tune"]
    catalog(provider.url, *("k" for _ in names))
    for number, name in enumerate(names):
        Deployment.objects.filter(model__alias=f"model-{number}").update(upstream_model=name)
    probe_all(NOON)
    found = {each.alias: each.reason.partition(" probe: ")[2] for each in failed_probes(NOON)}
    assert found == {
        f"model-{number}": f"the provider lists no '{names[number]}', did you mean 'gpt-4o-mini'?"
        for number in (0, 2)
    }
    assert {doing.alias for doing in provider_health(NOON) if doing.error} == found.keys()
