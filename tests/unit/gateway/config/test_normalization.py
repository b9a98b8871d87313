"""Blanks and marks around a key are removed with a warning; inside a key they disable the row."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.config import ConfigError, load
from gateway.config.normalization import around, bare, is_sendable

if TYPE_CHECKING:
    from pathlib import Path

BOM = "\ufeff"
AROUND = [
    ("sk-1\n", "a line end"),
    ("sk-1\r\n", "a line end"),
    (f"{BOM}sk-1", "a byte order mark"),
    (f"{BOM}sk-1\r\n", "a line end and a byte order mark"),
    (" sk-1", "blanks"),
    ("sk-1\t", "blanks"),
    ("sk-1\u00a0\u200b", "blanks"),
    ('"sk-1"', "quotes"),
    ("'sk-1'\n", "a line end and quotes"),
    (f' "{BOM}sk-1" ', "a byte order mark and quotes"),
    ("Bearer sk-1", "the word Bearer"),
    ("bearer  sk-1\n", "a line end and the word Bearer"),
    ("Authorization: Bearer sk-1", "the word Bearer"),
    ('"Bearer sk-1"', "quotes and the word Bearer"),
]
ROW = {"alias": "a", "provider": "openai", "provider_model": "m"}


def loaded(tmp_path: Path, keys: dict[str, Any], **environ: str) -> Any:
    (tmp_path / "router.yaml").write_text(yaml.safe_dump(keys, allow_unicode=True))
    return load(environ, tmp_path)


@pytest.mark.parametrize(("text", "what"), AROUND)
def test_characters_around_a_key_are_stripped_and_named(text: str, what: str) -> None:
    assert (bare(text), around(text)) == ("sk-1", what)


@pytest.mark.parametrize("text", ["sk-1", "", "Bearer", "bearer-1", "a b", 'a"b', "sk-\n1", "'", '""x'])
def test_characters_inside_a_key_stay(text: str) -> None:
    assert (bare(text), around(text)) == (text, "")


@pytest.mark.parametrize(("text", "what"), AROUND)
def test_a_key_in_the_file_is_stripped_with_a_warning(tmp_path: Path, text: str, what: str) -> None:
    config = loaded(tmp_path, {"model_catalog": [{**ROW, "api_key": text}]})
    assert config.model_catalog[0].api_key == "sk-1"
    (warning,) = config.warnings
    assert warning.startswith(f"model_catalog[0].api_key has {what} around it, which was left out")
    assert "sk-1" not in warning


@pytest.mark.parametrize("text", ["sk-1\n", "sk-1\r\n", f"{BOM}sk-1", "sk-1\n\n"])
def test_a_variable_is_named_wherever_it_is_used(tmp_path: Path, text: str) -> None:
    row = {**ROW, "api_key": "${SOME_KEY}", "endpoint": "${BASE}/v1"}
    config = loaded(tmp_path, {"model_catalog": [row]}, SOME_KEY=text, BASE="https://x.example\n")
    (found,) = config.model_catalog
    assert (found.api_key, found.endpoint, found.problem) == ("sk-1", "https://x.example/v1", "")
    assert {warning.partition(" has ")[0] for warning in config.warnings} == {
        "model_catalog[0].api_key (${SOME_KEY})",
        "model_catalog[0].endpoint (${BASE})",
    }


@pytest.mark.parametrize(
    ("variable", "read"),
    [
        ("ROUTER_PROVIDERS_OPENAI_KEY", lambda config: config.providers.openai_key),
        ("ROUTER_ADMIN_SESSION_JWT_SECRET", lambda config: config.admin.session.jwt_secret),
        ("ROUTER_OBSERVABILITY_METRICS_TOKEN", lambda config: config.observability.metrics_token),
        ("ROUTER_PROVIDERS_AZURE_OPENAI_ENDPOINT", lambda config: config.providers.azure_openai_endpoint),
    ],
)
def test_every_secret_and_address_of_the_environment_is_stripped(
    tmp_path: Path, variable: str, read: Any
) -> None:
    good = "https://Xk3v9Qw7Lr2Tz8Mn4Bp6Ys1D.example"
    config = loaded(tmp_path, {}, **{variable: f"{BOM}{good}\r\n"})
    assert read(config) == good
    assert [warning for warning in config.warnings if warning.startswith(variable)]


@pytest.mark.parametrize("block", ["openai", "azure", "openai_compatible"])
def test_the_key_of_a_block_is_stripped(tmp_path: Path, block: str) -> None:
    config = loaded(tmp_path, {"model_catalog": [{**ROW, block: {"api_key": "sk-1\n"}}]})
    assert config.model_catalog[0].api_key == "sk-1"
    assert f"model_catalog[0].{block}.api_key has a line end" in config.warnings[0]


@pytest.mark.parametrize(
    "endpoint", [' "https://x/v1" ', "'https://x/v1'", "https://x/v1\n", f"{BOM}https://x/v1 "]
)
def test_an_endpoint_with_quotes_and_blanks_around_it_is_that_endpoint(tmp_path: Path, endpoint: str) -> None:
    config = loaded(tmp_path, {"model_catalog": [{**ROW, "endpoint": endpoint}]})
    assert (config.model_catalog[0].endpoint, config.model_catalog[0].problem) == ("https://x/v1", "")
    assert len(config.warnings) == 1


@pytest.mark.parametrize("key", ["sk-1\nsk-2", "sk\u2013dash", "sk-\x00x", "schlüssel"])
def test_a_key_that_no_header_can_carry_disables_its_row(tmp_path: Path, key: str) -> None:
    assert not is_sendable(key)
    config = loaded(tmp_path, {"model_catalog": [{**ROW, "api_key": "${SOME_KEY}"}]}, SOME_KEY=key)
    assert config.model_catalog[0].problem.startswith("api_key holds a line end or a letter")
    assert any("a/a-1 is disabled" in warning for warning in config.warnings)


def test_a_password_is_not_stripped(tmp_path: Path) -> None:
    person = {"email": "a@example.com", "password": " Xk3v9Qw7Lr2Tz8Mn4 "}
    config = loaded(tmp_path, {"bootstrap": {"admin_users": [person]}})
    assert config.bootstrap.admin_users[0].password == person["password"]
    assert config.warnings == ()


def test_a_file_and_an_env_file_may_begin_with_a_byte_order_mark(tmp_path: Path) -> None:
    (tmp_path / "router.yaml").write_text(f"{BOM}server:\n  body_limit_mb: 7\n")
    (tmp_path / ".env").write_text(f"{BOM}ROUTER_SERVER_MAX_INPUTS=9\n")
    server = load({}, tmp_path).server
    assert (server.body_limit_mb, server.max_inputs) == (7, 9)


@pytest.mark.parametrize("name", ["tidied", "idle", "warnings", "file"])
def test_fields_that_the_loader_fills_are_unknown_keys(tmp_path: Path, name: str) -> None:
    with pytest.raises(ConfigError, match=f"{name}: unknown key"):
        loaded(tmp_path, {name: []})
