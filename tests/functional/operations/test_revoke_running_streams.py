"""A revoked key or a suspended tenant: its running calls end with an error and are billed; others continue.

How soon: tests/unit/gateway/server/test_background.py.
"""

from __future__ import annotations

import asyncio

import pytest

from tests.support import sample
from tests.support.books.ledger import row_of
from tests.support.books.money import limit_status, settled
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway
from tests.support.stores import stores
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

MANY = 20_000  # chunks: for a quarter of an hour, so that nothing else ends these streams


def token(name):
    return f"sk-{name}.{name}-secret"


def config(endpoint):
    names = ["revoked", "beside-revoked", "suspended", "beside-suspended", "waiting"]
    return {
        **sample.NO_LIMITS,
        "model_catalog": [
            sample.row(
                name,
                f"up-stop-{name}",
                endpoint,
                timeouts={"first_byte": "60s", "idle": "60s", "total": "600s"},
            )
            for name in names
        ],
        "bootstrap": {
            "tenants": [{"name": name} for name in names],
            "api_keys": [sample.key(name, token(name)) for name in names],
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    with Gateway(config(upstream.base_url), tmp_path_factory.mktemp("stop") / "data") as server:
        yield server


def start(gateway, upstream, name, **more):
    upstream.script(f"up-stop-{name}", {"chunks": MANY, "pause": 0.05})
    body = question(name, stream=True, **more)
    return asyncio.create_task(ask(gateway.url, token(name), body))


async def do(gateway, *lines):
    """Act as an administrator on another machine would: in another process."""
    code = (
        "from datetime import UTC, datetime\n"
        "from tenants.audit import Actor\n"
        "from tenants import services\n"
        "from tenants.models import ApiKey, Tenant\n"
        "ACTOR = Actor('shell')\n" + "\n".join(lines)
    )
    await asyncio.to_thread(gateway.manage, "shell", "--verbosity", "0", "-c", code)


async def refusal(gateway, name):
    """Return the status of the next call; of several workers, one may receive the change a second later."""

    async def asked():
        return (await ask(gateway.url, token(name), question(name))).status

    return await eventually(asked, lambda status: status != 200) if stores.are_shared() else await asked()


REVOKE = "services.revoke_key(ApiKey.objects.get(prefix={!r}).pk, actor=ACTOR, now=datetime.now(UTC))"
SUSPEND = "services.suspend_tenant(Tenant.objects.get(name={!r}).pk, actor=ACTOR)"


STOPPED = {"revoked": "key_revoked", "suspended": "tenant_suspended"}


async def test_running_streams_of_a_revoked_key_end_and_are_billed_and_others_go_on(gateway, upstream):
    stopped = {name: start(gateway, upstream, name) for name in STOPPED}
    others = [start(gateway, upstream, f"beside-{name}") for name in STOPPED]
    upstream.script("up-stop-waiting", {"hold_before_head": True})
    waiting = asyncio.create_task(ask(gateway.url, token("waiting"), question("waiting")))
    for name in STOPPED:
        await upstream.wait("chunk", model=f"up-stop-{name}", count=5)
        await upstream.wait("chunk", model=f"up-stop-beside-{name}", count=5)
    [waits] = await upstream.wait("arrived", model="up-stop-waiting")
    await do(gateway, REVOKE.format("revoked"), SUSPEND.format("suspended"), REVOKE.format("waiting"))
    for name, code in STOPPED.items():
        await a_running_stream_ends_and_is_accounted(gateway, upstream, await stopped[name], code)
        assert await refusal(gateway, name) == (401 if code == "key_revoked" else 403)
    await a_call_that_still_waits_for_its_answer_ends_too(gateway, upstream, await waiting, waits["id"])
    for other in others:
        assert not other.done()
        other.cancel()
    await asyncio.wait(others)


async def a_running_stream_ends_and_is_accounted(gateway, upstream, answer, code):
    assert (answer.status, answer.is_whole) == (200, True)
    assert answer.body.rstrip().splitlines()[-1].startswith(b'data: {"error"')
    assert f'"{code}"'.encode() in answer.body
    assert b"[DONE]" not in answer.body
    [seen] = await upstream.wait("closed", call=answer.id)
    assert seen["closed_early"]
    row = await row_of(gateway, answer.id)
    assert (row["status"], row["error_code"], row["estimated"]) == ("cancelled", code, True)
    # At least what the client got, at most what the provider wrote, a part of which may never have been read.
    given, written = answer.body.count(b'"content"'), seen["bill"]["completion_tokens"]
    assert max(5, given - 2) <= row["output_tokens"] <= written + 2


async def a_call_that_still_waits_for_its_answer_ends_too(gateway, upstream, answer, call):
    assert answer.status == 401
    assert answer.error["code"] == "key_revoked"
    await upstream.wait("closed", call=call)
    row = await row_of(gateway, call)
    assert (row["status"], row["error_code"]) == ("cancelled", "key_revoked")


async def test_stopped_streams_hold_nothing(gateway):
    await settled(gateway)
    for name in ("beside-revoked", "beside-suspended"):
        assert (await limit_status(gateway, token(name)))["held"] == 0
    gateway.manage("reconcile")
