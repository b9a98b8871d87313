"""A gateway with many models whose providers fail in scripted ways, and what its operator can read about it."""

from __future__ import annotations

import json
import socketserver
import threading
from contextlib import contextmanager

from typing_extensions import override

from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.servers.gateway import Gateway
from tests.support.waiting import eventually

POOR = "sk-poor.poor-secret"  # has a budget, so a cap goes upstream
KEY = "sk-upstream-0123456789abcdef"
PAIRS = [f"p{number}" for number in range(75)]
LONGS = [f"l{number}" for number in range(80)]
ALONE = [f"a{number}" for number in range(40)]


class Talker(socketserver.BaseRequestHandler):
    """A server without TLS."""

    @override
    def handle(self):
        self.request.sendall(b"220 mail.example.com ESMTP\r\n" * 3)


@contextmanager
def plain_server():
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), Talker) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield server.server_address[1]
        server.shutdown()


def config(endpoint, closed_port, plain_port):
    secret = {"api_key": KEY}
    away = f"http://127.0.0.1:{closed_port}/v1"
    rows = [sample.row("wide", "up-wide", endpoint, deployment="wide-1")]
    for name in PAIRS:
        rows.append(sample.row(name, f"up-{name}", endpoint, deployment=f"{name}-first", **secret))
        rows.append(sample.row(name, f"up-{name}-two", endpoint, deployment=f"{name}-second", priority=1))
    rows += [
        sample.row(
            name, f"up-{name}", endpoint, deployment=f"{name}-1", fallbacks={"context_window": ["wide"]}
        )
        for name in LONGS
    ]
    rows += [sample.row(name, f"up-{name}", endpoint, deployment=f"{name}-1", **secret) for name in ALONE]
    rows += [
        sample.row("refused", "up-refused", away, deployment="refused-1"),
        sample.row("nameless", "up-nameless", "http://no-such-host.invalid/v1", deployment="nameless-1"),
        sample.row("plain", "up-plain", f"https://127.0.0.1:{plain_port}/v1", deployment="plain-1"),
        sample.row("silent", "up-silent", endpoint, deployment="silent-1", timeouts={"first_byte": "300ms"}),
        sample.row(
            "uncapped", "up-uncapped", endpoint, metadata={"cap_member": "none", "stream_usage": "none"}
        ),
    ]
    return {
        **sample.NO_LIMITS,
        "server": {"graceful_shutdown_delay": "5s", "workers": 1},  # each worker measures for itself
        "health": {"cooldown": "120s"},
        "observability": {"log_format": "json"},
        "model_catalog": rows,
        "bootstrap": {
            "tenants": [{"name": name} for name in ("alice-co", "bob-co", "poor-co")],
            "api_keys": [
                sample.key("alice-co", sample.ALICE),
                sample.key("bob-co", sample.BOB),
                sample.key("poor-co", POOR, budget_usd=100),
            ],
        },
    }


@contextmanager
def serving(upstream, closed_port, data_dir):
    """Run the gateway."""
    with (
        plain_server() as plain_port,
        Gateway(config(upstream.base_url, closed_port, plain_port), data_dir) as server,
    ):
        yield server


def says(status, body, **more):
    return {"kind": "status", "status": status, "body": body, **more}


async def lines_of(gateway, request_id, count=1):
    """Return the log records of a call's attempts."""

    def found():
        return [
            line
            for line in gateway.records()
            if (line["event"], line.get("request_id")) == ("attempt.failed", request_id)
        ]

    return await eventually(found, lambda lines: len(lines) >= count)


async def tries_of(gateway, answer):
    """Return the attempts of a call from its row."""
    await row_of(gateway, answer.id)
    [(decision,)] = gateway.sql(f"SELECT decision FROM metering_usageevent WHERE id = '{answer.id}'")  # noqa: S608
    stored = json.loads(decision) if isinstance(decision, str) else decision
    return [each for each in stored if "outcome" in each]


async def metrics_of(gateway, deployment):
    async with gateway.client() as client:
        text = (await client.get("/metrics")).text
    lines = [line for line in text.splitlines() if line.startswith("gateway_upstream_attempts_total")]
    return {
        line.split('outcome="')[1].split('"')[0]: float(line.rsplit(" ", 1)[1])
        for line in lines
        if f'deployment="{deployment}"' in line
    }
