"""What is read when metrics are scraped, of one serving process."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from gateway.runtime import Connections


def show_gauges(live: Connections) -> None:
    """Let the gauges of this process read what is open in it."""
    live.metrics.watch_gauges(
        lambda: len(live.running),
        lambda: live.journal.unshipped_records,
        lambda: live.journal.oldest_unshipped_s,
        lambda: live.reading_on.taken,
    )
    live.metrics.watch_store("database", lambda: not live.pulse.is_late)
    live.metrics.watch_store("journal", lambda: live.journal.has_room)
    if not live.config.embedded:
        live.metrics.watch_store("redis", lambda: not live.admission.fitness()[0])
    live.metrics.watch_load(lambda: live.shedding.cap, lambda: live.shedding.lag_s)
