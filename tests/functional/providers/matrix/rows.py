"""The catalog of the matrix: a row for each API of each vendor, at the strict vendors of tests/support/vendors.

The vendors' prices are those of the rows, so that a bill and the ledger can be compared to the nano-USD. What a model
can do comes from its name. The models are different ones, so that bills and scripts belong to one row each.
"""

from __future__ import annotations

import json
from typing import Any, Final

import msgspec

from tests.support import sample
from tests.support.vendors.accounts import LOCATION, PROJECT, REGION
from tests.support.vendors.vendors import Vendors

KEY: Final = "sk-mary.mary-secret"
PRICES: Final = {
    "*": {"input": 3_000, "cache_read": 300, "cache_write": 3_750, "cache_write_1h": 6_000, "output": 15_000}
}
_PRICED: Final[dict[str, Any]] = {
    "price_input": 3.0,
    "price_output": 15.0,
    "price_per": "1m",
    "pricing": {"cached_input": 0.3, "cache_write": 3.75, "cache_write_1h": 6.0},
    "timeouts": {"connect": "10s", "first_byte": "60s", "idle": "60s", "total": "90s"},
}
FAILING: Final = (
    "failing-"  # before an alias: the same upstream, for calls that fail (failures are remembered)
)


class Up(msgspec.Struct, frozen=True, kw_only=True):
    """One upstream. `alias`: the client's name; `vendor`: of the process; `model`: as `bills` and `seen` have it.

    `family`: claude | openai | gemini | other; `thinks`: by itself or on request, and its thinking can be sent back.
    """

    alias: str
    vendor: str
    model: str
    family: str
    thinks: bool = False
    more: dict[str, Any] = {}


ROWS: Final = (
    Up(alias="openai-chat", vendor="openai", model="gpt-4.1", family="openai"),
    Up(alias="openai-responses", vendor="openai", model="gpt-5.6", family="openai", thinks=True),
    Up(alias="azure-v1", vendor="azure", model="gpt-4.1-mini", family="openai"),
    Up(
        alias="azure-classic",
        vendor="azure",
        model="gpt-4o",
        family="openai",
        more={"api_version": "2024-10-21", "metadata": {"deployment": "gpt-4o"}},
    ),
    Up(
        alias="azure-claude",
        vendor="azure",
        model="claude-opus-4-5",
        family="claude",
        thinks=True,
        more={"metadata": {"deployment": "claude-opus-4-5"}},
    ),
    Up(alias="anthropic", vendor="anthropic", model="claude-opus-5-5", family="claude", thinks=True),
    Up(
        alias="bedrock-claude",
        vendor="bedrock",
        model="us.anthropic.claude-sonnet-4-5-20250929-v1:0",
        family="claude",
        thinks=True,
    ),
    Up(alias="bedrock-nova", vendor="bedrock", model="us.amazon.nova-pro-v1:0", family="other"),
    Up(alias="vertex-gemini", vendor="vertex", model="gemini-3-pro", family="gemini", thinks=True),
    Up(alias="gemini-key", vendor="vertex", model="gemini-3-flash", family="gemini", thinks=True),
    Up(
        alias="vertex-claude",
        vendor="vertex",
        model="claude-haiku-4-5@20251001",
        family="claude",
        thinks=True,
    ),
    Up(
        alias="huggingface",
        vendor="huggingface",
        model="deepseek-ai/DeepSeek-V3.1",
        family="other",
        more={"context_window": 128_000},
    ),
)
BY_ALIAS: Final = {up.alias: up for up in ROWS}
_COMPLETIONS: Final = {"completions": "chat"}  # the models are chat models: no vendor completes with them
_PATHS: Final = {
    "openai-chat": "/v1",
    "openai-responses": "/v1",
    "azure-v1": "/openai/v1",
    "huggingface": "/v1",
}
_KEYS: Final = {
    "openai": "sk-openai-one",
    "azure": "azure-key-one",
    "anthropic": "sk-ant-one",
    "huggingface": "hf_one",
}


def config(vendors: Vendors) -> dict[str, Any]:
    """Return the configuration of a gateway with each upstream twice: once for calls that fail."""
    named = [(prefix, up) for up in ROWS for prefix in ("", FAILING)]
    return {
        **sample.NO_LIMITS,
        "model_catalog": [_row(vendors, prefix, up) for prefix, up in named],
        "bootstrap": {"tenants": [{"name": "mary"}], "api_keys": [sample.key("mary", KEY)]},
    }


def _row(vendors: Vendors, prefix: str, up: Up) -> dict[str, Any]:
    place = _credentials(vendors, up)
    metadata = {**_COMPLETIONS, **place.pop("metadata", {}), **up.more.get("metadata", {})}
    return {
        "alias": f"{prefix}{up.alias}",
        "deployment": f"{prefix}{up.alias}",
        "provider": up.vendor,
        "provider_model": up.model,
        "endpoint": f"{vendors.urls[up.vendor]}{_PATHS.get(up.alias, '')}",
        **_PRICED,
        **up.more,
        **place,
        "metadata": metadata,
    }


def _credentials(vendors: Vendors, up: Up) -> dict[str, Any]:
    if up.vendor == "bedrock":
        keys = {"aws_access_key_id": "AKIAONE", "aws_secret_access_key": "aws-secret-one"}
        return {"region": REGION, "metadata": keys}
    if up.vendor == "vertex" and up.alias != "gemini-key":
        account = json.dumps(vendors.service_accounts["one"])
        return {"region": LOCATION, "metadata": {"gcp_project_id": PROJECT, "gcp_credentials_json": account}}
    return {"api_key": "AIza-one" if up.vendor == "vertex" else _KEYS[up.vendor]}
