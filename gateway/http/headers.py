"""Renders the headers of every /v1 response. Makes no decisions."""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Any

from budgets.admission.interface import BudgetStatus, LimitStatus, RateLimitStatus
from gateway.http.request import V1Request
from gateway.http.response import Headers
from gateway.values.money import cents, usd
from gateway.values.timestamps import rfc3339

ESTIMATED = (b"x-gateway-estimated", b"true")  # the gateway counted, not the provider

_CLIENT_ID = re.compile(rb"[A-Za-z0-9._:\-]{1,128}")


def head(status: int, pairs: Headers, limit_status: LimitStatus | None) -> dict[str, Any]:
    """Return the start message of a response, with the caller's limit status where it is known."""
    headers = pairs if limit_status is None else pairs + limit_headers(limit_status)
    return {"type": "http.response.start", "status": status, "headers": headers}


def client_id_headers(request: V1Request) -> Headers:
    """Return the id that the client gave its request, to send it back; nothing if it gave none or an odd one."""
    given = request.raw_headers.get(b"x-client-request-id") or request.raw_headers.get(b"x-request-id")
    is_sent = given is not None and _CLIENT_ID.fullmatch(given)
    return [(b"x-client-request-id", given)] if is_sent and given is not None else []


def limit_headers(limit_status: LimitStatus) -> Headers:
    """Return X-Budget-* and x-ratelimit-*."""
    headers: Headers = []
    if limit_status.budget is not None:
        _add_budget(headers, limit_status.budget)
    if limit_status.rate is not None:
        _add_rate(headers, limit_status.rate)
    return headers


def call_headers(provider: str, deployment: str, attempts: int, cost_nanousd: int | None) -> Headers:
    """Return X-Gateway-*."""
    headers = [
        (b"x-gateway-provider", provider.encode()),
        (b"x-gateway-deployment", _ascii(deployment)),
        (b"x-gateway-attempts", str(attempts).encode()),
    ]
    if cost_nanousd is not None:
        headers.append((b"x-gateway-cost-usd", _usual_usd(cost_nanousd)))
    return headers


def fallback_headers(alias: str, reason: str) -> Headers:
    """Return which fallback alias answered, and why; nothing if the requested alias did."""
    return [(b"x-gateway-model", _ascii(alias)), (b"x-gateway-fallback", reason.encode())] if reason else []


def addition_headers(set_by_gateway: str) -> Headers:
    """Return what the gateway set in the upstream request; nothing if it set nothing."""
    return [(b"x-gateway-set", set_by_gateway.encode())] if set_by_gateway else []


def _add_budget(headers: Headers, budget: BudgetStatus) -> None:
    limit, spent, resets = budget.limit_nanousd, budget.spent_nanousd, budget.resets_nanousd
    remaining = budget.remaining_nanousd
    in_usd = usd(spent).encode()
    headers += [
        (b"x-budget-limit-usd", _usual_usd(limit)),
        (b"x-budget-spent-usd", in_usd),
        (b"x-budget-remaining-usd", usd(remaining).encode()),
        (b"x-budget-held-usd", _usual_usd(budget.held_nanousd)),
        (b"x-budget-unsettled-usd", _usual_usd(budget.unsettled_nanousd)),
        (b"x-budget-resets-at", rfc3339(budget.resets_at).encode()),
        (b"x-budget-resets-usd", in_usd if resets == spent else usd(resets).encode()),
        (b"x-budget-limit-cents", cents(limit).encode()),
        (b"x-budget-total-cents", cents(spent).encode()),
        (b"x-budget-remaining-cents", str(remaining // 10_000_000).encode()),
    ]
    counted = spent + budget.unsettled_nanousd
    if counted >= limit:
        headers.append((b"x-budget-exceeded", b"true"))
    elif counted >= budget.warning_ratio * limit:
        headers.append((b"x-budget-warning", b"true"))


def _add_rate(headers: Headers, rate: RateLimitStatus) -> None:
    if rate.limit_requests is not None:
        headers += [
            (b"x-ratelimit-limit-requests", str(rate.limit_requests).encode()),
            (b"x-ratelimit-remaining-requests", str(rate.remaining_requests).encode()),
            (b"x-ratelimit-reset-requests", _duration(rate.reset_requests_ms)),
        ]
    if rate.limit_tokens is not None:
        headers += [
            (b"x-ratelimit-limit-tokens", str(rate.limit_tokens).encode()),
            (b"x-ratelimit-remaining-tokens", str(rate.remaining_tokens).encode()),
            (b"x-ratelimit-reset-tokens", _duration(rate.reset_tokens_ms)),
        ]


def _duration(ms: int) -> bytes:
    """OpenAI's notation: "250ms", "1.5s"."""
    return f"{ms}ms".encode() if ms < 1000 else f"{ms / 1000:g}s".encode()  # noqa: PLR2004


@lru_cache(maxsize=1024)
def _usual_usd(nanousd: int) -> bytes:
    """Cached for amounts that many calls share: limits, the cost of calls of one kind, the holds of a few of them."""
    return usd(nanousd).encode()


@lru_cache(maxsize=1024)
def _ascii(text: str) -> bytes:
    """Header values may not carry control characters or anything beyond ASCII."""
    return "".join(c if " " <= c <= "~" else "?" for c in text).encode()
