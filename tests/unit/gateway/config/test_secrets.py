"""All secrets come from one, and processes that start together agree on it."""

from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING

import pytest

from gateway.config import ConfigError, load
from gateway.config.secrets import load_secrets

if TYPE_CHECKING:
    from pathlib import Path


def test_every_purpose_has_its_own_secret(tmp_path: Path) -> None:
    secrets = load_secrets(load({"ROUTER_ADMIN_SESSION_JWT_SECRET": "x" * 40}, tmp_path))
    derived = {
        secrets.pepper,
        secrets.encryption_key,
        secrets.jwt_key,
        secrets.message_key,
        bytes.fromhex(secrets.django_secret),
    }
    assert len(derived) == 5
    assert all(len(secret) == 32 for secret in derived)
    assert not (tmp_path / "data").exists()


def test_replicas_with_one_configuration_agree(tmp_path: Path) -> None:
    environ = {"ROUTER_ADMIN_SESSION_JWT_SECRET": "x" * 40}
    assert load_secrets(load(environ, tmp_path / "a")) == load_secrets(load(environ, tmp_path / "b"))


def test_keys_survive_a_new_jwt_secret_when_they_have_their_own(tmp_path: Path) -> None:
    own = {"ROUTER_SECURITY_PEPPER": "p" * 40, "ROUTER_SECURITY_ENCRYPTION_KEY": "e" * 40}
    before = load_secrets(load({**own, "ROUTER_ADMIN_SESSION_JWT_SECRET": "x" * 40}, tmp_path))
    after = load_secrets(load({**own, "ROUTER_ADMIN_SESSION_JWT_SECRET": "y" * 40}, tmp_path))
    assert (before.pepper, before.encryption_key) == (after.pepper, after.encryption_key)
    assert before.jwt_key != after.jwt_key


def test_without_a_secret_one_is_made_and_kept_private(tmp_path: Path) -> None:
    config = load({}, tmp_path)
    first = load_secrets(config)
    assert stat.S_IMODE((config.data_dir / "secret").stat().st_mode) == 0o600
    assert load_secrets(config) == first
    assert [path.name for path in config.data_dir.iterdir()] == ["secret"]


def test_processes_that_start_together_agree_on_one_secret(tmp_path: Path) -> None:
    config = load({}, tmp_path)
    with ThreadPoolExecutor(16) as pool:
        found = list(pool.map(lambda _: load_secrets(config), range(64)))
    assert len({secrets.pepper for secrets in found}) == 1
    assert [path.name for path in config.data_dir.iterdir()] == ["secret"]


def test_a_damaged_secret_is_refused_instead_of_used(tmp_path: Path) -> None:
    config = load({}, tmp_path)
    config.data_dir.mkdir()
    (config.data_dir / "secret").write_text("abc")
    with pytest.raises(ConfigError, match="is damaged"):
        load_secrets(config)


def test_a_data_dir_that_is_no_directory_is_explained(tmp_path: Path) -> None:
    (tmp_path / "data").write_text("")
    with pytest.raises(ConfigError, match=r"^data_dir: .*the gateway must be able to write there"):
        load_secrets(load({}, tmp_path))


def test_secrets_never_print_themselves(tmp_path: Path) -> None:
    assert repr(load_secrets(load({}, tmp_path))) == "Secrets(***)"
