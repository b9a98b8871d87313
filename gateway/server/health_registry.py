"""Creates the circuit breakers by the configuration; their changes go to metrics and other processes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from gateway.config import Config
from gateway.observability.metrics import Metrics
from providers.resilience.bulkhead import Bulkheads
from providers.resilience.circuit_breaker import Policy
from providers.resilience.health import DeploymentHealth, Watch

if TYPE_CHECKING:
    from gateway.invalidation.health_hints import HealthHintBus
    from gateway.values.signed_messages import Signer


def hints_of(config: Config, version: Callable[[], int], signer: Signer) -> HealthHintBus | None:
    """Create the bus for circuit breaker hints; None in embedded mode, which saves Redis' 24 MiB."""
    if config.embedded:
        return None
    from gateway.invalidation.health_hints import HealthHintBus  # noqa: PLC0415 - as above

    return HealthHintBus(config.redis.url, version, signer)


def health_of(whole: Config, metrics: Metrics, hints: HealthHintBus | None) -> DeploymentHealth:
    """Create the circuit breakers; the configuration can shorten their open times."""
    usual, config = Policy(), whole.health
    policy = Policy(
        consecutive=config.rolling_window,
        first_open_s=min(usual.first_open_s, config.cooldown),
        longest_open_s=min(usual.longest_open_s, config.cooldown),
        longest_cool_s=min(usual.longest_cool_s, config.cooldown),
    )
    watch = Watch(
        on_change=lambda target, value: metrics.show_state(target.name, value),
        on_retry_refused=lambda provider: metrics.retry_overflow.add((provider,)),
        on_full=lambda: metrics.shed.add(("endpoint_full",)),
        on_hint=hints.publish if hints is not None else lambda _: None,
        on_attempt=metrics.tried,
        quotes=whole.observability.provider_messages and not whole.retention.zero_retention,
    )
    bulkheads = Bulkheads(whole.server.max_inflight, whole.server.max_inflight_per_endpoint)
    return DeploymentHealth(policy, bulkheads=bulkheads, watch=watch)
