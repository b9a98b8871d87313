"""Secrets of the release before are sealed for their origin once, by the migration; nothing else opens them."""

from __future__ import annotations

import importlib
from datetime import UTC, datetime

import pytest
from django.apps import apps
from django.db import connection

from catalog.loaders import Source, load_snapshot
from catalog.models import Credential, Deployment
from catalog.secrets.encryption import decrypt, encrypt, key_id
from catalog.sync import sync_catalog
from gateway.config import Config
from tests.support.clients.forms import KEY, ROW, api_key_of, metadata_of

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
CANARY = "sk-PROVIDER-KEY-CANARY-0123456789"
SECRETS = {"aws_secret_access_key": "buried-treasure", "gcp_project_id": "p1"}


def as_the_release_before_left_it() -> Deployment:
    sync_catalog(
        Config.model_validate(
            {"model_catalog": [{**ROW, "api_key": CANARY, "price_output": 1, "metadata": SECRETS}]}
        ),
        now=NOW,
    )
    Credential.objects.update(name="gpt-4o/east", ciphertext=encrypt(KEY, "gpt-4o/east", CANARY))
    old = {
        "aws_secret_access_key": encrypt(KEY, "aws_secret_access_key", "buried-treasure"),
        "gcp_project_id": "p1",
    }
    Deployment.objects.update(seal_id=None, metadata=old)
    return deployment()


def migrate() -> None:
    migration = importlib.import_module("catalog.migrations.0006_seal_for_origin")
    with connection.schema_editor() as editor:
        migration.seal_for_origin(apps, editor)


def test_what_was_sealed_the_old_way_is_sealed_for_the_origin_it_had_at_the_migration():
    as_the_release_before_left_it()

    migrate()

    row = deployment()
    assert (api_key_of(row), metadata_of(row)) == (CANARY, SECRETS)
    assert keys_in_use() == [CANARY]
    assert row.credential is not None
    assert (Credential.objects.count(), row.credential.hint, row.credential.key_id) == (
        1,
        "6789",
        key_id(KEY),
    )


def test_after_the_migration_an_old_text_opens_nowhere():
    as_the_release_before_left_it()
    migrate()
    Credential.objects.update(name="gpt-4o/east", ciphertext=encrypt(KEY, "gpt-4o/east", CANARY))

    [problem] = keys_in_use()

    assert "type it again" in problem


def test_the_release_before_still_reads_the_key_as_it_did():
    as_the_release_before_left_it()
    migrate()

    stored_row = Credential.objects.get()
    assert decrypt(KEY, stored_row.name, stored_row.ciphertext) == CANARY


def test_deployments_that_shared_a_credential_have_one_each_afterwards():
    row = as_the_release_before_left_it()
    Deployment.objects.create(
        model=row.model, name="west", provider="openai", upstream_model="x", credential=row.credential
    )

    migrate()

    rows = Deployment.objects.select_related("credential")
    assert [api_key_of(each) for each in rows] == [CANARY, CANARY]
    assert Credential.objects.count() == 2


def test_what_cannot_be_read_is_left_alone_by_the_migration():
    as_the_release_before_left_it()
    Credential.objects.update(ciphertext="v1:other:AAAA:AAAA")

    migrate()

    assert keys_in_use() == ["the stored credential cannot be read with this encryption key"]


def deployment() -> Deployment:
    return Deployment.objects.select_related("credential", "model").get()


def keys_in_use() -> list[str]:
    snapshot = load_snapshot(Source(Config(), KEY), 1, NOW)
    sent = [d.target.secret.reveal() for model in snapshot.models.values() for d in model.deployments]
    return sent + [problem.reason for problem in snapshot.problems]
