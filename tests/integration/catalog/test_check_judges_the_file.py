"""`manage.py check` judges rows of the file as the file is now, also before a start has read it."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from catalog.health.probes import probe_all
from catalog.models import Deployment
from catalog.sync import sync_catalog
from gateway.config import load
from gateway.management.environment import messages_around
from tenants.config_version import config_version

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

pytestmark = pytest.mark.django_db(transaction=True, databases="__all__")

ROW = {"alias": "a", "provider": "openai-compatible", "provider_model": "up", "api_key": "k", "free": True}


@pytest.fixture
def written(tmp_path: Path, settings: Any) -> Callable[..., Any]:
    """Return a function that writes the file with these rows and loads it."""

    def write(*rows: dict[str, Any]) -> Any:
        (tmp_path / "router.yaml").write_text(yaml.safe_dump({"model_catalog": [*rows]}))
        config = load({}, tmp_path)
        volatile = config.metering.model_copy(update={"allow_volatile": True})
        settings.GATEWAY = config.model_copy(update={"metering": volatile})
        return settings.GATEWAY

    return write


def started(config: Any) -> None:
    """Do what a start does to the catalog; the tests' own database is elsewhere."""
    config.data_dir.mkdir(exist_ok=True)
    (config.data_dir / "gateway.sqlite3").touch()
    sync_catalog(config)


def told(config: Any) -> dict[str, str]:
    """Return the messages about models, by id."""
    of_models = ("W030", "W031", "W033", "I035", "I036")
    found = [(str(each.id).removeprefix("gateway."), each) for each in messages_around(config)]
    return {number: f"{each.msg} HINT {each.hint}" for number, each in found if number in of_models}


def test_a_correction_of_the_file_is_judged_before_the_restart_and_changes_nothing(
    written: Any, closed_port: int
) -> None:
    wrong, right = (f"http://127.0.0.1:{closed_port}/{path}" for path in ("wrong", "right"))
    config = written({**ROW, "endpoint": wrong})
    started(config)
    probe_all(datetime.now(UTC))
    assert f"{wrong} failed its probe" in told(config)["W033"]
    version = config_version()

    config = written({**ROW, "endpoint": right})
    said = told(config)
    assert said.keys() == {"I035"}
    assert "takes effect with the next start" in said["I035"]
    assert (Deployment.objects.get().endpoint, config_version()) == (wrong, version)
    sync_catalog(config)
    assert told(config) == {}


def test_that_no_model_can_answer_is_said_of_the_file_and_with_its_reason(written: Any) -> None:
    good, bad = {**ROW, "endpoint": "http://127.0.0.1:9/v1"}, {**ROW, "endpoint": ""}
    started(written(bad))
    assert "named above" in told(written(bad))["W031"]
    assert "W031" not in told(written(good))
    off = written({**good, "enabled": False})
    assert "switched off" in told(off)["W031"]
    sync_catalog(off)
    assert "switched off" in told(off)["W031"]
    assert "W031" not in told(written(good))


def test_before_the_first_start_the_file_is_judged_and_what_was_not_tried_is_said(written: Any) -> None:
    good, bad = {**ROW, "endpoint": "http://127.0.0.1:9/v1"}, {**ROW, "endpoint": ""}
    assert "first start tries them" in told(written(good))["I036"]
    assert told(written(good)).keys() == told(written(good, {**bad, "alias": "b"})).keys() == {"I036"}
    assert "named above" in told(written(bad))["W031"]
    assert "switched off" in told(written({**good, "enabled": False}))["W031"]
    assert told(written()) == {}
