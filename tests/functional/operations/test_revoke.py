"""manage.py revoke: everywhere through the database, or on one machine without any store; also for running calls."""

from __future__ import annotations

import asyncio

import pytest

from tests.support import sample
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.commands import run_each
from tests.support.servers.gateway import Gateway
from tests.support.servers.processes import ServerProcess
from tests.support.sources import MANAGE
from tests.support.waiting import eventually


def prefix_of(token):
    return token.removeprefix("sk-").partition(".")[0]


async def status(gateway, key):
    return (await ask(gateway.url, key, question("chat"))).status


async def refused(gateway, key, within_s=10.0):
    async with asyncio.timeout(within_s):
        while (answer := await ask(gateway.url, key, question("chat"))).status == 200:  # noqa: ASYNC110 - a process
            await asyncio.sleep(0.05)
    return answer


@pytest.fixture(scope="module")
def own(upstream, closed_port, tmp_path_factory):
    config = sample.config(upstream.base_url, closed_port)
    with Gateway(config, tmp_path_factory.mktemp("revoking") / "data") as server:
        yield server


def revoked(gateway):
    """Return the prefixes that the database says are revoked."""
    found = gateway.sql("SELECT prefix FROM tenants_apikey WHERE revoked_at IS NOT NULL")
    return [prefix for (prefix,) in found]


async def test_a_running_stream_of_a_key_that_is_denied_here_ends_whatever_the_database_says(own, upstream):
    upstream.script("up-m20", {"chunks": 500, "pause": 0.05})
    assert await status(own, sample.BOB) == 200
    call = asyncio.create_task(ask(own.url, sample.BOB, question("m20", stream=True)))
    await upstream.wait("arrived", model="up-m20")
    await asyncio.to_thread(own.manage, "revoke", f"sk-{prefix_of(sample.BOB)}", "--here")
    ended = await asyncio.wait_for(call, 20)
    assert b"key_revoked" in ended.body
    assert revoked(own) == []
    answer = await refused(own, sample.BOB)
    assert (answer.status, answer.error["code"]) == (401, "invalid_api_key")
    assert await status(own, sample.CHARLIE) == 200
    own.restart()
    assert (await status(own, sample.BOB), await status(own, sample.CHARLIE)) == (401, 200)
    assert (own.data_dir / "denied_keys").stat().st_mode & 0o077 == 0


async def test_a_key_that_is_revoked_is_refused_everywhere(own):
    assert await status(own, sample.ALICE) == 200
    own.manage("revoke", prefix_of(sample.ALICE))
    assert (await refused(own, sample.ALICE)).status == 401
    await eventually(lambda: revoked(own), lambda found: found == [prefix_of(sample.ALICE)])


def test_unknown_and_invalid_prefixes_are_reported(own):
    done = run_each(
        own, ["revoke", "nobody"], ["revoke", "no prefix!", "--here"], ["revoke", "nobody", "--here"]
    )
    assert [code for code, _ in done] == [1, 2, 1]


def test_a_key_is_denied_here_where_the_database_cannot_say_whether_there_is_one(own, closed_port):
    away = {
        "ROUTER_DB_URL": f"postgres://x@127.0.0.1:{closed_port}/x",
        "ROUTER_REDIS_URL": f"redis://127.0.0.1:{closed_port}",
    }
    process = ServerProcess(
        MANAGE, "revoke", "some-key", "--here", env={**own.environment, **away}, cwd=own.data_dir.parent
    )
    assert process.end(None, 60) == 0
    assert "could not be looked up. The database does not answer" in "\n".join(process.stderr.all())
    assert "some-key" in (own.data_dir / "denied_keys").read_text()
