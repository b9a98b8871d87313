"""One Idempotency-Key makes one call: repeated, in parallel, and after restarts."""

from __future__ import annotations

import asyncio
from functools import partial

import pytest

from tests.support import sample
from tests.support.books.ledger import whole_ledger
from tests.support.books.money import limit_status, settled
from tests.support.clients.raw_calls import RawAnswer, ask, question
from tests.support.servers.gateway import Gateway
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

CAREFUL = "sk-careful.careful-secret"
TWIN = "sk-twin.twin-secret"  # another key of the same tenant
KEEPER = "sk-keeper.keeper-secret"  # its tenant lets finished streams be kept
MOST_TURNS = 10
LEFT_S = 20.0  # less than the lease of a claim, after which a retry would be admitted
MODELS = ["once", "other", "flaky", "streamed", "broken", "left", "empty", "late"]


def config(endpoint):
    return {
        **sample.NO_LIMITS,
        "model_catalog": [sample.row(name, f"up-idem-{name}", endpoint) for name in MODELS],
        "bootstrap": {
            "tenants": [{"name": "careful"}, {"name": "keeper", "stores_answers": True}],
            "api_keys": [
                sample.key("careful", CAREFUL),
                sample.key("careful", TWIN, budget_usd=0.000001),
                sample.key("keeper", KEEPER),
            ],
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    with Gateway(config(upstream.base_url), tmp_path_factory.mktemp("once") / "data") as server:
        yield server


async def repeat(gateway, name, body, key=CAREFUL):
    return await ask(gateway.url, key, body, headers={"idempotency-key": name})


async def rows(gateway, name):
    return [row for row in await whole_ledger(gateway) if row["idempotency_key"] == name]


async def test_fifty_concurrent_retries_make_one_call_and_share_its_answer(gateway, upstream):
    upstream.script("up-idem-once", {"delay": 0.2})
    answers = await asyncio.gather(*(repeat(gateway, "fifty", question("once")) for _ in range(50)))
    served = [answer for answer in answers if answer.status == 200]
    waiting = [answer for answer in answers if answer.status == 409]
    assert len(served) + len(waiting) == 50
    assert len({answer.body for answer in served}) == 1
    assert sum("idempotency-replayed" not in answer.headers for answer in served) == 1
    assert {answer.error["code"] for answer in waiting} <= {"idempotency_in_progress"}
    assert all(int(answer.headers["retry-after"]) >= 1 for answer in waiting)
    assert len(upstream.seen(model="up-idem-once")) == 1
    assert len(await rows(gateway, "fifty")) == 1


async def test_a_replay_is_the_same_answer_free_of_charge(gateway, upstream):
    first = await repeat(gateway, "replay", question("other"))
    await settled(gateway)
    before = await limit_status(gateway, CAREFUL)
    again = await repeat(gateway, "replay", question("other"))
    assert (again.status, again.body) == (200, first.body)
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["idempotency-replayed"] == "true"
    assert again.headers["x-original-request-id"] == first.id != again.id
    assert await limit_status(gateway, CAREFUL) == before
    assert len(upstream.seen(call=first.id)) == 1
    assert [row["id"] for row in await rows(gateway, "replay")] == [first.id]


async def test_the_same_json_written_differently_is_the_same_call(gateway):
    body = question("other", max_tokens=3, user="u")
    first = await repeat(gateway, "spelling", body)
    again = await repeat(gateway, "spelling", dict(reversed(body.items())))
    assert again.headers["x-original-request-id"] == first.id


async def test_another_body_with_the_same_key_is_refused(gateway):
    await repeat(gateway, "mismatch", question("other"))
    answer = await repeat(gateway, "mismatch", question("other", temperature=1))
    assert (answer.status, answer.error["code"]) == (422, "idempotency_mismatch")


async def test_every_api_key_has_idempotency_keys_of_its_own(gateway):
    first = await repeat(gateway, "mine", question("other"))
    other = await repeat(gateway, "mine", question("other"), KEEPER)
    assert (first.status, other.status) == (200, 200)
    assert "idempotency-replayed" not in other.headers


async def test_every_endpoint_has_idempotency_keys_of_its_own(gateway):
    await repeat(gateway, "endpoint", question("other"))
    answer = await ask(
        gateway.url,
        CAREFUL,
        question("other"),
        headers={"idempotency-key": "endpoint"},
        path="/v1/embeddings",
    )
    assert answer.error["code"] not in {"idempotency_mismatch", "idempotency_in_progress"}


@pytest.mark.parametrize("name", ["x" * 256, "t\tab", "umläut"])
async def test_invalid_idempotency_key_is_refused(gateway, name):
    answer = await repeat(gateway, name, question("other"))
    assert (answer.status, answer.error["code"]) == (400, "invalid_idempotency_key")


async def test_refusal_is_not_stored(gateway, upstream):
    refused = [await repeat(gateway, "refused", question("other"), TWIN) for _ in range(2)]
    assert [answer.error["code"] for answer in refused] == ["insufficient_quota"] * 2
    assert all("idempotency-replayed" not in answer.headers for answer in refused)


async def test_after_a_failure_upstream_a_retry_runs(gateway, upstream):
    upstream.script("up-idem-flaky", {"kind": "status", "status": 500}, {"kind": "ok"})
    failed, served, replayed = [await repeat(gateway, "flaky", question("flaky")) for _ in range(3)]
    assert (failed.status, served.status) == (502, 200)
    assert replayed.headers["x-original-request-id"] == served.id
    assert len(upstream.seen(model="up-idem-flaky")) == 2


async def test_stored_stream_is_replayed_event_by_event(gateway, upstream):
    body = question("streamed", stream=True, stream_options={"include_usage": True})
    first = await repeat(gateway, "stream", body, KEEPER)
    again = await repeat(gateway, "stream", body, KEEPER)
    assert first.saw_the_end
    assert again.body == first.body
    assert again.headers["content-type"] == first.headers["content-type"]
    assert again.headers["x-original-request-id"] == first.id
    assert len(upstream.seen(model="up-idem-streamed")) == 1


async def test_a_stream_that_may_not_be_stored_is_neither_repeated_nor_replayed(gateway, upstream):
    body = question("streamed", stream=True)
    first = await repeat(gateway, "unkept", body)
    again = await repeat(gateway, "unkept", body)
    assert first.saw_the_end
    assert (again.status, again.error["code"]) == (409, "idempotency_result_unavailable")
    assert len(upstream.seen(call=first.id)) == 1
    assert upstream.seen(call=again.id) == []


async def test_after_a_broken_stream_a_retry_runs(gateway, upstream):
    upstream.script("up-idem-broken", {"end": "cut", "after": 2}, {})
    body = question("broken", stream=True)
    first, second = [await repeat(gateway, "broken", body, KEEPER) for _ in range(2)]
    assert not first.saw_the_end
    assert second.saw_the_end
    assert "idempotency-replayed" not in second.headers


async def test_retry_runs_after_a_disconnect(gateway, upstream):
    upstream.script("up-idem-left", {"hold_after": 2}, {})
    headers, body = {"idempotency-key": "left"}, question("left", stream=True)
    first = await ask(gateway.url, CAREFUL, body, headers=headers, leave_after=2)
    await upstream.wait("closed", call=first.id)
    await settled(gateway)
    second = await ask(gateway.url, CAREFUL, body, headers=headers)
    assert second.saw_the_end


async def test_billed_call_is_not_made_again_after_a_disconnect_at_any_moment(gateway, upstream):
    missed = 0
    for turn in range(MOST_TURNS):
        names = [f"left-{turn}-{number}" for number in range(16)]
        upstream.script("up-idem-late", {"hold_before_head": True})
        before = len(upstream.seen(model="up-idem-late"))
        calls = [asyncio.create_task(repeat(gateway, name, question("late"))) for name in names]
        await upstream.wait("arrived", model="up-idem-late", count=before + len(names))
        upstream.release(model="up-idem-late")
        await asyncio.wait(
            calls, return_when=asyncio.FIRST_COMPLETED
        )  # now the ends of the others are written
        for call in calls:
            call.cancel()
        done = await asyncio.gather(*calls, return_exceptions=True)
        upstream.script("up-idem-late", {})
        made = {row["idempotency_key"] for row in await whole_ledger(gateway) if row["status"] == "ok"}
        for name in made.intersection(names):
            again = await repeat(gateway, name, question("late"))
            assert (again.status, again.headers.get("idempotency-replayed")) == (200, "true"), name
        missed += sum(
            name in made and not isinstance(end, RawAnswer) for name, end in zip(names, done, strict=True)
        )
        if missed:
            return
    pytest.fail("no client disconnected between the end of its call and its answer")


async def test_answers_survive_restart_and_power_cut_and_interrupted_calls_may_be_repeated(gateway, upstream):
    first = await repeat(gateway, "restart", question("other"))
    gateway.restart()
    again = await repeat(gateway, "restart", question("other"))
    upstream.script("up-idem-empty", {"hold_before_head": True}, {})
    asked = asyncio.create_task(repeat(gateway, "cut", question("empty")))
    await upstream.wait("arrived", model="up-idem-empty")
    gateway.kill()
    await asked
    gateway.start()
    third = await repeat(gateway, "restart", question("other"))
    assert again.body == third.body == first.body
    assert again.headers["x-original-request-id"] == third.headers["x-original-request-id"] == first.id
    assert (await repeat(gateway, "cut", question("empty"))).status == 200


async def test_client_that_disconnects_at_any_moment_can_retry_at_once(gateway, upstream):
    upstream.script("up-idem-left", {})
    for number in range(60):
        name = f"moment-{number}"
        first = asyncio.create_task(repeat(gateway, name, question("left")))
        await asyncio.wait([first], timeout=number / 5000)  # up to 12 ms: the claim, the call, the answer
        first.cancel()
        await asyncio.wait([first])
        again = await eventually(
            partial(repeat, gateway, name, question("left")),
            lambda answer: answer.status != 409,
            within_s=LEFT_S,
        )
        assert again.status == 200
