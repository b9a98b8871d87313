"""K2: unknown usage is held, not forgotten. An attempt that reached a provider and ended without usage costs its
estimate, and the rest up to its hold is unsettled until it is made exact.
"""

from __future__ import annotations

import asyncio
import json
import os
import pwd
from functools import partial

import pytest

from tests.support import sample
from tests.support.books.ledger import row_of, rows_of
from tests.support.books.money import nanousd, settled
from tests.support.books.why import LEDGER, is_kept
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.commands import run_each
from tests.support.servers.gateway import Gateway
from tests.support.servers.upstream import CALL_S
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

BUDGET = 5_000_000  # nano-USD; two holds fit, three do not
USED = '{"prompt_tokens": 10, "completion_tokens": 4}'  # 18,000 nano-USD
EARLY = json.dumps(
    {
        "choices": [{"index": 0, "delta": {"content": " word"}}],
        "usage": {"prompt_tokens": 10, "completion_tokens": 1},
    }
)
KINDS = {
    "hangs before the head": ({"kind": "hang_before_head"}, False),
    "hangs before the head of a stream": ({"kind": "hang_before_head"}, True),
    "hangs inside the body": ({"kind": "hang_after_head"}, False),
    "is reset before the head": ({"kind": "reset_before_head"}, False),
    "breaks off inside the body": ({"kind": "truncated"}, False),
    "is no JSON": ({"kind": "malformed"}, False),
    "is empty": ({"kind": "empty"}, False),
    "is a page": ({"kind": "status", "status": 200, "body": "<html>nothing</html>"}, False),
    "has no usage": ({"usage": "never"}, False),
    "is a stream that is reset": ({"end": "reset", "after": 2}, True),
    "is a stream that stalls": ({"end": "stall", "after": 2}, True),
    "is a stream that is cut": ({"end": "cut", "after": 2}, True),
    "is a stream that breaks with an error": ({"end": "error", "after": 2}, True),
    "is a stream that stops before its usage": ({"end": "no_done", "usage": "never"}, True),
    "is a stream without usage": ({"usage": "never"}, True),
    "is a stream that says its usage before its end": ({"kind": "events", "events": [EARLY] * 3}, True),
}
MOST_TRIES = 20
DEADLINES = {  # what a provider does while the caller's own time runs out, and whether a stream was asked for
    "nothing": ({"kind": "hang_before_head"}, False),
    "nothing, of a stream": ({"kind": "hang_before_head"}, True),
    "a head": ({"kind": "hang_after_head"}, False),
    "a head of a stream": ({"kind": "hang_after_head"}, True),
    "two words": ({"end": "stall", "after": 2}, True),
}
NAMES = {
    name: f"u{number}"
    for number, name in enumerate([*KINDS, *DEADLINES, "left", "limits", "shown", "known", "refused", "pair"])
}


def key(kind):
    return f"sk-{NAMES[kind]}.{NAMES[kind]}-secret"


def config(upstream, **metering):
    patience = {"connect": "2s", "first_byte": "1s", "idle": "1s", "total": "30s"}
    tenants = [{"name": name} for name in NAMES.values()]
    return {
        **sample.NO_LIMITS,
        "metering": {"allow_volatile": True, **metering},
        "server": {"graceful_shutdown_delay": "5s", "provider_timeout": "1s"},
        "model_catalog": [
            sample.row(name, f"up-unknown-{name}", upstream.base_url, timeouts=patience)
            for name in NAMES.values()
        ]
        + [
            sample.row(NAMES["pair"], "up-unknown-second", upstream.base_url, deployment="second", priority=1)
        ],
        "bootstrap": {
            "tenants": tenants,
            "api_keys": [sample.key(NAMES[kind], key(kind)) for kind in NAMES],
            "tenant_budgets": [{"tenant": name, "budget_usd": BUDGET / 10**9} for name in NAMES.values()],
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    with Gateway(config(upstream), tmp_path_factory.mktemp("unknown") / "data") as server:
        yield server


async def money(gateway, kind):
    """Return the budget's headers, once no call runs."""
    await settled(gateway)
    return await shown(gateway, kind)


async def shown(gateway, kind):
    """Return the budget's headers: spent, remaining, held and unsettled."""

    async def read():
        answer = await client.get("/v1/models")
        names = ("spent", "remaining", "held", "unsettled")
        return tuple(nanousd(answer.headers[f"x-budget-{name}-usd"]) for name in names)

    async with gateway.client(key(kind)) as client:
        return await eventually(read, despite=(KeyError,))


async def fail(gateway, upstream, kind, behavior, *, stream, **given):
    """Make one call that ends without usage; return its row."""
    upstream.script(f"up-unknown-{NAMES[kind]}", behavior)
    for _ in range(MOST_TRIES):  # a slow machine may not have sent it in time: then it costs nothing
        answer = await ask(gateway.url, key(kind), question(NAMES[kind], stream=stream), **given)
        if await is_kept(gateway, answer.id) == LEDGER:
            break
    return await row_of(gateway, answer.id)


async def test_an_answer_that_brings_no_usage_counts_up_to_its_bound_until_it_is_settled(gateway, upstream):
    failing = [
        fail(gateway, upstream, kind, behavior, stream=stream) for kind, (behavior, stream) in KINDS.items()
    ]
    rows = dict(zip(KINDS, await asyncio.gather(*failing), strict=True))
    await settled(gateway)
    for kind, row in rows.items():
        cost, unsettled = row["cost_nanousd"], row["unsettled_nanousd"]
        assert cost > 0, f"{kind}: the prompt was sent"
        assert row["estimated"], kind
        all_that_its_cap_allows = row["attempts"] * BUDGET // 2
        assert 1024 * sample.OUTPUT_NANOUSD <= cost + unsettled <= all_that_its_cap_allows, kind
        assert await shown(gateway, kind) == (cost, BUDGET - cost - unsettled, 0, unsettled), kind

    done = await asyncio.to_thread(
        run_each, gateway, *(["settle", row["id"], "--usage", USED] for row in rows.values())
    )
    for kind, (code, [said]) in zip(rows, done, strict=True):
        assert code == 0, kind
        assert "cost 0.000018 USD" in said, kind
    settled_rows = await rows_of(gateway, *(row["id"] for row in rows.values()))
    for kind, row in zip(rows, settled_rows, strict=True):
        assert (row["cost_nanousd"], row["unsettled_nanousd"]) == (18_000, 0), kind
        assert (row["output_tokens"], row["estimated"]) == (4, False), kind
        await eventually(
            partial(shown, gateway, kind), lambda found: found == (18_000, BUDGET - 18_000, 0, 0)
        )


@pytest.mark.parametrize("kind", DEADLINES)
async def test_a_call_ended_by_its_callers_deadline_is_billed(gateway, upstream, kind):
    """R6: a client that stops waiting while the provider works pays like one that disconnects."""
    behavior, stream = DEADLINES[kind]
    own = {"x-request-timeout-ms": "250"}
    row = await fail(gateway, upstream, kind, behavior, stream=stream, headers=own)
    assert row["error_code"] == "deadline_exceeded"
    assert row["estimated"]
    assert row["cost_nanousd"] > 0
    assert row["cost_nanousd"] + row["unsettled_nanousd"] >= 1024 * sample.OUTPUT_NANOUSD
    [_] = upstream.seen(call=row["id"])


async def test_http_error_costs_nothing_and_leaves_nothing_unsettled(gateway, upstream):
    row = await fail(gateway, upstream, "refused", {"kind": "html"}, stream=False)
    assert (row["http_status"], row["cost_nanousd"], row["unsettled_nanousd"]) == (502, 0, 0)
    assert await money(gateway, "refused") == (0, BUDGET, 0, 0)


async def test_hold_of_a_disconnected_client_stays_unsettled(gateway, upstream):
    name = NAMES["left"]
    upstream.script(f"up-unknown-{name}", {"hold_after": 2})
    async with gateway.client(key("left")) as client:
        call = asyncio.create_task(client.post("/v1/chat/completions", json=question(name, stream=True)))
        await upstream.wait("chunk", model=f"up-unknown-{name}")
        call.cancel()
        await asyncio.wait([call], timeout=CALL_S)
    [seen] = upstream.seen(model=f"up-unknown-{name}")
    row = await row_of(gateway, seen["id"])
    assert row["status"] == "cancelled"
    assert row["cost_nanousd"] + row["unsettled_nanousd"] >= 1024 * sample.OUTPUT_NANOUSD


async def test_budget_of_two_bounds_allows_two_unknown_outcomes_and_refuses_the_third(gateway, upstream):
    rows = [await fail(gateway, upstream, "limits", {"kind": "truncated"}, stream=False) for _ in range(2)]
    unsettled = sum(row["unsettled_nanousd"] for row in rows)
    refused = await ask(gateway.url, key("limits"), question(NAMES["limits"]))
    assert refused.status == 429, refused.body
    budget = refused.error["budget"]
    assert (budget["held_nanousd"], budget["unsettled_nanousd"]) == (0, unsettled)
    assert budget["limit_nanousd"] < sum(
        budget[f"{name}_nanousd"] for name in ("spent", "held", "unsettled", "needed")
    )
    assert "whose usage is unknown" in refused.error["message"]
    await asyncio.to_thread(gateway.manage, "settle", rows[0]["id"], "--cost-usd", "0.00001")
    upstream.script(f"up-unknown-{NAMES['limits']}", {})

    async def status():
        return (await ask(gateway.url, key("limits"), question(NAMES["limits"]))).status

    await eventually(status, lambda found: found == 200)


async def test_bill_beyond_the_bound_is_paid_by_the_operator(gateway, upstream):
    row = await fail(gateway, upstream, "known", {"kind": "reset_before_head"}, stream=False)
    bound = row["cost_nanousd"] + row["unsettled_nanousd"]
    [said] = await asyncio.to_thread(gateway.manage, "settle", row["id"], "--cost-usd", "1")
    assert "are the operator's" in said
    assert (await row_of(gateway, row["id"]))["cost_nanousd"] == bound
    await eventually(lambda: money(gateway, "known"), lambda found: found == (bound, BUDGET - bound, 0, 0))
    done = await asyncio.to_thread(
        run_each,
        gateway,
        ["explain", row["id"]],
        ["settle", row["id"], "--cost-usd", "0"],
        ["reconcile"],
    )
    assert [code for code, _ in done] == [0, 1, 0]  # the second one has changed nothing
    (_, told), (_, again), _ = done
    assert f"It was settled by its cost by shell ({pwd.getpwuid(os.getuid()).pw_name})" in "\n".join(told)
    assert again == []
    assert await money(gateway, "known") == (bound, BUDGET - bound, 0, 0)


async def test_attempt_that_may_be_billed_has_its_own_hold_before_the_next_attempt(gateway, upstream):
    name = NAMES["pair"]
    upstream.script(f"up-unknown-{name}", {"kind": "truncated"})
    answer = await ask(gateway.url, key("pair"), question(name))
    assert answer.status == 200, answer.body
    row = await row_of(gateway, answer.id)
    known = 10 * sample.INPUT_NANOUSD + 5 * sample.OUTPUT_NANOUSD
    assert row["attempts"] == 2
    assert row["cost_nanousd"] > known
    first = row["cost_nanousd"] + row["unsettled_nanousd"] - known
    assert 1024 * sample.OUTPUT_NANOUSD <= first <= BUDGET // 2
    # what is left pays one hold, and no second one
    tried = len(upstream.seen(model="up-unknown-second"))
    answer = await ask(gateway.url, key("pair"), question(name))
    assert answer.status == 502, answer.body
    assert len(upstream.seen(model="up-unknown-second")) == tried
    _, remaining, held, _ = await money(gateway, "pair")
    assert remaining >= 0
    assert held == 0


async def test_explain_names_unsettled_usage_and_a_failed_settle_has_an_exit_code(gateway, upstream):
    row = await fail(gateway, upstream, "shown", {"kind": "hang_before_head"}, stream=False)
    given = [
        (("--cost-usd", "1"), 1),
        (("--cost-usd", "-1"), 2),
        (("--cost-usd", "nan"), 2),
        (("--usage", "{"), 2),
        (("--usage", "{}"), 2),
        ((), 2),
    ]
    (explained, story), *done = await asyncio.to_thread(
        run_each,
        gateway,
        ["explain", row["id"]],
        *(["settle", "no-such-call", *known] for known, _ in given),
    )
    assert explained == 0
    assert "USD more may have been used: that is unsettled, and budgets count it." in "\n".join(story)
    assert [code for code, _ in done] == [code for _, code in given]
    await asyncio.to_thread(gateway.manage, "settle", "no-such-call", "--cost-usd", "1", code=1)
