"""manage.py revoke: everywhere through the database, or here without any store; also for calls that run."""

from __future__ import annotations

import asyncio

import pytest

from tests import town
from tests.raw_calls import ask, question
from tests.waiting import eventually

PREFIX = town.BOB.removeprefix("sk-").partition(".")[0]


async def status(gateway, key):
    return (await ask(gateway.url, key, question("chat"))).status


async def refused(gateway, key, within_s=10.0):
    async with asyncio.timeout(within_s):
        while (answer := await ask(gateway.url, key, question("chat"))).status == 200:  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.05)
    return answer


@pytest.fixture
def own(fresh_gateway):
    return fresh_gateway()


async def test_a_key_that_is_denied_here_is_refused_whatever_the_database_says(own):
    assert await status(own, town.BOB) == 200
    own.manage("revoke", PREFIX, "--here")
    assert own.sql("SELECT count(*) FROM tenants_apikey WHERE revoked_at IS NOT NULL") == [(0,)]
    answer = await refused(own, town.BOB)
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert await status(own, town.CHARLIE) == 200
    own.restart()
    assert (await status(own, town.BOB), await status(own, town.CHARLIE)) == (401, 200)
    assert (own.data_dir / "denied_keys").stat().st_mode & 0o077 == 0


async def test_a_running_stream_of_a_key_that_is_denied_here_ends(own, upstream):
    upstream.script("up-m20", {"chunks": 500, "pause": 0.05})
    call = asyncio.create_task(ask(own.url, town.BOB, question("m20", stream=True)))
    await upstream.wait("arrived", model="up-m20")
    own.manage("revoke", f"sk-{PREFIX}", "--here")
    answer = await asyncio.wait_for(call, 20)
    assert b"key_revoked" in answer.body


async def test_a_key_that_is_revoked_is_refused_everywhere(own):
    assert await status(own, town.BOB) == 200
    own.manage("revoke", PREFIX)
    assert (await refused(own, town.BOB)).status == 401
    await eventually(
        lambda: own.sql("SELECT count(*) FROM tenants_apikey WHERE revoked_at IS NOT NULL") == [(1,)]
    )


def test_what_is_not_there_or_no_prefix_is_said(own):
    own.manage("revoke", "nobody", code=1)
    own.manage("revoke", "no prefix!", "--here", code=2)
