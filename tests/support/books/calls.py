"""Calls as a journal has them, for the tests of metering: plausible defaults, the rest as arguments."""

from __future__ import annotations

import msgspec

from catalog.pricing.prices import PriceSheet, receipt
from metering.journal.records import Close, Open
from providers.usage import Usage

NOON = 1_784_894_400.0  # 2026-07-24 12:00:00 UTC
DAY = NOON - 43_200
SHEET = PriceSheet(id=11, input=150_000_000_000, output=600_000_000_000)  # 150 and 600 nano-USD a token


def opened(request_id: str, *, at: float = NOON, tenant: int = 3, key: int = 7, prompt: int = 100) -> Open:
    return Open(
        id=request_id,
        started_at=at,
        tenant_id=tenant,
        tenant=f"tenant-{tenant}",
        key_id=key,
        key_prefix=f"key-{key}",
        endpoint="chat",
        model="gpt-4o",
        provider="openai",
        deployment="gpt-4o-1",
        upstream_model="gpt-4o-2024-08-06",
        input_tokens=prompt,
        sheet=SHEET,
    )


def closed(request_id: str, *, at: float = NOON + 2, output: int = 50, status: str = "ok") -> Close:
    usage = Usage(input_tokens=100, output_tokens=output)
    bill = receipt(usage, SHEET)
    return Close(
        id=request_id,
        finished_at=at,
        status=status,
        http_status=200,
        provider="openai",
        deployment="gpt-4o-1",
        upstream_model="gpt-4o-2024-08-06",
        usage=usage,
        cost_nanousd=bill.total_nanousd,
        price_id=SHEET.id,
        receipt=[msgspec.to_builtins(line) for line in bill.lines],
        latency_ms=2000.0,
    )


CLOSED_COST = closed("any").cost_nanousd
