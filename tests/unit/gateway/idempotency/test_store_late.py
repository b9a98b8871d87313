"""An answer that the database stored too late leaves its key taken, until the call is recorded as made."""

from __future__ import annotations

import pytest
from django.db import OperationalError

from gateway.idempotency import rows
from gateway.idempotency.store import IdempotencyClaim, IdempotencyStore


class Database:
    """Runs nothing; fails while it is `away`."""

    def __init__(self):
        self.is_away = False
        self.kept = []
        self.lives = None

    async def __call__(self, work, *arguments):
        if self.is_away:
            raise OperationalError("away")
        function = getattr(work, "func", work)
        if function is rows.claim:
            self.lives = work.keywords["is_running"]
        elif function is rows.store:
            self.kept.append((arguments[1], arguments[4] is not None))
            return ""
        return None


@pytest.fixture
def database():
    return Database()


@pytest.fixture
def replays(database):
    replays = IdempotencyStore(database, bytes(32))
    replays.owner, replays.may_have_calls = "mine", lambda owner: owner == "other"
    return replays


async def claimed(replays, name="call"):
    claim = await replays.claim("scope", "key", b"{}", name, keeps_streams=False, tenant_id=1)
    assert isinstance(claim, IdempotencyClaim)
    return claim


async def test_an_answer_that_could_not_be_stored_keeps_its_claim_until_known(replays, database, fallbacks):
    claim = await claimed(replays)
    database.is_away = True
    assert fallbacks() == {}
    await replays.complete(claim, 200, "application/json", b"answer")
    assert fallbacks() == {"replay_kept_late": 1}
    assert database.lives("mine", "call")
    with pytest.raises(OperationalError):
        await replays.record_late()
    assert database.lives("mine", "call")
    database.is_away = False
    await replays.record_late()
    await replays.record_late()
    assert database.kept == [("call", False)]
    assert not database.lives("mine", "call")


async def test_a_claim_is_renewed_until_completed_or_released(replays, database):
    kept, dropped = await claimed(replays, "kept"), await claimed(replays, "dropped")
    assert database.lives("mine", "kept")
    await replays.complete(kept, 200, "application/json", b"answer")
    database.is_away = True
    await replays.release(dropped)
    assert [database.lives("mine", name) for name in ("kept", "dropped")] == [False, False]


async def test_owner_in_another_process_is_looked_up(replays, database):
    await claimed(replays)
    assert [database.lives(owner, "call") for owner in ("mine", "other", "third")] == [True, True, False]


async def test_a_claim_that_could_not_be_dropped_is_counted(replays, database, fallbacks):
    first, second = await claimed(replays, "first"), await claimed(replays, "second")
    await replays.release(first)
    assert fallbacks() == {}
    database.is_away = True
    await replays.release(second)
    assert fallbacks() == {"replay_claim_kept": 1}
