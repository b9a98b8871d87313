"""A mistyped endpoint, key, price or provider is reported where an operator looks first: front page, /readyz, `check`,
log and back office. One gateway makes all the mistakes. Of Redis: test_store_health.py.
"""

from __future__ import annotations

import html
import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import httpx
import pytest
from typing_extensions import override

from tests.support.clients import admin_client
from tests.support.servers.gateway import Gateway
from tests.support.servers.processes import ServerProcess
from tests.support.servers.upstream import NO_AUTHORITIES
from tests.support.sources import MANAGE
from tests.support.waiting import wait_until

RIGHT = "sk-right-0123456789"
PRICES = {
    "price_input": 0.001,
    "price_output": 0.002,
    "context_window": 1000,
    "max_output_tokens": 9,
    "modalities": ["text"],
}
# by alias: what is wrong, and words of the reason that each place must show
MISTAKES: dict[str, tuple[str, dict[str, Any]]] = {
    "host": ("no-such-host.invalid", {"endpoint": "http://no-such-host.invalid/v1"}),
    "port": ("failed its probe", {"endpoint": "http://127.0.0.1:{closed}/v1"}),
    "scheme": ("is not an address", {"endpoint": "127.0.0.1:{open}/v1"}),
    "path": ("failed its probe: status 404", {"endpoint": "http://127.0.0.1:{open}/nowhere"}),
    "key": (
        "failed its probe: status 401",
        {"endpoint": "http://127.0.0.1:{open}/v1", "api_key": "sk-wrong"},
    ),
    "nokey": ("no API key", {"provider": "openai", "api_key": ""}),
    "oddkey": ("a line end or a letter", {"endpoint": "http://127.0.0.1:{open}/v1", "api_key": "sk-\u2013x"}),
    "noprice": (
        "no price",
        {"endpoint": "http://127.0.0.1:{open}/v1", "price_input": None, "price_output": None},
    ),
    "halfprice": (
        "price_output is missing",
        {"endpoint": "http://127.0.0.1:{open}/v1", "price_output": None},
    ),
    "model": (
        "no 'gpt-4o-minni', did you mean",
        {"endpoint": "http://127.0.0.1:{open}/v1", "provider_model": "gpt-4o-minni"},
    ),
    "region": ("no region", {"provider": "bedrock", "api_key": "bedrock-key", "endpoint": ""}),
}


class Provider(BaseHTTPRequestHandler):
    """Has a list of models for callers with the key, and nothing else."""

    protocol_version = "HTTP/1.1"

    def do_GET(self) -> None:
        self._answer(404 if self.path != "/v1/models" else self._status())

    def do_POST(self) -> None:
        self.rfile.read(int(self.headers["content-length"]))
        self._answer(404)

    def _status(self) -> int:
        return 200 if self.headers.get("authorization") == f"Bearer {RIGHT}" else 401

    def _answer(self, status: int) -> None:
        body = json.dumps(
            {"data": [{"id": "x"}, {"id": "gpt-4o-mini"}]} if status == 200 else {"error": {"message": "no"}}
        ).encode()
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    @override
    def log_message(self, *_: object) -> None:
        """Log nothing."""


@pytest.fixture(scope="module")
def open_port():
    server = ThreadingHTTPServer(("127.0.0.1", 0), Provider)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


@pytest.fixture(scope="module")
def gateway(open_port, closed_port, tmp_path_factory):
    rows: list[dict[str, Any]] = []
    for alias, (_, wrong) in {**MISTAKES, "good": ("", {"endpoint": "http://127.0.0.1:{open}/v1"})}.items():
        row: dict[str, Any] = {
            "alias": alias,
            "provider": "openai-compatible",
            "provider_model": "x",
            "api_key": RIGHT,
            **PRICES,
        }
        row |= wrong
        if "endpoint" in row:
            row["endpoint"] = row["endpoint"].format(open=open_port, closed=closed_port)
        rows.append(row)
    config = {
        "model_catalog": rows,
        "health": {"check_interval": "1s"},
        "bootstrap": {"admin_users": [admin_client.ROOT]},
        "metering": {"allow_volatile": True},
    }
    with Gateway(config, tmp_path_factory.mktemp("mistakes") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def places(gateway):
    """Return the report of each place, once the first probes are done."""

    def problems():
        ready = httpx.get(f"{gateway.url}/readyz", trust_env=False, verify=NO_AUTHORITIES).json()
        found = {problem["alias"]: problem["reason"] for problem in ready["problems"]}
        return ready, found

    ready, found = wait_until(problems, lambda said: said[1].keys() >= MISTAKES.keys())
    front = httpx.get(gateway.url, trust_env=False, verify=NO_AUTHORITIES).text
    return {
        "ready": ready,
        "problems": found,
        "front": front,
        "log": gateway.logs(),
        "check": checked(gateway),
    }


def checked(gateway):
    process = ServerProcess(MANAGE, "check", env=gateway.environment, cwd=gateway.data_dir.parent)
    assert process.end(None, 60) == 0
    return process.stderr.all()


def test_only_the_model_that_works_and_those_whose_fault_is_elsewhere_are_counted(places):
    working = (
        len(MISTAKES)
        + 1
        - len(
            [
                1
                for why, _ in MISTAKES.values()
                if not any(word in why for word in ("probe", "host", "did you"))
            ]
        )
    )
    assert places["ready"]["checks"]["models"] == working
    failed = len(
        [1 for why, _ in MISTAKES.values() if any(word in why for word in ("probe", "host", "did you"))]
    )
    assert (
        f"Ready: {working - failed} model can be called, {failed} more failed their probe" in places["front"]
    )
    assert f"{len(MISTAKES)} parts of the catalog have a problem, the first: <code>" in places["front"]


def test_front_page_shows_the_first_problem_to_insiders_only(gateway, places):
    first = places["ready"]["problems"][0]
    words = f"{first['alias']}/{first['deployment']}: {first['reason']}"
    assert words in html.unescape(places["front"])
    handed_on = {"x-forwarded-for": "203.0.113.1"}
    page = httpx.get(gateway.url, trust_env=False, verify=NO_AUTHORITIES, headers=handed_on)
    assert page.headers["cache-control"] == "no-store"
    assert "Ready: 1 model can be called" in page.text
    assert [alias for alias in MISTAKES if f"{alias}/{alias}-1" in page.text] == []


@pytest.mark.parametrize("alias", MISTAKES)
def test_readyz_and_check_and_the_log_say_why(places, alias):
    why, _ = MISTAKES[alias]
    assert why in places["problems"][alias]
    said = [line for line in places["check"] if f" {alias}/{alias}-1" in line]
    assert [line for line in said if why in line] or why in "\n".join(places["check"]), said
    logged = [line for line in places["log"] if f"{alias}-1" in line or "probe.failed" in line]
    assert [
        line
        for line in logged
        if why.removeprefix("failed its probe: ").removeprefix("failed its probe") in line
    ], logged


def test_valid_rows_are_in_no_report(places):
    assert "good" not in places["problems"]
    assert not [line for line in places["check"] if "good/good-1" in line]
    assert not [line for line in places["log"] if "good-1" in line and "failed" in line]


async def test_the_back_office_says_why(gateway, places):
    async with gateway.client(follow_redirects=True) as browser:
        await admin_client.BackOffice(browser).log_in()
        page = (await browser.get("/admin/ui/catalog/deployment/")).text
    for why, _ in MISTAKES.values():
        assert why in page.replace("&#x27;", "'"), why
