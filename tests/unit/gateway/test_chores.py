from __future__ import annotations

from types import SimpleNamespace
from typing import Any, cast

from gateway.chores import Chores
from metering.running import Running


async def test_who_is_stopped_is_unknown_before_he_hears_of_it():
    happened: list[str] = []

    async def in_database(_: object, keys: set[int]) -> dict[int, str]:
        return {key: "key_revoked" for key in keys if key == 7}

    def call(key_id: int) -> Any:
        record, caller = SimpleNamespace(id=f"call of {key_id}"), SimpleNamespace(key_id=key_id)
        return SimpleNamespace(record=record, caller=caller, stop=happened.append)

    running = Running()
    keys = SimpleNamespace(clear=lambda: happened.append("unknown"))
    chores = Chores(cast("Any", SimpleNamespace(running=running, keys=keys)), in_database)
    running.add(call(8))
    await chores._stop_revoked()  # noqa: SLF001
    assert happened == []
    running.add(call(7))
    await chores._stop_revoked()  # noqa: SLF001
    assert happened == ["unknown", "key_revoked"]
