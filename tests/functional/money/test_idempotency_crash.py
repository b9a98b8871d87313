"""An Idempotency-Key whose call was made is never free again, at whatever step the gateway is killed."""

from __future__ import annotations

import signal

import pytest

from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.books.money import settled
from tests.support.clients.raw_calls import ask, question

pytestmark = pytest.mark.both_modes

KEY = "sk-careful.careful-secret"
STEPS = (
    "after_answered",
    "after_close_write",
    "before_keep",
    "after_keep",
    "before_insert",
    "before_commit",
    "after_commit",
    "after_commit before_cursor",  # there are cursors behind the start of a call, too
)
BEFORE_THE_END = ("after_answered",)  # no end was written: the call is billed, and may be made again


def config(endpoint):
    return {
        **sample.NO_LIMITS,
        "server": {"workers": 1},
        "model_catalog": [sample.row("once", "up-killed-once", endpoint)],
        "bootstrap": {"tenants": [{"name": "careful"}], "api_keys": [sample.key("careful", KEY)]},
    }


@pytest.mark.parametrize("stream", [False, True], ids=["document", "stream"])
@pytest.mark.timeout(240)
async def test_call_made_before_a_crash_is_not_made_again(gateway_factory, upstream, tmp_path, stream):
    armed = tmp_path / "failpoint"
    armed.write_text("")
    plan = config(upstream.base_url)
    gateway = gateway_factory(plan, bare=True, env={"OMG_FAILPOINT": f"@{armed}"})
    body = question("once", stream=stream)
    for step in STEPS:
        if step == "after_answered" and stream:  # it is never reached
            continue
        await settled(gateway)
        armed.write_text(step)
        first = await ask(gateway.url, KEY, body, headers={"idempotency-key": step})
        assert gateway.wait() == -signal.SIGKILL, step
        armed.write_text("")
        gateway.start()
        again = await ask(gateway.url, KEY, body, headers={"idempotency-key": step})
        rows = [row for row in await whole_ledger(gateway) if row["idempotency_key"] == step]
        if step in BEFORE_THE_END:
            assert [row["status"] for row in rows] == ["incomplete", "ok"]
            assert [(row["input_tokens"], row["output_tokens"]) for row in rows] == [(10, 5)] * 2
        else:
            assert [row["status"] for row in rows] == ["ok"], step
            assert (again.status, bool(first.id)) in {(200, True), (409, True), (409, False), (200, False)}
            assert again.status == 409 or again.headers["idempotency-replayed"] == "true", step
