"""Where keys come from, and which of two wins."""

from __future__ import annotations

import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
import yaml

from gateway.config import Config, ConfigError, load
from gateway.config.sources import variables_of

EVERY_ADDRESS = "0.0.0.0"  # noqa: S104 - what `:9000` means
ROOT = Path(__file__).resolve().parents[4]


@pytest.fixture
def write(tmp_path: Path) -> Any:
    def write_file(keys: dict[str, Any] | str, name: str = "router.yaml") -> Path:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(keys if isinstance(keys, str) else yaml.safe_dump(keys))
        return path

    return write_file


def test_no_file_at_all_is_embedded_with_defaults(tmp_path: Path) -> None:
    config = load({}, tmp_path)
    assert config.embedded
    assert config.file is None
    assert config.data_dir == tmp_path / "data"
    assert config.server.bind == ("127.0.0.1", 8080)
    assert config.server.body_limit_bytes == 20 * 1024 * 1024
    assert (config.budgets.default_nanousd, config.budgets.warning_threshold_perc) == (100 * 10**9, 0.8)
    assert config.rate_limits.default_parallel_requests_key == 10
    assert config.budgets.alert.enabled
    assert config.warnings == ()


@pytest.mark.parametrize("name", ["router.yaml", "router.yml", "config/router.yaml"])
def test_loader_finds_a_file_in_its_usual_places(tmp_path: Path, write: Any, name: str) -> None:
    path = write({"server": {"body_limit_mb": 7}}, name)
    config = load({}, tmp_path)
    assert (config.file, config.server.body_limit_mb) == (path, 7)


def test_a_named_file_is_read_instead_of_the_usual_one(tmp_path: Path, write: Any) -> None:
    write({"server": {"body_limit_mb": 7}})
    write({"server": {"body_limit_mb": 8}}, "other.yaml")
    assert load({"ROUTER_CONFIG_FILE": "other.yaml"}, tmp_path).server.body_limit_mb == 8


def test_the_environment_wins_over_dotenv_and_both_over_the_file(tmp_path: Path, write: Any) -> None:
    write({"server": {"body_limit_mb": 1, "sync_timeout": "1s", "provider_timeout": "1s"}})
    (tmp_path / ".env").write_text("ROUTER_SERVER_BODY_LIMIT_MB=2\nROUTER_SERVER_SYNC_TIMEOUT=2s\n")
    server = load({"ROUTER_SERVER_BODY_LIMIT_MB": "3"}, tmp_path).server
    assert (server.body_limit_mb, server.sync_timeout, server.provider_timeout) == (3, 2.0, 1.0)


def test_a_deep_key_is_found_by_its_variable(tmp_path: Path) -> None:
    config = load(
        {"ROUTER_ADMIN_SESSION_JWT_SECRET": "s" * 40, "ROUTER_BUDGETS_ALERT_SMTP_FROM": "a@b.c"}, tmp_path
    )
    assert config.admin.session.jwt_secret == "s" * 40
    assert config.budgets.alert.smtp.from_ == "a@b.c"


def test_every_leaf_has_a_variable_of_its_own() -> None:
    times = Counter(variable for variable, _, _ in variables_of(Config))
    assert len(times) > 120
    assert [variable for variable, count in times.items() if count > 1] == []


def test_lists_are_written_with_commas_or_as_json(tmp_path: Path) -> None:
    environ = {
        "ROUTER_SERVER_TRUSTED_PROXIES": "10.0.0.0/8, 192.0.2.7",
        "ROUTER_BUDGETS_ALERT_EMAILS": '["a@b.c"]',
        "ROUTER_BOOTSTRAP_TENANTS": '[{"name": "demo"}]',
    }
    config = load(environ, tmp_path)
    assert config.server.trusted_proxies == ("10.0.0.0/8", "192.0.2.7/32")
    assert config.budgets.alert.emails == ("a@b.c",)
    assert config.bootstrap.tenants[0].name == "demo"


@pytest.mark.parametrize("name", ["ROUTER_DB_URL", "ROUTER_DATABASE_URL"])
def test_both_spellings_of_the_database_work(tmp_path: Path, name: str) -> None:
    environ = {
        name: "postgres://h/d",
        "ROUTER_REDIS_URL": "redis://h",
        "ROUTER_ADMIN_SESSION_JWT_SECRET": "x",
    }
    config = load(environ, tmp_path)
    assert not config.embedded
    assert config.database.url == "postgres://h/d"


def test_an_empty_variable_counts_as_not_set(tmp_path: Path) -> None:
    assert load({"ROUTER_DB_URL": "", "ROUTER_SERVER_WORKERS": ""}, tmp_path).embedded


def test_kubernetes_service_links_are_not_taken_for_settings(tmp_path: Path) -> None:
    environ = {
        "ROUTER_SERVICE_HOST": "10.0.0.1",
        "ROUTER_PORT": "tcp://10.0.0.1:80",
        "ROUTER_REDIS_PORT_6379_TCP_ADDR": "10.0.0.2",
    }
    assert load(environ, tmp_path).embedded


def test_names_in_the_file_are_replaced_by_variables(tmp_path: Path, write: Any) -> None:
    write(
        {
            "admin": {"session": {"jwt_secret": "${SECRET}"}},
            "server": {"body_limit_mb": "${LIMIT:-9}", "public_url": "https://${HOST}/$${x}"},
        }
    )
    config = load({"SECRET": "s3cret", "HOST": "example.com"}, tmp_path)
    assert config.admin.session.jwt_secret == "s3cret"
    assert config.server.body_limit_mb == 9
    assert config.server.public_url == "https://example.com/${x}"


def test_a_variable_that_is_overridden_need_not_be_set(tmp_path: Path, write: Any) -> None:
    write({"admin": {"session": {"jwt_secret": "${SECRET}"}}})
    assert load({"ROUTER_ADMIN_SESSION_JWT_SECRET": "z" * 40}, tmp_path).admin.session.jwt_secret == "z" * 40


def test_an_empty_section_and_a_null_key_take_their_defaults(tmp_path: Path, write: Any) -> None:
    write("bootstrap:\nmodel_catalog:\nserver:\n  listen_addr:\n")
    config = load({}, tmp_path)
    assert config.bootstrap.tenants == ()
    assert config.server.listen_addr == "127.0.0.1:8080"


def test_secrets_are_not_in_the_text_of_a_configuration(tmp_path: Path) -> None:
    assert "hidden-secret" not in repr(load({"ROUTER_ADMIN_SESSION_JWT_SECRET": "hidden-secret"}, tmp_path))


@pytest.mark.parametrize(
    ("addr", "bind"),
    [(":9000", (EVERY_ADDRESS, 9000)), ("[::1]:80", ("::1", 80)), ("gateway:0", ("gateway", 0))],
)
def test_gateway_listens_on_the_configured_address(tmp_path: Path, addr: str, bind: tuple[str, int]) -> None:
    assert load({"ROUTER_SERVER_LISTEN_ADDR": addr}, tmp_path).server.bind == bind


def test_the_demo_configuration_loads_without_a_provider_account() -> None:
    config = load({"ROUTER_CONFIG_FILE": "deploy/demo.yaml"}, ROOT)
    apis = {"demo-claude", "demo-bedrock", "demo-gemini", "demo-responses"}
    assert {row.alias for row in config.model_catalog} == {"demo-chat", "demo-embed"} | apis
    assert {row.provider for row in config.model_catalog} == {"simulator"}


def test_the_demo_configuration_has_the_real_models_where_their_key_is_set() -> None:
    config = load({"ROUTER_CONFIG_FILE": "deploy/demo.yaml", "OPENAI_API_KEY": "sk-x"}, ROOT)
    rows = {row.alias: row.api_key for row in config.model_catalog}
    assert rows["gpt-4o-mini"] == rows["text-embedding-3-small"] == "sk-x"


def test_a_wrong_configuration_ends_a_command_with_words_and_exit_code_2(tmp_path: Path, write: Any) -> None:
    path = write({"server": {"worker": 2}})
    environ = {"ROUTER_CONFIG_FILE": str(path), "ROUTER_DATA_DIR": str(tmp_path)}
    done = subprocess.run(
        [sys.executable, "manage.py", "check"],
        cwd=ROOT,
        env=environ,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert done.stderr == 'server.worker: unknown key (did you mean "workers"?)\n'


def test_a_repeated_load_gives_the_same_configuration(tmp_path: Path) -> None:
    assert load({}, tmp_path) == load({}, tmp_path)


def test_an_error_of_the_file_names_its_line(tmp_path: Path, write: Any) -> None:
    write("server:\n  workers: 1\n  workers: [\n")
    with pytest.raises(ConfigError, match=r"router\.yaml, line 4, column 1: "):
        load({}, tmp_path)
