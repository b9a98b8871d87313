"""The configuration of the shared test gateway: its tenants and keys, and the models that they can use.

Prices are 1 USD a million tokens in and 2 USD a million out: 1,000 and 2,000 nano-USD a token.
"""

from __future__ import annotations

from typing import Any

INPUT_NANOUSD = 1_000
OUTPUT_NANOUSD = 2_000
POOL = [f"m{number}" for number in range(1, 21)]
FAILING = [f"f{number}" for number in range(1, 61)]  # one a test that fails it: failures are remembered

IMPATIENT = {
    "connect": "2s",
    "first_byte": "3s",
    "idle": "2s",
    "total": "30s",
}  # where a timeout is the subject

ALICE = "sk-alice.alice-secret"  # no limits
BOB = "sk-bob.bob-secret"
CHARLIE = "sk-charlie.charlie-secret"
EXPIRED = "sk-expired.expired-secret"
ONLY_EMBEDDINGS = "sk-embedder.embedder-secret"
ONLY_CHAT_MODEL = "sk-onemodel.onemodel-secret"  # may use the alias `chat` and nothing else
SUSPENDED = "sk-dora.dora-secret"

UNLIMITED = {
    "requests_per_minute": "unlimited",
    "tokens_per_minute": "unlimited",
    "parallel_requests": "unlimited",
}
NO_LIMITS = {
    "rate_limits": {
        "default_tokens_per_minute": "unlimited",
        "default_requests_per_minute": "unlimited",
        "default_parallel_requests_key": "unlimited",
        "default_parallel_requests_tenant": "unlimited",
    },
    "budgets": {"default_usd": 1000},
    "metering": {"allow_volatile": True, "read_on": "300ms"},  # a client that leaves ends its call
    "server": {"graceful_shutdown_delay": "5s"},  # calls that hang are part of the tests
    "health": {"cooldown": "20ms"},  # what one test breaks serves the next
}


def row(alias: str, upstream_model: str, endpoint: str, **more: Any) -> dict[str, Any]:
    """Return a catalog row served by the test upstream: priced, with timeouts long enough for a busy machine."""
    return {
        "alias": alias,
        "provider": "openai-compatible",
        "provider_model": upstream_model,
        "endpoint": endpoint,
        "api_key": "upstream-secret",
        "context_window": 8192,
        "max_output_tokens": 1024,
        "price_input": 1.0,
        "price_output": 2.0,
        "price_per": "1m",
        "timeouts": {"connect": "10s", "first_byte": "60s", "idle": "60s", "total": "90s"},
        **more,
    }


def key(tenant: str, token: str, **more: Any) -> dict[str, Any]:
    """Return a bootstrap key for a token `sk-prefix.secret`."""
    prefix, _, secret = token.removeprefix("sk-").partition(".")
    return {"tenant": tenant, "prefix": prefix, "secret": secret, "name": prefix, **more}


def catalog(endpoint: str, closed_port: int) -> list[dict[str, Any]]:
    """Return the models: `chat`, `roomy` (long answers), `embed`, `pair` (fails over), `dead`, `badrow`, and a pool."""
    return [
        row("chat", "up-chat", endpoint),
        row("roomy", "up-roomy", endpoint, context_window=300_000, max_output_tokens=200_000),
        row("embed", "up-embed", endpoint, model_type="embedding"),
        row("pair", "up-a", endpoint, deployment="pair-a", priority=0),
        row("pair", "up-b", endpoint, deployment="pair-b", priority=1),
        row("dead", "up-dead", f"http://127.0.0.1:{closed_port}/v1"),
        row("badrow", "up-badrow", endpoint, api_key="${SURELY_NOT_SET}"),
        *(row(alias, f"up-{alias}", endpoint) for alias in POOL),
    ]


def failing(endpoint: str) -> list[dict[str, Any]]:
    """Return the models for tests that fail one: of the shared gateway only, whose start is one of very many."""
    return [row(alias, f"up-{alias}", endpoint, timeouts=IMPATIENT) for alias in FAILING]


def config(endpoint: str, closed_port: int) -> dict[str, Any]:
    """Return the whole configuration."""
    tenants = ["alice-co", "bob-co", "charlie-co"]
    return {
        **NO_LIMITS,
        "model_catalog": catalog(endpoint, closed_port),
        "bootstrap": {
            "tenants": [*({"name": name} for name in tenants), {"name": "dora-co", "status": "suspended"}],
            "api_keys": [
                key("alice-co", ALICE),
                key("bob-co", BOB),
                key("charlie-co", CHARLIE),
                key("bob-co", EXPIRED, expires_at="2020-01-01T00:00:00Z"),
                key("bob-co", ONLY_EMBEDDINGS, scopes=["embeddings"]),
                key("bob-co", ONLY_CHAT_MODEL, models=["chat"]),
                key("dora-co", SUSPENDED),
            ],
        },
    }
