"""An address that cannot be called is refused where it is read, and a password in it is not shown."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
import yaml

from gateway.config import ConfigError, load

if TYPE_CHECKING:
    from pathlib import Path

WRONG = [
    ("gateway.example.com", "is not an address"),
    ("ftp://gateway.example.com", "is not an address"),
    ("https:/gateway.example.com", "is not an address"),
    ("http://::1:8000/v1", "is not an address"),
    ("http://[::1", "is not an address"),
    ("http://h:port/v1", "has a port that is no number"),
    ("http://h:99999/v1", "has a port that is no number"),
    ("https://h/openai/deployments/d?api-version=2024-06-01", "has a ? or # in it"),
    ("https://h/v1#chat", "has a ? or # in it"),
    ("https://user:hush@h/v1", "has a user or a password in it"),
    ("https://hush@h:port/v1", "has a user or a password in it"),
]
STANDING = [
    ("server", "public_url"),
    ("providers", "azure_openai_endpoint"),
]


@pytest.mark.parametrize(("address", "why"), WRONG)
def test_a_row_says_so_and_disables_only_itself(tmp_path: Path, address: str, why: str) -> None:
    row = {"alias": "a", "provider": "openai-compatible", "provider_model": "m", "endpoint": address}
    (tmp_path / "router.yaml").write_text(yaml.safe_dump({"model_catalog": [row]}))
    (found,) = load({}, tmp_path).model_catalog
    assert found.problem.startswith("endpoint ")
    assert why in found.problem
    assert "hush" not in found.problem


@pytest.mark.parametrize("where", STANDING)
@pytest.mark.parametrize(("address", "why"), WRONG)
def test_invalid_address_outside_the_catalog_stops_the_start(
    tmp_path: Path, where: tuple[str, str], address: str, why: str
) -> None:
    section, key = where
    with pytest.raises(ConfigError) as refused:
        load({f"ROUTER_{section}_{key}".upper(): address}, tmp_path)
    said = str(refused.value)
    assert said.startswith(f"{section}.{key}")
    assert why in said
    assert "hush" not in said


@pytest.mark.parametrize(
    "address", ["https://h", "http://localhost:3000/", "https://[::1]:8443/v1", "http://my_service:8000/v1"]
)
def test_what_can_be_asked_is_taken(tmp_path: Path, address: str) -> None:
    assert load({"ROUTER_SERVER_PUBLIC_URL": address}, tmp_path).server.public_url == address


@pytest.mark.parametrize(
    "address", ["http://127.0.0.1:8080", "me@h:8080", "h /:80", "h:٣", "127.0.0.1:8080/"]
)
def test_an_address_to_listen_on_is_a_host_and_a_port(tmp_path: Path, address: str) -> None:
    for key in ("LISTEN", "ADMIN"):
        with pytest.raises(ConfigError, match="is not an address to listen on"):
            load({f"ROUTER_SERVER_{key}_ADDR": address}, tmp_path)
