"""Reads what `manage.py explain` prints for calls, once the request log or the ledger has them."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial
from typing import Any

from tests.support import sample
from tests.support.servers.commands import run_each
from tests.support.servers.gateway import Gateway
from tests.support.waiting import eventually

OPEN = "sk-why.why-secret"
POOR = "sk-whypoor.whypoor-secret"
SLOW = "sk-whyslow.whyslow-secret"
EMBEDS = "sk-whyembeds.whyembeds-secret"
PICKY = "sk-whypicky.whypicky-secret"
ELSEWHERE = "sk-whyelse.whyelse-secret"
PAST = "sk-whypast.whypast-secret"
SLEEPY = "sk-whysleepy.whysleepy-secret"
LOG, LEDGER = "metering_loggedrequest", "metering_usageevent"
LIMITS = {"max_messages": 4, "max_content_parts": 4, "max_inputs": 4, "max_nesting": 8, "body_limit_mb": 1}
UPSTREAM: dict[str, tuple[dict[str, Any], str]] = {  # what a provider answers, and the code
    "denied": ({"status": 401}, "upstream_auth_failed"),
    "broke": ({"status": 429, "error": {"code": "insufficient_quota"}}, "upstream_account_exhausted"),
    "unknown": ({"status": 404, "error": {"code": "model_not_found"}}, "upstream_model_not_found"),
    "busy": ({"status": 429}, "upstream_rate_limited"),
    "broken": ({"status": 500}, "upstream_error"),
}


def config(endpoint, closed_port):
    """Return the configuration in which a call for each code is refused."""
    return {
        **sample.NO_LIMITS,
        "server": {**LIMITS, "read_body_timeout": "300ms", "workers": 1, "graceful_shutdown_delay": "5s"},
        "health": {"cooldown": "60s"},
        "model_catalog": [
            *_catalog(endpoint),
            sample.row("why-closed", "up-why-closed", f"http://127.0.0.1:{closed_port}/v1"),
        ],
        "bootstrap": {
            "tenants": [{"name": "askers"}, {"name": "sleepers", "status": "suspended"}],
            "api_keys": [
                sample.key("askers", OPEN),
                sample.key("askers", POOR, budget_usd=0.0001),
                sample.key("askers", SLOW, rate_limit={"requests_per_minute": 1}),
                sample.key("askers", EMBEDS, scopes=["embeddings"]),
                sample.key("askers", PICKY, models=["why-embeds"]),
                sample.key("askers", ELSEWHERE, allowed_ips=["192.0.2.0/24"]),
                sample.key("askers", PAST, expires_at="2020-01-01T00:00:00Z"),
                sample.key("sleepers", SLEEPY),
            ],
        },
    }


def _catalog(endpoint):
    def model(alias, **more):
        return sample.row(alias, f"up-{alias}", endpoint, **more)

    return [
        model("why"),
        model("why-embeds", model_type="embedding"),
        model("why-picture", model_type="image"),
        model("why-off", enabled=False),
        model("why-half-off", deployment="off", enabled=False),
        model("why-half-off", deployment="on", api_key="${SURELY_NOT_SET}"),
        model("why-no-output", price_output=None),
        model("why-no-price", price_input=None, price_output=None),
        model("why-no-tools", supports_tools=False),
        model("why-short", context_window=40),
        model("why-windowless", context_window=None),
        model("why-keyless", api_key="${SURELY_NOT_SET}"),
        model("why-limited", deployment="no-key", api_key="${SURELY_NOT_SET}"),
        model("why-limited", deployment="limited"),
        model("why-falls", api_key="${SURELY_NOT_SET}", fallbacks={"unavailable": ["why-keyless"]}),
        *(model(f"why-{kind}") for kind in UPSTREAM),
        model("why-slow", timeouts={"first_byte": "300ms"}),
        model("why-patient"),
    ]


async def stories_of(gateway: Gateway, ids: Sequence[str]) -> list[str]:
    """Wait until each call is recorded, and return its explanation."""
    for call in ids:
        await is_kept(gateway, call)
    done = await asyncio.to_thread(run_each, gateway, *(["explain", call] for call in ids))
    assert [code for code, _ in done] == [0] * len(ids)
    return ["\n".join(lines) for _, lines in done]


async def is_kept(gateway: Gateway, call: str) -> str:
    """Wait until a call is recorded; return in which table."""
    return await eventually(partial(asyncio.to_thread, _is_kept, gateway, call))


def _is_kept(gateway: Gateway, call: str) -> str:
    found = (table for table in (LOG, LEDGER) if gateway.sql(f"SELECT id FROM {table} WHERE id = ?", call))  # noqa: S608 - names of ours
    return next(found, "")
