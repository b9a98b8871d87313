"""Warnings about settings that are inadvisable or have no effect, for `serve` and `manage.py check`. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from typing_extensions import override

from gateway.config.checks.reachable import is_loopback
from gateway.config.checks.weak_secrets import weak_bootstrap_secrets
from gateway.config.validation import EVERY_ADDRESS, STRONG_BYTES, STRONG_HINT, named_secrets, weak

if TYPE_CHECKING:
    from collections.abc import Iterator

    from gateway.config.model import Config

LONGEST_COOLDOWN_S = 120.0  # that a circuit breaker keeps (providers/resilience/circuit_breaker.py)
BUILT_SCOPES = frozenset({"chat", "embeddings"})


@dataclass(frozen=True)
class Note:
    """An accepted but inadvisable setting; `id` is that of `manage.py check`."""

    id: str
    what: str
    hint: str

    @override
    def __str__(self) -> str:
        return f"{self.what} ({self.hint})"


def notes_of(config: Config) -> Iterator[Note]:
    """Yield settings that work but are inadvisable."""
    for name, value in named_secrets(config):
        if value and weak(value):
            yield Note("W001", f"{name} is weak: an example, or under {STRONG_BYTES} bytes", STRONG_HINT)
    for where, what, hint in weak_bootstrap_secrets(config):
        yield Note("W011", f"{where} {what}{_reach(config)}", hint)
    if config.metering.allow_volatile:
        yield Note(
            "W002", "metering.allow_volatile is on", "a restart of the machine may lose finished calls"
        )
    for row in config.model_catalog:
        name = f"{row.alias}/{row.deployment}"
        if row.problem:
            yield Note("W003", f"{name} is disabled", row.problem)
        if row.states_only_zero_prices:
            yield Note("W004", f"{name} has only prices of 0", "say free: true if it costs nothing")
    yield from _without_full_effect(config)
    yield from _open_addresses(config)
    if config.database.migrations_dir != "./migrations":
        yield Note("W005", "database.migrations_dir has no effect", "migrations ship with the program")


def _without_full_effect(config: Config) -> Iterator[Note]:
    """Yield keys that do less than their text says: white space removed, not built, over the maximum."""
    for where, what in config.tidied:
        yield Note(
            "W013", f"{where} has {what} around it, which was left out", "take it off where it is kept"
        )
    for paths, instead in config.idle:
        verb = "have" if ", " in paths else "has"
        yield Note("W014", f"{paths} {verb} no effect yet", f"{instead}; leave it out until it is built")
    if config.health.cooldown > LONGEST_COOLDOWN_S:
        yield Note("W015", "health.cooldown is more than 2m", "2m counts")
    for index, key in enumerate(config.bootstrap.api_keys):
        if idle := [scope for scope in key.scopes if scope not in BUILT_SCOPES]:
            name = f"bootstrap.api_keys[{index}].scopes"
            yield Note("W016", f"{name}: {', '.join(idle)} allows nothing yet", "there are no such endpoints")


def _open_addresses(config: Config) -> Iterator[Note]:
    admin = config.server.admin_bind
    if admin is not None and admin[0] in EVERY_ADDRESS:
        yield Note(
            "W012", "server.admin_addr is every address", "name one that only your own network reaches"
        )


def _reach(config: Config) -> str:
    host, _ = config.server.bind
    return "" if is_loopback(host) else f", and anyone who reaches {config.server.listen_addr} may try it"
