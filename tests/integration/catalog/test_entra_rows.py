"""A row of Azure without an API key: it serves with Entra tokens, or disables itself and says what is missing."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest
from django.conf import settings

from catalog.loaders import Source, load_snapshot
from catalog.models import Deployment
from catalog.row_problems import of_entry
from catalog.snapshot import Snapshot
from catalog.sync import sync_catalog
from gateway.config import Config
from providers.auth import entra
from providers.auth.entra_credentials import ABSENT

pytestmark = pytest.mark.django_db

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
SECRET = {"azure_tenant_id": "t", "azure_client_id": "c", "azure_client_secret": "very~secret"}


def config_of(**metadata: str) -> Config:
    row: dict[str, Any] = {"alias": "a", "provider": "azure", "provider_model": "gpt-4.1", "deployment": "d",
                           "endpoint": "https://r.openai.azure.com", "metadata": metadata}  # fmt: skip
    return Config.model_validate({"model_catalog": [row]})


def read(config: Config) -> Snapshot:
    sync_catalog(config, now=NOW)
    return load_snapshot(Source(config, settings.SECRETS.encryption_key), 1, NOW)


@pytest.mark.parametrize("metadata", [SECRET, {"azure_auth": "entra"}])
def test_a_row_with_an_identity_serves(metadata: dict[str, str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entra, "is_installed", lambda: True)
    config = config_of(**metadata)
    snapshot = read(config)
    assert snapshot.problems == ()
    assert snapshot.models["a"].deployments[0].target.metadata == metadata
    assert of_entry(config.model_catalog[0], config.providers) == ""
    assert "very~secret" not in str(Deployment.objects.values())
    if "azure_client_secret" in metadata:
        assert "very~secret" in snapshot.models["a"].deployments[0].target.secrets()


def test_without_the_package_only_this_row_is_disabled(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(entra, "is_installed", lambda: False)
    config = config_of(**SECRET)
    assert [problem.reason for problem in read(config).problems] == [ABSENT]
    assert of_entry(config.model_catalog[0], config.providers) == ABSENT


def test_a_row_with_neither_lacks_a_key() -> None:
    assert [problem.reason for problem in read(config_of()).problems] == ["no API key"]
