"""Every call that a client got an id for is found afterwards: what was refused, and what never reached a provider."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from tests.support import sample
from tests.support.books.money import samples
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.commands import run_each
from tests.support.servers.gateway import Gateway
from tests.support.servers.ports import full_port, plain_port
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

OPEN = "sk-open.open-secret"
POOR = "sk-poor.poor-secret"
SLOW = "sk-slow.slow-secret"
FEW = "sk-few.few-secret"
PAST = "sk-past.past-secret"
GONE = "sk-gone.gone-secret"
CHAT = "/v1/chat/completions"


def said(*parts):
    return {"messages": [{"role": "user", "content": list(parts)}]}


PICTURE = said({"type": "image_url", "image_url": {"url": "https://example.com/a.png"}})
SOUND = said({"type": "input_audio", "input_audio": {"data": "https://example.com/a.mp3", "format": "mp3"}})


def config(endpoint, closed_port, mute_port, plain_port):
    def nowhere(alias, address, **more):
        return sample.row(alias, f"up-{alias}", address, **more)

    return {
        **sample.NO_LIMITS,
        "model_catalog": [
            sample.row("logged", "up-logged", endpoint),
            nowhere("refuses", f"http://127.0.0.1:{closed_port}/v1", deployment="refuses-1"),
            nowhere("no-such-host", "http://no-such-host.invalid/v1"),
            nowhere("no-tls", f"https://127.0.0.1:{plain_port}/v1"),
            nowhere("mute", f"http://127.0.0.1:{mute_port}/v1", timeouts={"connect": "300ms"}),
        ],
        "bootstrap": {
            "tenants": [{"name": "loggers"}, {"name": "sleepers", "status": "suspended"}],
            "api_keys": [
                sample.key("loggers", OPEN),
                sample.key("loggers", POOR, budget_usd=0.005),
                sample.key("loggers", SLOW, rate_limit={"requests_per_minute": 1}),
                sample.key("loggers", FEW, scopes=["embeddings"]),
                sample.key("loggers", PAST, expires_at="2020-01-01T00:00:00Z"),
                sample.key("loggers", GONE),
            ],
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    data_dir = tmp_path_factory.mktemp("request-log") / "data"
    with (
        full_port() as mute,
        plain_port() as plain,
        Gateway(config(upstream.base_url, closed_port, mute, plain), data_dir) as server,
    ):
        yield server


FIELDS = (
    "tenant, api_key_prefix, model, http_status, error_code, figures, decision, message, path, alike, client"
)


async def logged(gateway, call_id):
    """Wait for the entry of a call and return it."""
    statement = f"SELECT {FIELDS} FROM metering_loggedrequest WHERE id = ?"  # noqa: S608 - names of ours
    [row] = await eventually(lambda: asyncio.to_thread(gateway.sql, statement, call_id))
    found = dict(zip(FIELDS.split(", "), row, strict=True))
    return found | {name: json.loads(found[name]) for name in ("figures", "decision")}


async def told(gateway, *answers):
    for answer in answers:
        await logged(gateway, answer.id)
    done = await asyncio.to_thread(run_each, gateway, *(["explain", answer.id] for answer in answers))
    assert {code for code, _ in done} == {0}
    return ["\n".join(lines) for _, lines in done]


async def line_of(gateway, answer):
    """Wait for the line of a call in the access log, which a thread writes."""

    def find():
        return [each for each in gateway.records() if each.get("id") == answer.id]

    return (await eventually(find))[0]


async def test_budget_refusal_has_its_amounts_and_what_made_it_expensive(gateway):
    uncapped = await ask(gateway.url, POOR, question("logged", n=5))
    pictured = await ask(gateway.url, POOR, {"model": "logged", "max_tokens": 1, **PICTURE})
    odd = await ask(gateway.url, POOR, question("logged", max_tokens=1, an_unknown_member="x"))
    heard = await ask(gateway.url, POOR, {"model": "logged", "max_tokens": 1, **SOUND})
    assert {each.error["code"] for each in (uncapped, pictured, odd, heard)} == {"insufficient_quota"}
    entry = await logged(gateway, uncapped.id)
    assert (entry["tenant"], entry["api_key_prefix"], entry["model"]) == ("loggers", "poor", "logged")
    assert (entry["http_status"], entry["error_code"]) == (429, "insufficient_quota")
    assert entry["figures"]["budget"] == uncapped.error["budget"]
    stories = await told(gateway, uncapped, pictured, odd, heard)
    assert "The monthly budget of the key is 0.005 USD, of which 0.00 were spent" in stories[0]
    assert "It stated no limit of its output, so 1,024 tokens were reckoned" in stories[0]
    assert "It asked for 5 answers, and each was reckoned." in stories[0]
    assert "The size of 1 of its pictures is not known" in stories[1]
    assert "The size of messages[0].content.input_audio is not known" in stories[3]
    assert "the model's whole context window of 8,192 tokens was reckoned" in stories[3]
    assert "What an_unknown_member costs is not known here" in stories[2]
    assert "The client got HTTP 429 (insufficient_quota)" in stories[0]
    line = await line_of(gateway, uncapped)
    assert (line["rule"], line["scope"], line["limit_usd"], line["needed_usd"]) == (
        "budget",
        "key",
        "0.005",
        uncapped.error["budget"]["needed_usd"],
    )


async def test_a_refusal_for_a_rate_says_which_limit(gateway):
    first = await ask(gateway.url, SLOW, question("logged"))
    second = await ask(gateway.url, SLOW, question("logged"))
    assert (first.status, second.status) == (200, 429)
    [story] = await told(gateway, second)
    assert "The key may make 1 requests a minute; 0 were left." in story
    line = await line_of(gateway, second)
    assert (line["rule"], line["scope"], line["limit"], line["remaining"]) == ("requests", "key", 1, 0)
    assert (line["tenant"], line["key"]) == ("loggers", "slow")


REFUSALS: tuple[tuple[str, dict[str, Any], str, int, str], ...] = (  # key, body, path, status, code
    (OPEN, question("nowhere"), CHAT, 404, "model_not_found"),
    (OPEN, {"model": "logged"}, CHAT, 400, "missing_required_parameter"),
    (FEW, question("logged"), CHAT, 403, "scope_not_allowed"),
    (PAST, question("logged"), CHAT, 401, "invalid_api_key"),
    (OPEN, {}, "/v1/nowhere", 404, "not_found"),
    (OPEN, {}, "/v1/models", 405, "method_not_allowed"),
)


async def test_every_other_refusal_is_found_with_its_key_and_its_tenant(gateway):
    answers = [await ask(gateway.url, key, body, path=path) for key, body, path, _, _ in REFUSALS]
    for answer, (key, _, _, status, code) in zip(answers, REFUSALS, strict=True):
        entry = await logged(gateway, answer.id)
        assert (answer.status, entry["http_status"], entry["error_code"]) == (status, status, code)
        assert (entry["tenant"], entry["api_key_prefix"]) == ("loggers", key[3:].partition(".")[0])
        assert entry["message"] == answer.error["message"]
        line = await line_of(gateway, answer)
        assert (line["tenant"], line["key"]) == ("loggers", entry["api_key_prefix"])


async def test_a_revoked_key_is_named_and_its_tenant_too(gateway):
    assert (await ask(gateway.url, GONE, question("logged"))).status == 200
    await asyncio.to_thread(gateway.manage, "revoke", "gone")

    async def refused():
        return await ask(gateway.url, GONE, question("logged"))

    # The second by memory, or by the other worker, which may receive it a moment later.
    first, second = [await eventually(refused, lambda answer: answer.status == 401) for _ in range(2)]
    for each in (first, second):
        entry = await logged(gateway, each.id)
        assert (entry["tenant"], entry["api_key_prefix"]) == ("loggers", "gone")
        assert entry["client"] == "127.0.0.1"
        line = await line_of(gateway, each)
        assert (line["status"], line["tenant"], line["key"]) == (401, "loggers", "gone")
    [story] = await told(gateway, first)
    assert "Key gone of tenant loggers. The key is known, and is not in force any more." in story


UNKNOWN = {  # and what is kept of it
    "sk-open.not-its-secret": "open",  # a guess: the prefix is public, the tenant is not charged with it
    "sk-nobody.nobody-secret": "nobody",
    "sk-abcdefghijklmnopqrstuvwxyz012345.mnopq0": "abcdefghijkl…",
    "sk-proj-0123456789abcdefghijklmnop": "",
    "0123456789abcdef": "",
    "sk-ant-api03-" + "x" * 90: "",
}


async def test_only_a_safe_part_of_an_unknown_key_is_kept(gateway):
    answers = [await ask(gateway.url, key, question("logged")) for key in UNKNOWN]
    for answer, (key, kept) in zip(answers, UNKNOWN.items(), strict=True):
        entry = await logged(gateway, answer.id)
        assert (answer.status, entry["tenant"], entry["api_key_prefix"]) == (401, "", kept)
        secret = key.partition(".")[2] or key[8:]
        assert secret not in json.dumps(entry)
        assert secret not in "\n".join(gateway.logs())


async def test_keys_in_the_wrong_place_are_not_kept(gateway):
    as_model = await ask(gateway.url, OPEN, question(OPEN))
    as_path = await ask(gateway.url, OPEN, {}, path=f"/v1/models/{OPEN}/x")
    for answer in (as_model, as_path):
        assert "open-secret" not in json.dumps(await logged(gateway, answer.id))
        line = await line_of(gateway, answer)
        assert "open-secret" not in json.dumps(line)


async def test_text_that_no_database_accepts_is_cleaned_and_kept(gateway):
    names = [f"odd{text}"[:256] for text in ("\0", "\n{}", "\u202eabc", "x" * 300)]
    for answer in [await ask(gateway.url, OPEN, question(name)) for name in names]:
        entry = await logged(gateway, answer.id)
        assert entry["model"].startswith("odd")
        assert entry["model"].isprintable()


NOWHERE = ("refuses", "no-such-host", "no-tls", "mute")


async def test_call_that_never_reached_a_provider_has_its_attempts(gateway):
    calls = [(model, stream) for model in NOWHERE for stream in (False, True)]
    answers = await asyncio.gather(
        *(ask(gateway.url, OPEN, question(model, stream=stream)) for model, stream in calls)
    )
    stories = await told(gateway, *answers)
    for (model, _), answer, story in zip(calls, answers, stories, strict=True):
        assert answer.status in {502, 504}, model
        entry = await logged(gateway, answer.id)
        tries = [each for each in entry["decision"] if "outcome" in each]
        tried = int(answer.headers["x-gateway-attempts"])
        assert [each["deployment"] for each in tries] == [f"{model}-1"] * tried
        assert f"  1. {model}-1 (openai-compatible): failed as " in story
        assert "It never reached a provider, so it cost nothing and is not in the ledger." in story
        line = await line_of(gateway, answer)
        assert len(line["tried"]) == len(tries)
        assert line["tried"][0].startswith(f"{model}-1 (openai-compatible): ")


async def test_calls_answered_without_a_provider_are_found_too(gateway):
    async with gateway.client(OPEN) as client:
        listed = await client.get("/v1/models")
        tried = await client.post("/v1/gateway/simulate", json=question("logged"))
        first = await client.post(CHAT, json=question("logged"), headers={"Idempotency-Key": "once"})
        again = await client.post(CHAT, json=question("logged"), headers={"Idempotency-Key": "once"})
    ids = [each.headers["x-request-id"] for each in (listed, tried, again)]
    entries = [await logged(gateway, call) for call in ids]
    assert [entry["http_status"] for entry in entries] == [200, 200, 200]
    assert entries[2]["figures"] == {"replay": {"original": first.headers["x-request-id"]}}
    [(code, story)] = await asyncio.to_thread(run_each, gateway, ["explain", ids[2]])
    assert code == 0
    assert any(first.headers["x-request-id"] in line for line in story)


async def test_flood_of_refusals_is_counted_in_one_row(gateway):
    """Beyond its pace a kind of refusal costs a count; nothing of it is lost without a trace."""

    async def counted():
        rows = await asyncio.to_thread(
            gateway.sql,
            "SELECT COUNT(*), COALESCE(SUM(alike), 0) FROM metering_loggedrequest WHERE api_key_prefix = 'few'",
        )
        return rows[0]

    kept_before = sum(await counted())
    before = after = await samples(gateway)
    dropped = 'gateway_request_log_dropped_total{reason="rolled_up"}'
    flood = 0
    async with gateway.client(FEW) as client:
        while (
            after.get(dropped, 0) - before.get(dropped, 0) <= 100
        ):  # a slow one is kept as it comes: 5 a second
            assert flood < 6_000
            for _ in range(8):
                answers = await asyncio.gather(*(client.post(CHAT, json={}) for _ in range(20)))
                flood += len(answers)
                assert {answer.status_code for answer in answers} == {403}
            after = await samples(gateway)

    rows, alike = await eventually(counted, lambda found: sum(found) >= kept_before + flood)
    after = await samples(gateway)
    assert alike > 100
    assert rows < flood
    assert after[dropped] - before.get(dropped, 0) == alike
    [(code, said)] = await asyncio.to_thread(run_each, gateway, ["explain", "req_" + "0" * 32])
    assert (code, said) == (1, [])
