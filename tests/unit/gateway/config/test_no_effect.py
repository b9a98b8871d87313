"""A key without effect causes a warning; every other key has an effect."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.checks import messages_of
from gateway.config import Config, load
from gateway.config.errors import keys_of, section_in
from gateway.config.no_effect import UNBUILT, unbuilt
from tests.support.sources import ROOT, SOURCES, is_ours

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from pydantic import BaseModel


def warnings(tmp_path: Path, keys: dict[str, Any], **environ: str) -> list[str]:
    (tmp_path / "router.yaml").write_text(yaml.safe_dump(keys, sort_keys=False))
    config = load(environ, tmp_path)
    told = [str(message.msg) for message in messages_of(config) if message.id == "gateway.W014"]
    assert all(any(line.startswith(each) for line in config.warnings) for each in told)  # `serve` says it too
    return told


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        (
            {"admin": {"oidc": {"enabled": True, "issuer": "https://i", "client_id": "c"}}},
            "admin.oidc.enabled, admin.oidc.issuer, admin.oidc.client_id have no effect yet",
        ),
        ({"admin": {"local": {"enabled": False}, "oidc": {"enabled": False}}}, None),
        ({"budgets": {"alert": {"emails": ["a@b.example"]}}}, "budgets.alert.emails has no effect yet"),
        ({"budgets": {"alert": {"smtp": {"port": 25}}}}, "budgets.alert.smtp.port has no effect yet"),
        ({"files": {"max_size_mb": 5}}, "files.max_size_mb has no effect yet"),
        ({"audio": {"max_upload_mb": 50}}, "audio.max_upload_mb has no effect yet"),
        ({"batches": {"max_requests": 5}}, "batches.max_requests has no effect yet"),
        ({"observability": {"enable_otlp": True}}, "observability.enable_otlp has no effect yet"),
        (
            {"bootstrap": {"tenant_budgets": [{"tenant": "t", "budget_usd": 1, "alert_cooldown": "1h"}]}},
            "bootstrap.tenant_budgets[].alert_cooldown has no effect yet",
        ),
    ],
)
def test_a_key_without_effect_is_warned_of(tmp_path: Path, keys: dict[str, Any], said: str | None) -> None:
    if said is None:
        with pytest.raises(Exception, match="leaves no way to sign in"):
            warnings(tmp_path, keys)
        return
    assert warnings(tmp_path, keys) == [said]


def test_sign_in_that_cannot_be_switched_off_says_so(tmp_path: Path) -> None:
    oidc = {"enabled": True, "issuer": "https://i", "client_id": "c"}
    found = warnings(tmp_path, {"admin": {"local": {"enabled": False}, "oidc": oidc}})
    assert "admin.local.enabled has no effect yet" in found


@pytest.mark.parametrize(
    "keys",
    [
        {},
        {"admin": {"oidc": {"enabled": False}, "local": {"enabled": True}}},
        {"budgets": {"alert": {"enabled": False}}},
        {"files": {}, "audio": None, "batches": {"max_ttl": None}},
        {"admin": {"session": {"max_age": "1h"}}, "providers": {"openai_key": "k"}},
    ],
)
def test_unset_keys_and_keys_at_their_default_are_not_warned_of(tmp_path: Path, keys: dict[str, Any]) -> None:
    assert warnings(tmp_path, keys) == []


@pytest.mark.parametrize(
    "name", ["ROUTER_ADMIN_OIDC_ISSUER", "ROUTER_BUDGETS_ALERT_WEBHOOKS", "ROUTER_FILES_MAX_SIZE_MB"]
)
def test_keys_of_the_environment_are_warned_of_too(tmp_path: Path, name: str) -> None:
    assert len(warnings(tmp_path, {}, **{name: "9"})) == 1


def leaves(section: type[BaseModel], above: str = "") -> Iterator[tuple[str, str]]:
    """Yield the path of every key, with `[]` for each list, and the attribute it is read by."""
    for name, field in keys_of(section).items():
        inner = section_in(field.annotation)
        attribute = next(each for each, value in section.model_fields.items() if value is field)
        if inner is None:
            yield above + name, attribute
        else:
            yield from leaves(inner, f"{above}{name}{'[]' if 'tuple' in str(field.annotation) else ''}.")


READ_WHOLE = (
    *(f"model_catalog[].{name}." for name in ("pricing", "facts", "fallbacks", "experiment", "timeouts")),
    "bootstrap.tenant_limits[].limits.",
    "bootstrap.api_keys[].rate_limit.",
)
READ_BY_THE_CONFIGURATION = {
    "redis.db",
    "redis.allow_insecure",
    "database.migrations_dir",
    "model_catalog[].requires_env",
    "model_catalog[].currency",
    "model_catalog[].price_per",
    "server.listen_addr",
    "server.admin_addr",
    "server.body_limit_mb",
    "server.bodies_in_flight_mb",
    "server.stream_idle_timeout",
    "streams.max_event_mb",
    "idempotency.max_mb",
    "budgets.default_usd",
    "bootstrap.api_keys[].budget_usd",
    "bootstrap.tenant_budgets[].budget_usd",
}


def test_every_key_is_read_by_the_program_or_is_in_the_table() -> None:
    config = ROOT / "gateway" / "config"
    ours = [
        path
        for path in SOURCES
        if is_ours(path) and (not path.is_relative_to(config) or path.name == "secrets.py")
    ]
    code = "\n".join(path.read_text() for path in ours)
    silent = [
        path
        for path, attribute in leaves(Config)
        if not unbuilt(path)
        and not path.startswith(READ_WHOLE)
        and path not in READ_BY_THE_CONFIGURATION
        and not re.search(rf"\.{attribute}\b", code)
    ]
    assert silent == []


def test_every_line_of_the_table_is_a_key() -> None:
    paths = [path for path, _ in leaves(Config)]
    for row in UNBUILT:
        assert any(path == row.path or path.startswith(f"{row.path}.") for path in paths), row.path
