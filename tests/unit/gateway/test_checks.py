"""`manage.py check` repeats the configuration's warnings with ids and hints."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from gateway.checks import messages_of
from gateway.config import load

if TYPE_CHECKING:
    from pathlib import Path


def test_each_warning_has_an_id_and_a_hint(tmp_path: Path) -> None:
    row = {"alias": "a", "provider": "openai", "provider_model": "m", "price_input": 0, "endpoint": "nowhere"}
    keys = {
        "admin": {"session": {"jwt_secret": "change-me"}},
        "metering": {"allow_volatile": True},
        "database": {"migrations_dir": "./sql"},
        "budgets": {"alert": {"smtp": {"skip_tls_verify": True}}},
        "model_catalog": [row],
    }
    (tmp_path / "router.yaml").write_text(yaml.safe_dump(keys))
    found = messages_of(load({}, tmp_path))
    assert [message.id for message in found] == [f"gateway.W00{number}" for number in range(1, 7)]
    assert all(message.hint for message in found)


def test_a_good_configuration_has_nothing_to_say(tmp_path: Path) -> None:
    assert messages_of(load({}, tmp_path)) == []


def test_a_data_dir_that_cannot_be_written_is_an_error(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("a file")
    assert [message.id for message in messages_of(load({}, tmp_path))] == ["gateway.E001"]
