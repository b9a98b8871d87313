"""Checks the rules that involve several keys. Pure functions."""

from __future__ import annotations

from collections import Counter
from importlib.util import find_spec
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, urlsplit

from gateway.config.checks import store_urls
from gateway.config.checks.addresses import EXAMPLE, wrong_address
from gateway.config.checks.reachable import hosts_of, is_loopback, published_off_loopback
from gateway.config.checks.weak_secrets import weak_bootstrap_secrets
from gateway.config.errors import ConfigProblem, nearest

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from gateway.config.model import Config

PRODUCTION_PACKAGES = ("psycopg", "redis", "django_redis", "channels_redis", "celery")
STRONG_BYTES = 32
EVERY_ADDRESS = ("0.0.0.0", "::")  # noqa: S104 - for warnings
STRONG_HINT = "`openssl rand -hex 32` makes a strong one"


def missing_packages(names: Iterable[str]) -> list[str]:
    """Return the packages that cannot be imported here."""
    return [name for name in names if find_spec(name) is None]


def weak(secret: str) -> bool:
    """Return whether a secret that was set is too weak: an example, short, or a few characters repeated."""
    return "change-me" in secret.lower() or len(secret.encode()) < STRONG_BYTES or len(set(secret)) < 8  # noqa: PLR2004 - of 32


def problems_of(config: Config) -> list[ConfigProblem]:
    """Return every problem that prevents startup."""
    return [
        *_stores(config),
        *_secrets(config),
        *_listeners(config),
        *_addresses(config),
        *published_off_loopback(config, *hosts_of(config)),
        *_production(config),
        *_sign_in(config),
        *_files(config),
        *_rows(config),
        *_duplicates(config),
    ]


def _redis_in_production(config: Config) -> Iterator[ConfigProblem]:
    """Any client that can write to Redis controls limits and money, and its traffic crosses the network."""
    if not config.redis.url or config.redis.allow_insecure or [*store_urls.of_redis(config.redis.url)]:
        return
    parts = urlsplit(config.redis.url)
    if parts.scheme == "unix":
        return
    if is_loopback(parts.hostname or "localhost"):
        return
    allow = "or redis.allow_insecure: true where no other system is on its network"
    if not parts.password:
        yield ConfigProblem(
            "redis.url", "has no password", f"write it like rediss://:password@host:6379/0, {allow}"
        )
    if parts.scheme != "rediss":
        yield ConfigProblem(
            "redis.url", "is not encrypted", f"write it like rediss://:password@host:6379/0, {allow}"
        )
    elif "none" in parse_qs(parts.query).get("ssl_cert_reqs", []):
        yield ConfigProblem("redis.url", "trusts any certificate", f"leave out ssl_cert_reqs=none, {allow}")


def _stores(config: Config) -> Iterator[ConfigProblem]:
    database, redis = config.database.url, config.redis.url
    if database:
        yield from store_urls.of_database(database)
    if redis:
        yield from store_urls.of_redis(redis)
    if database and not redis:
        yield ConfigProblem(
            "redis.url",
            "is empty while database.url is set",
            "production mode needs both: set ROUTER_REDIS_URL, or neither",
        )
    if redis and not database:
        yield ConfigProblem(
            "database.url",
            "is empty while redis.url is set",
            "production mode needs both: set ROUTER_DB_URL, or neither",
        )
    if database and redis and (missing := missing_packages(PRODUCTION_PACKAGES)):
        yield ConfigProblem(
            "database.url",
            f"needs packages that are not installed: {', '.join(missing)}",
            "`make setup` installs requirements/production.txt",
        )
    if config.server.workers > 1 and not (database or redis):
        yield ConfigProblem(
            "server.workers",
            f"{config.server.workers} workers need shared stores",
            "set ROUTER_DB_URL and ROUTER_REDIS_URL, or workers: 1",
        )
    if config.database.min_conns > config.database.max_conns:
        yield ConfigProblem("database.min_conns", "is more than database.max_conns")


def _listeners(config: Config) -> Iterator[ConfigProblem]:
    calls, admin = config.server.bind, config.server.admin_bind
    if admin is None or not admin[1] or admin[1] != calls[1]:
        return
    where, hint = "server.admin_addr", "name another port, or leave it out"
    if _plain(admin[0]) == _plain(calls[0]):
        yield ConfigProblem(where, "is server.listen_addr too", hint)
    elif {admin[0], calls[0]} & {*EVERY_ADDRESS}:
        what = f"and server.listen_addr want the same port {admin[1]}, one of them on every address"
        yield ConfigProblem(where, what, hint)


def _addresses(config: Config) -> Iterator[ConfigProblem]:
    """Addresses outside the catalog; a wrong address in a row disables only that row."""
    public, providers = config.server.public_url, config.providers
    for where, address, example in (
        ("server.public_url", public, "https://gateway.example.com"),
        ("providers.azure_openai_endpoint", providers.azure_openai_endpoint, "https://name.openai.azure.com"),
        ("providers.openai_compatible.base_url", providers.openai_compatible.base_url, EXAMPLE),
    ):
        if why := wrong_address(address, example):
            yield ConfigProblem(where, why)


def _plain(host: str) -> str:
    return "127.0.0.1" if host.lower() == "localhost" else host


def named_secrets(config: Config) -> list[tuple[str, str]]:
    return [
        ("admin.session.jwt_secret", config.admin.session.jwt_secret),
        ("security.pepper", config.security.pepper),
        ("security.encryption_key", config.security.encryption_key),
    ]


def _secrets(config: Config) -> Iterator[ConfigProblem]:
    hint = "set ROUTER_ADMIN_SESSION_JWT_SECRET, for example to the output of `openssl rand -hex 32`"
    if not config.admin.session.jwt_secret and (config.database.url or config.server.production):
        yield ConfigProblem(
            "admin.session.jwt_secret",
            "is required in production, where every replica must have the same",
            hint,
        )
    if config.server.production:
        for name, value in named_secrets(config):
            if value and weak(value):
                yield ConfigProblem(
                    name,
                    f"is weak: an example, or under {STRONG_BYTES} bytes",
                    STRONG_HINT,
                )


def _production(config: Config) -> Iterator[ConfigProblem]:
    if not config.server.production:
        return
    if config.server.debug:
        yield ConfigProblem("server.debug", "shows secrets to anyone", "turn it off with server.production")
    if not config.database.url and not config.redis.url:
        yield ConfigProblem(
            "server.production", "needs PostgreSQL and Redis", "set ROUTER_DB_URL and ROUTER_REDIS_URL"
        )
    yield from _redis_in_production(config)
    yield from (ConfigProblem(*weak_one) for weak_one in weak_bootstrap_secrets(config))
    for index, row in enumerate(config.model_catalog):
        if row.provider == "simulator":
            yield ConfigProblem(
                f"model_catalog[{index}].provider",
                "the simulator is refused in production",
                f"remove {row.alias}",
            )


def _sign_in(config: Config) -> Iterator[ConfigProblem]:
    admin, smtp = config.admin, config.budgets.alert.smtp
    if not admin.local.enabled and not admin.oidc.enabled:
        yield ConfigProblem(
            "admin.local.enabled", "leaves no way to sign in", "enable admin.local or admin.oidc"
        )
    if admin.oidc.enabled:
        for name in ("issuer", "client_id"):
            if not getattr(admin.oidc, name):
                yield ConfigProblem(
                    f"admin.oidc.{name}",
                    "is required with admin.oidc.enabled",
                    "take admin.oidc out: it has no effect yet",
                )
    if admin.session.access_token_ttl > admin.session.refresh_token_ttl:
        yield ConfigProblem(
            "admin.session.access_token_ttl", "is longer than admin.session.refresh_token_ttl"
        )
    if smtp.host and not smtp.from_:
        yield ConfigProblem(
            "budgets.alert.smtp.from",
            "is required with budgets.alert.smtp.host",
            "write it like gateway@example.com",
        )


def _files(config: Config) -> Iterator[ConfigProblem]:
    if config.files.storage == "s3" and not config.files.s3.bucket:
        yield ConfigProblem("files.s3.bucket", "is required with files.storage: s3")
    for name, section in (("files", config.files), ("batches", config.batches)):
        if section.default_ttl > section.max_ttl:
            yield ConfigProblem(f"{name}.default_ttl", f"is longer than {name}.max_ttl")


def _rows(config: Config) -> Iterator[ConfigProblem]:
    names: set[tuple[str, str]] = set()
    first: dict[str, tuple[str, str]] = {}
    for index, row in enumerate(config.model_catalog):
        if (row.alias, row.deployment) in names:
            yield ConfigProblem(
                f"model_catalog[{index}].deployment",
                f"{row.deployment!r} is already a deployment of {row.alias}",
                "give it a name of its own",
            )
        names.add((row.alias, row.deployment))
        kind, strategy = first.setdefault(row.alias, (row.model_type, row.strategy))
        if row.model_type != kind:
            yield ConfigProblem(
                f"model_catalog[{index}].model_type", f"{row.alias} is {kind} in an earlier row"
            )
        if row.strategy != strategy:
            yield ConfigProblem(
                f"model_catalog[{index}].strategy", f"{row.alias} has {strategy} in an earlier row"
            )


def fallback_problems(config: Config) -> Iterator[ConfigProblem]:
    """Yield the invalid fallbacks. Checks the catalog as it is written, including rows of other machines."""
    types = {row.alias: row.model_type for row in reversed(config.model_catalog)}
    for index, row in enumerate(config.model_catalog):
        for reason, aliases in row.fallbacks.model_dump().items():
            for place, alias in enumerate(aliases):
                where = f"model_catalog[{index}].fallbacks.{reason}[{place}]"
                if alias not in types:
                    hint = nearest(alias, types) or "what an administrator added is named in the back office"
                    yield ConfigProblem(where, f"{alias!r} is no model of this file", hint)
                elif alias == row.alias:
                    yield ConfigProblem(where, f"{alias} would fall back to itself")
                elif types[alias] != types[row.alias]:
                    yield ConfigProblem(
                        where, f"{alias} is {types[alias]}, {row.alias} is {types[row.alias]}"
                    )


def _duplicates(config: Config) -> Iterator[ConfigProblem]:
    start = config.bootstrap
    lists = [
        ("tenants", [tenant.name for tenant in start.tenants]),
        ("admin_users", [user.email for user in start.admin_users]),
        ("api_keys", [key.prefix or f"{key.tenant}/{key.name}" for key in start.api_keys]),
        ("memberships", [f"{member.email} in {member.tenant}" for member in start.memberships]),
        ("tenant_limits", [limits.tenant for limits in start.tenant_limits]),
        (
            "tenant_budgets",
            [
                f"{b.tenant}, {b.refresh_schedule or config.budgets.refresh_schedule}"
                for b in start.tenant_budgets
            ],
        ),
    ]
    for name, values in lists:
        for value, times in Counter(values).items():
            if times > 1:
                yield ConfigProblem(f"bootstrap.{name}", f"{value} is there {times} times")
