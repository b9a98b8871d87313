"""When keys were last used: noted in memory, written in batches, so that a call never waits for it."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime


class KeyUse:
    """`note` on the hot path; `take` hands over what was noted since."""

    def __init__(self) -> None:
        self._last: dict[int, float] = {}

    def note(self, key_id: int, at: float) -> None:
        self._last[key_id] = at

    def take(self) -> dict[int, float]:
        noted, self._last = self._last, {}
        return noted


def write_key_use(noted: Mapping[int, float]) -> None:
    """Write `last_used_at` of these keys. Blocking: one statement for each 500 of them."""
    from tenants.models import ApiKey  # noqa: PLC0415 - the hot path imports no models

    rows = [ApiKey(pk=key_id, last_used_at=datetime.fromtimestamp(at, UTC)) for key_id, at in noted.items()]
    ApiKey.objects.bulk_update(rows, ["last_used_at"], batch_size=500)
