"""The promise as one property: for random bodies over the member tables, random providers, clients and kills, what
providers bill <= what budgets count (spent + held + unsettled) <= the limit, at every moment; and the ledger equals
the bill of a provider that reports what it bills and whose answers were not cut off.
"""

from __future__ import annotations

import random
import secrets

import pytest

from tests.support import sample
from tests.support.books.money import NANO
from tests.support.books.promise import PREFIX, Lane, Rates
from tests.support.books.promise_crowd import Crowd

pytestmark = pytest.mark.both_modes

SHORT = (1, 20, 2)  # seed, calls of each client, deaths
LONG = [pytest.param((None, 60, 5), id=f"long-{number}", marks=pytest.mark.soak) for number in range(10)]
IMPATIENT = {"connect": "2s", "first_byte": "400ms", "idle": "300ms", "total": "5s"}
FINE = {  # USD a million tokens; fractions of a nano-USD
    "cached_input": 0.0125,
    "reasoning": 3.75,
    "audio_input": 9.5,
    "audio_output": 20,
    "request": 0.000001,
}
TENANTS = {"rich": 1.5, "poor": 0.021, "tight": 0.0301, "exact": 0.03}  # USD; long runs have more
KEYS = {
    "open": "rich",
    "own": "rich",
    "bare": "poor",
    "clamped": "tight",
    "vectors": "rich",
    "words": "exact",
}
MAKES = {"vectors": "embeddings", "words": "words"}  # the others: chats
ONLY_LONG = {"words"}  # counting exactly begins with half a second of CPU
OWN_USD = 0.05


def token(prefix):
    return f"sk-{prefix}.{prefix}-secret"


def rows(endpoint):
    """Return the catalog: a model of its own for each client."""

    def row(alias, model=None, **more):
        found = sample.row(alias, f"{PREFIX}{model or alias}", endpoint, timeouts=IMPATIENT) | more
        return {name: value for name, value in found.items() if value is not None}

    dear = {"price_input": 7, "price_output": 3, "priority": 0}
    return [
        row("open", pricing=FINE, price_input=0.0325),
        row("own", "own-a", deployment="own-a", **dear),
        row("own", "own-b", deployment="own-b", priority=1),
        row("bare", context_window=None, max_output_tokens=None),
        row("clamped", max_output_tokens=300),
        row("vectors", model_type="embedding", context_window=2_000, price_input=0.3),
        row("words", "x/gpt-4o", context_window=20_000),
    ]


def budgets(calls):
    """Return the budgets of tenants, and of the one key that has its own: some are used up, and some are not."""
    share = max(1, calls / 18)
    return {name: round(usd * share, 6) for name, usd in [*TENANTS.items(), ("own", OWN_USD)]}


def config(upstream, usd):
    return {
        **sample.NO_LIMITS,
        "health": {"cooldown": "20ms", "rolling_window": 1_000_000, "eject_outliers": False},
        "model_catalog": rows(upstream.base_url),
        "bootstrap": {
            "tenants": [{"name": name} for name in TENANTS],
            "api_keys": [
                sample.key(tenant, token(prefix), **({"budget_usd": usd["own"]} if prefix == "own" else {}))
                for prefix, tenant in KEYS.items()
            ],
            "tenant_budgets": [
                {
                    "tenant": name,
                    "budget_usd": usd[name],
                    "on_insufficient": "clamp" if name == "tight" else "refuse",
                }
                for name in TENANTS
            ],
        },
    }


def lane(upstream, prefix):
    mine = [row for row in rows(upstream.base_url) if row["alias"] == prefix]
    return Lane(
        alias=prefix,
        key=token(prefix),
        tenant=KEYS[prefix],
        rates={row["provider_model"]: Rates.of(row) for row in mine},
        makes=MAKES.get(prefix, "chat"),
        window=mine[0].get("context_window"),
    )


@pytest.mark.timeout(300)
@pytest.mark.parametrize("run", [pytest.param(SHORT, id="short"), *LONG])
async def test_what_providers_bill_is_counted_and_what_is_counted_is_within_the_limit(
    gateway_factory, upstream, run
):
    seed, calls, deaths = run
    seed = secrets.randbits(32) if seed is None else seed
    print(f"seed {seed}")  # noqa: T201 - shown when the test fails
    usd = budgets(calls)
    limits = {round(amount * NANO): scope for scope, amount in usd.items()}
    lanes = [lane(upstream, prefix) for prefix in KEYS if calls > SHORT[1] or prefix not in ONLY_LONG]
    crowd = Crowd(gateway_factory(config(upstream, usd), bare=True), upstream, lanes, limits)
    await crowd.run(random.Random(seed), calls, deaths)
    await crowd.rest()
    figures = {"exact": crowd.exact, "refused": crowd.refused, "looks": crowd.looks}
    print(figures)  # noqa: T201 - shown when the test fails
    assert crowd.exact >= calls
    assert min(crowd.looks, crowd.refused) > 0
