"""What was just written or corrected is probed at once, and nothing else: the rest waits for its turn."""

from __future__ import annotations

from datetime import UTC, datetime
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

import pytest
from asgiref.sync import sync_to_async

from catalog.health.probes import served_or_loaded
from catalog.health.queries import failed_probes
from catalog.models import HealthProbe
from catalog.sync import sync_catalog
from gateway.config import Config
from gateway.server import background
from gateway.server.background import BackgroundTasks
from providers.transport.client import Transport

if TYPE_CHECKING:
    from collections.abc import Callable

pytestmark = pytest.mark.django_db(transaction=True)


def catalog(*endpoints: str) -> Any:
    rows = [
        {"alias": f"model-{number}", "provider": "openai-compatible", "free": True, "endpoint": endpoint}
        for number, endpoint in enumerate(endpoints)
    ]
    sync_catalog(Config.model_validate({"model_catalog": [{**row, "provider_model": "up"} for row in rows]}))
    return served_or_loaded(datetime.now(UTC))


def in_threads(function: Callable[..., Any], *args: Any) -> Any:
    return sync_to_async(function)(*args)


def failed_now(live: Any) -> list[Any]:
    return failed_probes(datetime.now(UTC), live.snapshot)


async def test_a_changed_row_is_probed_at_once_and_alone(closed_port: int) -> None:
    near, far = (f"http://127.0.0.1:{closed_port}/{name}" for name in ("near", "far"))
    live = SimpleNamespace(transport=Transport(), snapshot=await in_threads(catalog, near), failed_probes=())
    await live.transport.open()
    work = BackgroundTasks(cast("Any", live), in_threads)
    probed = []
    for endpoints in ((near,), (near, far), (far, far)):
        live.snapshot = await in_threads(catalog, *endpoints)
        for _ in range(2):  # nothing has changed at the second turn
            await work._probe_new()  # noqa: SLF001
        probed.append(await in_threads(lambda: [row.endpoint for row in HealthProbe.objects.order_by("pk")]))
    await live.transport.aclose()
    assert probed == [[near], [near, far], [near, far]]
    assert [problem.reason.partition(" ")[0] for problem in live.failed_probes] == [
        near,
        far,
    ]  # by _probe_new
    assert [problem.reason.partition(" ")[0] for problem in await in_threads(failed_now, live)] == [far, far]
    assert background.NEW_PROBE_S <= 2
