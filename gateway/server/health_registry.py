"""Makes the registry of breakers as the configuration wants it; metrics and other processes hear what it learns."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.config import Config
from gateway.observability.metrics import Metrics
from providers.resilience.bulkhead import Bulkheads
from providers.resilience.circuit_breaker import Policy
from providers.resilience.health import Health, Watch

if TYPE_CHECKING:
    from gateway.invalidation.health_hints import HealthHints


def health_of(whole: Config, metrics: Metrics, hints: HealthHints | None) -> Health:
    """Make the registry of breakers; the configuration can shorten their rests."""
    usual, config = Policy(), whole.health
    policy = Policy(
        consecutive=config.rolling_window,
        first_open_s=min(usual.first_open_s, config.cooldown),
        longest_open_s=min(usual.longest_open_s, config.cooldown),
        longest_cool_s=min(usual.longest_cool_s, config.cooldown),
    )
    watch = Watch(
        changed=lambda target, value: metrics.show_state(target.name, value),
        overflowed=lambda provider: metrics.retry_overflow.add((provider,)),
        full=lambda: metrics.shed.add(("endpoint_full",)),
        learned=hints.say if hints is not None else lambda _: None,
        tried=metrics.tried,
        quotes=whole.observability.provider_messages and not whole.retention.zero_retention,
    )
    bulkheads = Bulkheads(whole.server.max_inflight, whole.server.max_inflight_per_endpoint)
    return Health(policy, bulkheads=bulkheads, watch=watch)
