"""Everything wrong is one line with the key's path, what is wrong and how to write it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import pytest
import yaml

from gateway.config import ConfigError, load
from gateway.config.validation import PRODUCTION_PACKAGES, missing_packages

if TYPE_CHECKING:
    from pathlib import Path

STRONG = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"
STORES = {"ROUTER_DB_URL": "postgres://h/d", "ROUTER_REDIS_URL": "redis://h"}
DURATIONS = "write it like 250ms, 30s, 90m, 1h30m, 7d, or a plain number of seconds"
REFERENCES = "write ${NAME} or ${NAME:-default}, and $${ for a plain ${"
NETWORKS = "write it like 10.0.0.0/8, 192.0.2.7 or fd00::/8"
LIMITS = "write a positive whole number, 0 to inherit, or the word unlimited"
DURABILITIES = "did you mean \"power\"? one of 'power' or 'process'"
MAIL = "write it like gateway@example.com"
BOTH = "write both, or neither to have them generated"
STORES_HINT = "set ROUTER_DB_URL and ROUTER_REDIS_URL, or workers: 1"
ROW = {"alias": "a", "provider": "openai", "provider_model": "m"}


def lines(tmp_path: Path, keys: Any = None, **environ: str) -> list[str]:
    """Return the messages for a file that must be refused."""
    (tmp_path / "router.yaml").write_text(keys if isinstance(keys, str) else yaml.safe_dump(keys or {}))
    with pytest.raises(ConfigError) as refused:
        load(environ, tmp_path)
    return str(refused.value).splitlines()


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"server": {"worker": 1}}, 'server.worker: unknown key (did you mean "workers"?)'),
        ({"sever": {}}, 'sever: unknown key (did you mean "server"?)'),
        ({"server": {"listen": "x"}}, 'server.listen: unknown key (did you mean "listen_addr"?)'),
        ({"warnings": ["x"]}, "warnings: unknown key"),
        ({"server": 5}, "server: should be a mapping of keys"),
        ({"model_catalog": {"a": 1}}, "model_catalog: should be a list"),
        ({"server": {"listen_addr": 8080}}, "server.listen_addr: should be text (put the value in quotes)"),
        (
            {"server": {"sync_timeout": "0s"}},
            f"server.sync_timeout: must be longer than 0 ({DURATIONS})",
        ),
        (
            {"server": {"graceful_shutdown_delay": "soon"}},
            f"server.graceful_shutdown_delay: 'soon' is not a duration ({DURATIONS})",
        ),
        (
            {"reporting": {"timezone": "Mars/Base"}},
            "reporting.timezone: 'Mars/Base' is not a time zone (an IANA name such as UTC or Europe/Berlin)",
        ),
        (
            {"budgets": {"default_usd": "0.0000000001"}},
            "budgets.default_usd: 1E-10 USD is finer than one nano-USD (at most nine decimals)",
        ),
        (
            {"metering": {"durability": "powr"}},
            f"metering.durability: 'powr' is not known here ({DURABILITIES})",
        ),
        (
            {"admin": {"session": {"jwt_secret": "${NOPE}"}}},
            "admin.session.jwt_secret: ${NOPE} is not set (set NOPE, or write ${NOPE:-default})",
        ),
        (
            {"server": {"public_url": "${not a name}"}},
            f"server.public_url: has a ${{ that names no variable ({REFERENCES})",
        ),
        (
            {"admin": {"local": {"enabled": False}}},
            "admin.local.enabled: leaves no way to sign in (enable admin.local or admin.oidc)",
        ),
        ({"files": {"storage": "s3"}}, "files.s3.bucket: is required with files.storage: s3"),
        ({"batches": {"default_ttl": "90d"}}, "batches.default_ttl: is longer than batches.max_ttl"),
        (
            {"budgets": {"alert": {"smtp": {"host": "mail"}}}},
            f"budgets.alert.smtp.from: is required with budgets.alert.smtp.host ({MAIL})",
        ),
        (
            {"server": {"trusted_proxies": ["10.0.0.300"]}},
            f"server.trusted_proxies[0]: '10.0.0.300' is not an address or network ({NETWORKS})",
        ),
        (
            {"model_catalog": [{**ROW, "timeouts": {"conect": 1}}]},
            'model_catalog[0].timeouts.conect: unknown key (did you mean "connect"?)',
        ),
        (
            {"model_catalog": [{**ROW, "price_input": -1}]},
            "model_catalog[0].price_input: should be greater than or equal to 0 (it says '-1')",
        ),
        (
            {"model_catalog": [{**ROW, "currency": "EUR"}]},
            "model_catalog[0].currency: 'EUR' is not known here (one of 'USD')",
        ),
        ({"model_catalog": [{**ROW, "problem": "x"}]}, "model_catalog[0].problem: unknown key"),
        (
            {"model_catalog": [{"alias": "a", "provider": "openai"}]},
            "model_catalog[0].provider_model: is required",
        ),
        (
            {"model_catalog": [{**ROW, "deployment": "d"}, {**ROW, "deployment": "d"}]},
            "model_catalog[1].deployment: 'd' is already a deployment of a (give it a name of its own)",
        ),
        (
            {"model_catalog": [ROW, {**ROW, "model_type": "image"}]},
            "model_catalog[1].model_type: a is llm in an earlier row",
        ),
        (
            {"model_catalog": [{**ROW, "strategy": "cost"}, {**ROW, "strategy": "latency"}]},
            "model_catalog[1].strategy: a has cost in an earlier row",
        ),
        (
            {"model_catalog": [{**ROW, "fallbacks": {"context_window": ["lnog"]}}, {**ROW, "alias": "long"}]},
            (
                "model_catalog[0].fallbacks.context_window[0]: 'lnog' is no model of this file "
                '(did you mean "long"?)'
            ),
        ),
        (
            {"model_catalog": [{**ROW, "fallbacks": ["xyz"]}]},
            (
                "model_catalog[0].fallbacks.unavailable[0]: 'xyz' is no model of this file "
                "(what an administrator added is named in the back office)"
            ),
        ),
        (
            {"model_catalog": [{**ROW, "fallbacks": ["a"]}]},
            "model_catalog[0].fallbacks.unavailable[0]: a would fall back to itself",
        ),
        (
            {
                "model_catalog": [
                    {**ROW, "fallbacks": ["e"]},
                    {**ROW, "alias": "e", "model_type": "embedding"},
                ]
            },
            "model_catalog[0].fallbacks.unavailable[0]: e is embedding, a is llm",
        ),
        ({"bootstrap": {"tenants": [{"name": "x"}, {"name": "x"}]}}, "bootstrap.tenants: x is there 2 times"),
        (
            {"bootstrap": {"api_keys": [{"tenant": "t", "secret": "s", "name": "n"}]}},
            f"bootstrap.api_keys[0]: has a secret but no prefix ({BOTH})",
        ),
        (
            {
                "bootstrap": {
                    "api_keys": [{"tenant": "t", "prefix": "p", "rate_limit": {"parallel_requests": -4}}]
                }
            },
            f"bootstrap.api_keys[0].rate_limit.parallel_requests: -4 is not a limit ({LIMITS})",
        ),
    ],
)
def test_each_problem_is_one_line_with_its_path_and_a_hint(
    tmp_path: Path, keys: dict[str, Any], said: str
) -> None:
    assert lines(tmp_path, keys) == [said]


def test_all_problems_are_reported_at_once(tmp_path: Path) -> None:
    keys = {
        "server": {"worker": 1},
        "budgets": {"default_usd": -1},
        "admin": {"session": {"jwt_secret": "${NO}"}},
    }
    said = lines(tmp_path, keys, ROUTER_NOPE="1")
    assert [line.split(":")[0] for line in said] == [
        "ROUTER_NOPE",
        "admin.session.jwt_secret",
        "server.worker",
        "budgets.default_usd",
    ]


def test_an_unknown_variable_is_refused_with_the_nearest_one(tmp_path: Path) -> None:
    assert lines(tmp_path, ROUTER_SERVER_WORKER="2") == [
        'ROUTER_SERVER_WORKER: is not a setting of the gateway (did you mean "ROUTER_SERVER_WORKERS"?)'
    ]


def test_a_wrong_variable_is_named_beside_its_key(tmp_path: Path) -> None:
    assert lines(tmp_path, ROUTER_SERVER_WORKERS="many")[0].startswith(
        "server.workers (ROUTER_SERVER_WORKERS): "
    )


def test_two_spellings_that_disagree_are_refused(tmp_path: Path) -> None:
    said = lines(tmp_path, ROUTER_DB_URL="postgres://a", ROUTER_DATABASE_URL="postgres://b")
    assert said[0] == "ROUTER_DATABASE_URL: and ROUTER_DB_URL disagree (set only one of them)"


def test_broken_json_in_a_variable_is_refused(tmp_path: Path) -> None:
    assert lines(tmp_path, ROUTER_BOOTSTRAP_TENANTS="[{")[0].startswith(
        "ROUTER_BOOTSTRAP_TENANTS: is not JSON: "
    )


def test_a_secret_is_never_repeated_in_a_message(tmp_path: Path) -> None:
    keys = {"bootstrap": {"api_keys": [{"tenant": "t", "prefix": "p", "secret": "do not print me"}]}}
    assert "do not print me" not in "".join(lines(tmp_path, keys))


def test_a_named_file_must_exist(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"^ROUTER_CONFIG_FILE: there is no file gone\.yaml \(looked for /"):
        load({"ROUTER_CONFIG_FILE": "gone.yaml"}, tmp_path)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("a: [1", "line 1, column 6: expected ',' or ']', but got '<stream end>'"),
        ("server:\n\tworkers: 1", "line 2, column 1: found character '\\t' that cannot start any token"),
        ("server:\n  workers: 1\n  workers: 2\n", "line 3, column 3: the key 'workers' is there twice"),
        ("a: [", "/router.yaml, line 1, "),
        ("\t- x", "/router.yaml, line 1, "),
        ("- a list", "/router.yaml: should be a mapping of keys"),
        ("just words", "/router.yaml: should be a mapping of keys"),
        ("server: &x\n  public_url: *x\n", "server.public_url"),
        ("? [1]\n: 2\n", "line 1, column 3"),
        ("\x00", "cannot be read"),
    ],
)
def test_what_is_not_a_yaml_mapping_is_refused_with_its_place(tmp_path: Path, text: str, said: str) -> None:
    (line,) = lines(tmp_path, text)
    assert said in line


def test_one_store_without_the_other_is_refused(tmp_path: Path) -> None:
    secret = {"ROUTER_ADMIN_SESSION_JWT_SECRET": STRONG}
    assert lines(tmp_path, ROUTER_DB_URL="postgres://h/d", **secret)[0].startswith(
        "redis.url: is empty while database.url"
    )
    assert lines(tmp_path, ROUTER_REDIS_URL="redis://h", **secret)[0].startswith(
        "database.url: is empty while redis.url"
    )


@pytest.mark.parametrize(
    ("name", "value"), [("ROUTER_DB_URL", "mysql://h/d"), ("ROUTER_REDIS_URL", "h:6379")]
)
def test_an_address_of_another_store_is_refused(tmp_path: Path, name: str, value: str) -> None:
    said = lines(tmp_path, **{**STORES, "ROUTER_ADMIN_SESSION_JWT_SECRET": STRONG, name: value})
    assert len(said) == 1
    assert "is not a " in said[0]


def test_several_workers_need_shared_stores(tmp_path: Path) -> None:
    said = lines(tmp_path, ROUTER_SERVER_WORKERS="2")
    assert said == [f"server.workers (ROUTER_SERVER_WORKERS): 2 workers need shared stores ({STORES_HINT})"]


def test_production_demands_stores_and_secrets_and_refuses_toys(tmp_path: Path) -> None:
    keys = {
        "server": {"production": True, "debug": True},
        "model_catalog": [{"alias": "a", "provider": "simulator", "provider_model": "a"}],
    }
    where = [line.split(":")[0] for line in lines(tmp_path, keys)]
    assert where == [
        "admin.session.jwt_secret",
        "server.debug",
        "server.production",
        "model_catalog[0].provider",
    ]


@pytest.mark.parametrize(
    "secret", ["change-me", "short", "a" * 64, "change-me-change-me-change-me-change-me"]
)
def test_a_weak_secret_warns_and_is_refused_in_production(tmp_path: Path, secret: str) -> None:
    (warning,) = load({"ROUTER_ADMIN_SESSION_JWT_SECRET": secret}, tmp_path).warnings
    assert warning.startswith("admin.session.jwt_secret is weak")
    environ = {**STORES, "ROUTER_SERVER_PRODUCTION": "true", "ROUTER_ADMIN_SESSION_JWT_SECRET": secret}
    assert "is weak" in lines(tmp_path, **environ)[0]


def test_production_starts_with_stores_and_a_strong_secret(tmp_path: Path) -> None:
    environ = {
        **STORES,
        "ROUTER_REDIS_URL": "redis://127.0.0.1",
        "ROUTER_SERVER_PRODUCTION": "true",
        "ROUTER_ADMIN_SESSION_JWT_SECRET": STRONG,
    }
    config = load(environ, tmp_path)
    assert config.server.production
    assert config.warnings == ()


def test_packages_of_production_mode_that_are_not_installed_are_named():
    assert (
        missing_packages(PRODUCTION_PACKAGES) == []
    )  # as `make setup` leaves it; tests/support/servers/installs.py tries the rest
    assert missing_packages(["json", "no_such_package"]) == ["no_such_package"]
