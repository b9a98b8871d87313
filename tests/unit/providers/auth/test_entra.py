"""Which rows of Azure can be authenticated, and what the others lack."""

from __future__ import annotations

import pytest

from providers.auth import entra
from providers.auth.entra import lacks, uses_entra
from providers.auth.entra_credentials import ABSENT
from providers.target import SECRET_METADATA

WHOLE = {"azure_tenant_id": "t", "azure_client_id": "c", "azure_client_secret": "s"}


@pytest.mark.parametrize(
    ("metadata", "secret", "why"),
    [
        ({}, "", "no API key"),
        ({}, "key", ""),
        (WHOLE, "", ""),
        ({"azure_auth": "entra"}, "", ""),
        ({"azure_auth": "entra", "azure_client_id": "c"}, "", ""),
        ({"azure_client_secret": "s"}, "", "azure_client_secret needs azure_tenant_id and azure_client_id"),
        ({"azure_client_id": "c"}, "", "no API key, and no azure_client_secret"),
        ({"azure_auth": "key"}, "", "no API key"),
    ],
)
def test_what_a_row_lacks(
    metadata: dict[str, str], secret: str, why: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(entra, "is_installed", lambda: True)
    found = lacks(metadata, secret)
    assert found.startswith(why)
    assert bool(found) is bool(why)


def test_without_the_package_a_row_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entra, "is_installed", lambda: False)
    assert lacks(WHOLE, "") == ABSENT
    assert lacks(WHOLE, "key") == ""
    assert uses_entra(WHOLE)


def test_the_client_secret_is_stored_as_a_secret() -> None:
    assert "azure_client_secret" in SECRET_METADATA
