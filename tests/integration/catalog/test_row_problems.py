"""A row that cannot work has a reason: a row of the file before the first start, and one that a person made."""

from __future__ import annotations

from io import StringIO
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from django.conf import settings as django_settings
from django.core.management import call_command
from django.core.management.base import SystemCheckError

from catalog.models import Deployment, Model
from catalog.services import NewDeployment, upsert_deployment
from catalog.sync import sync_catalog
from gateway.checks import messages_of
from gateway.config import load
from gateway.management.environment import messages_around
from tenants.audit import Actor

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True)

GOOD = {"alias": "good", "provider": "openai", "provider_model": "gpt-4o", "api_key": "sk-1"}
WRONG = [
    ({"api_key": ""}, "no API key", "api_key"),
    (
        {"provider": "anthropic", "model_type": "embedding", "price_input": 1},
        "provider 'anthropic' has no models of the type 'embedding'",
        "correct the row",
    ),
    (
        {"provider": "bedrock", "price_input": 1, "price_output": 1},
        "no region",
        "region",
    ),
    (
        {"provider": "vertex", "api_key": "", "price_input": 1, "price_output": 1},
        "no project",
        "gcp_project_id",
    ),
    (
        {"provider": "huggingface", "api_key": "", "free": True},
        "no API key",
        "api_key",
    ),
    ({"provider": "azure", "api_key": "k"}, "no endpoint", "endpoint"),
    ({"provider": "openai-compatible", "free": True}, "no endpoint", "endpoint"),
    ({"provider_model": "mine", "endpoint": "http://x/v1"}, "no price", "price_input"),
    (
        {"provider_model": "mine", "price_input": 1, "endpoint": "http://x/v1"},
        "an incomplete price: price_output",
        "state both",
    ),
    (
        {"model_type": "image", "pricing": {"image": 1}},
        "there is no endpoint for models of the type 'image'",
        "until there is one",
    ),
    (
        {"model_type": "audio", "pricing": {"second": 1}},
        "there is no endpoint for models of the type 'audio'",
        "until there is one",
    ),
]


def configured(tmp_path: Path, *rows: dict[str, Any]) -> Any:
    (tmp_path / "router.yaml").write_text(yaml.safe_dump({"model_catalog": [*rows]}))
    return load({}, tmp_path)


@pytest.mark.parametrize(("wrong", "why", "remedy"), WRONG)
def test_check_says_before_the_first_start_why_a_row_cannot_serve(
    tmp_path: Path, wrong: dict[str, Any], why: str, remedy: str
) -> None:
    config = configured(tmp_path, GOOD, {**GOOD, "alias": "bad", **wrong})
    [told] = [each for each in messages_of(config) if each.id in {"gateway.W026", "gateway.W021"}]
    assert str(told.msg).startswith("bad/bad-1 cannot serve: ")
    assert why in str(told.msg)
    assert remedy in str(told.hint)


def test_disabled_or_valid_row_has_no_problem(tmp_path: Path) -> None:
    config = configured(tmp_path, GOOD, {**GOOD, "alias": "off", "api_key": "", "enabled": False})
    assert messages_of(config) == []


@pytest.fixture
def place(tmp_path: Path, settings: Any) -> Any:
    """A data_dir with a database in it, and a file with one row that is good and one that is not."""
    config = configured(tmp_path, GOOD, {**GOOD, "alias": "of-the-file", "api_key": ""})
    config.data_dir.mkdir(exist_ok=True)
    (config.data_dir / "gateway.sqlite3").touch()  # the tests' own database is elsewhere
    settings.GATEWAY = config.model_copy(
        update={"metering": config.metering.model_copy(update={"allow_volatile": True})}
    )
    sync_catalog(config)
    return settings.GATEWAY


def made(**columns: Any) -> None:
    new = {"alias": "typed", "name": "typed-1", "provider": "openai", "upstream_model": "gpt-4o"}
    upsert_deployment(
        NewDeployment(**{**new, **columns}),
        key=django_settings.SECRETS.encryption_key,
        actor=Actor("root@example.com"),
    )


def told(config: Any) -> list[str]:
    return [str(each.msg) for each in messages_around(config) if each.id == "gateway.W030"]


@pytest.mark.parametrize(
    ("columns", "why"),
    [
        ({}, "no API key"),
        ({"provider": "bedrock"}, "no region"),
        ({"upstream_model": "mine", "endpoint": "https://x.example/v1", "api_key": "k"}, "no price"),
        ({"provider": "azure", "api_key": "k"}, "no endpoint"),
    ],
)
def test_check_says_why_a_row_of_the_back_office_cannot_serve(place: Any, columns: Any, why: str) -> None:
    made(**columns)
    (line,) = told(place)
    assert line.startswith("typed/typed-1 cannot serve: ")
    assert why in line


def test_a_key_pasted_with_a_line_end_is_stored_without_it(place: Any, settings: Any) -> None:
    made(api_key="\ufeffsk-1234567890abc\r\n")
    assert Deployment.objects.get(name="typed-1").credential.hint == "0abc"  # type: ignore[union-attr]


def test_a_model_without_a_deployment_is_named(place: Any) -> None:
    Model.objects.create(alias="empty")
    assert told(place) == ["empty cannot serve: it has no deployment"]


def test_check_ends_with_1_where_a_start_would_be_refused_and_says_what_is_missing(
    place: Any, settings: Any, monkeypatch: Any
) -> None:
    settings.GATEWAY = place.model_copy(
        update={
            "metering": place.metering.model_copy(update={"allow_volatile": False}),
            "data_dir": type(place.data_dir)("/dev/shm/nowhere"),  # noqa: S108 - every Linux has it
        }
    )
    err = StringIO()
    with pytest.raises(SystemCheckError) as refused:
        call_command("check", stderr=err)
    assert "(gateway.E002)" in str(refused.value)
    assert "is on tmpfs" in str(refused.value)
    settings.GATEWAY = place
    found = messages_around(place)
    assert "gateway.W031" not in {each.id for each in found}
    steps = sorted(str(each) for each in found if each.id == "gateway.W032")  # as Django prints them
    assert ["create_tenant" in step for step in steps][-2:] == [True, False]
    assert "create_key" in steps[-1]
