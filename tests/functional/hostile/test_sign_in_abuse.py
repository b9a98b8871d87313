"""Attacks on the sign-in page: their limits, the cost, and which counters decide while Redis is unavailable
or has hostile values.
"""

from __future__ import annotations

import asyncio
import hashlib
import re
from pathlib import Path

import pytest
import redis
from django.core import signing

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.clients.sign_ins import EMAIL, RIGHT, Visitor, make_cheap, people
from tests.support.faults import hostile_pickle
from tests.support.servers.gateway import Gateway, merged
from tests.support.stores.redis_server import RedisServer
from tests.support.stores.templates import HAS_ITS_TABLES, prepared_postgres

PROXY = {"server": {"trusted_proxies": ["127.0.0.1"]}}
BUSY = "Too many sign-ins at the moment"
FORGED = ("another account's", "altered", "truncated", "empty", "another gateway's")


OWNER, OTHERS = "owner@example.com", [f"a{number}@example.com" for number in range(9)]


@pytest.fixture(scope="module")
def full_cost(upstream, closed_port, tmp_path_factory):
    """Yield a gateway whose passwords are hashed at their full cost, and its peak of memory (MB) before the first."""
    plan = merged(sample.config(upstream.base_url, closed_port), people(EMAIL), PROXY)
    with Gateway(plan, tmp_path_factory.mktemp("full_cost") / "data") as gateway:
        yield gateway, peak_mb(gateway.pid)


@pytest.fixture(scope="module")
def shared(upstream, closed_port, tmp_path_factory):
    """Yield a gateway for tests that each use accounts and addresses of their own: attempts are counted by both."""
    known = ("speller@example.com", "many@example.com", "known@example.com", OWNER, *OTHERS)
    own = people(*known, *map(forged_at, FORGED))
    plan = merged(sample.config(upstream.base_url, closed_port), own, PROXY)
    with Gateway(plan, tmp_path_factory.mktemp("shared") / "data") as gateway:
        make_cheap(gateway)
        yield gateway


def forged_at(what):
    return f"{re.sub('[^a-z]', '-', what)}@example.com"


@pytest.fixture(scope="module")
def shared_stores():
    """Yield a PostgreSQL and a Redis that tests here may break."""
    postgres, server = prepared_postgres(), RedisServer()
    try:
        postgres.start()
        server.start()
        yield postgres, server
    finally:
        server.kill()
        postgres.close()


@pytest.fixture
def production(gateway_factory, shared_stores):
    """Return a function that makes a gateway on these two stores."""
    postgres, server = shared_stores
    server.run("FLUSHALL")

    def make(section, *more):
        env = {"ROUTER_DB_URL": postgres.new_database(), "ROUTER_REDIS_URL": server.url, **HAS_ITS_TABLES}
        gateway = gateway_factory(people(EMAIL, *more) | {"server": section}, env=env)
        make_cheap(gateway)
        return gateway

    yield make
    server.kill()
    server.start()


async def test_concurrent_guesses_get_no_more_attempts_than_the_limit(full_cost):
    gateway, _ = full_cost
    async with gateway.client() as client:
        visitor = await Visitor(client, "203.0.113.4").open()
        tries = 0
        for _ in range(4):  # some are refused because too many come at once, and are sent again
            answers = await asyncio.gather(*(visitor.sign_in(f"wrong-{n}") for n in range(40)))
            assert {answer.status_code for answer in answers} <= {200, 429}
            tries += sum(answer.status_code == 200 for answer in answers)
            if all(BUSY not in answer.text for answer in answers):
                break
        assert tries <= 10
        refused = await visitor.sign_in(RIGHT)
        assert refused.status_code == 429
        assert 1 <= int(refused.headers["retry-after"]) <= 900


async def test_sign_ins_beyond_the_hashing_capacity_are_refused(full_cost):
    """Many accounts at once: what is neither hashed nor waits is 429 with Retry-After, and memory stays."""
    gateway, before = full_cost
    async with gateway.client() as client, gateway.client(sample.ALICE) as payer:
        visitor = await Visitor(client, "203.0.113.5").open()
        guesses = [visitor.sign_in("wrong", f"nobody-{number}@example.com") for number in range(40)]
        answers = await asyncio.gather(*guesses, payer.post("/v1/chat/completions", json=question("chat")))
        assert answers.pop().status_code == 200
    assert {answer.status_code for answer in answers} == {200, 429}
    for answer in answers:
        if answer.status_code == 429:
            assert BUSY in answer.text
            assert answer.headers["retry-after"] == "1"
    assert peak_mb(gateway.pid) - before < 200  # 40 hashes at once take more than 700


def peak_mb(pid):
    """Return the most memory a process ever had."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path(f"/proc/{pid}/status").read_text())
    assert found is not None
    return int(found[1]) // 1024


async def test_another_spelling_of_an_account_is_no_other_account(shared):
    """Capitals, spaces, a wide letter, a wide capital."""
    async with shared.client() as client:
        visitor = await Visitor(client, "203.0.113.1").open()
        codes = [(await visitor.sign_in("wrong", "speller@example.com")).status_code for _ in range(10)]
        assert codes == [200] * 10
        for spelling in (
            "SPELLER@example.com",
            " speller@example.com ",
            "\uff53peller@example.com",
            "speller@ex\uff21mple.com",
        ):
            assert (await visitor.sign_in("wrong", spelling)).status_code == 429, spelling


async def test_many_addresses_together_guess_slowly_at_one_account(shared):
    async with shared.client() as client:
        visitor = await Visitor(client).open()
        answers = [
            await visitor.sign_in("wrong", "many@example.com", f"192.0.2.{number}") for number in range(20)
        ]
        assert [answer.status_code for answer in answers] == [200] * 10 + [429] * 10
        assert all(int(answer.headers["retry-after"]) <= 90 for answer in answers[10:])
        assert (await visitor.sign_in("wrong", "someone@example.com", "192.0.2.99")).status_code == 200


async def test_guesses_of_others_do_not_lock_out_the_owner_of_an_account(shared):
    """A user that signed in once from this browser does so again, whatever others try, and from whichever address.

    Nor may one address guess for ever at many accounts.
    """
    async with shared.client() as theirs, shared.client() as own:
        owner = await Visitor(own, "203.0.113.6").open()
        assert (await owner.sign_in(RIGHT, OWNER)).status_code == 302
        await sign_out(owner, own)
        make_cheap(shared)
        strangers = await Visitor(theirs).open()
        for number in range(4):
            for _ in range(10):
                await strangers.sign_in("wrong", OWNER, f"203.0.113.{100 + number}")
        assert (await strangers.sign_in(RIGHT, OWNER, "203.0.113.200")).status_code == 429
        for spelling in (OWNER, OWNER.upper(), f" {OWNER}"):
            refused = await owner.sign_in(RIGHT.swapcase(), spelling)
            assert refused.status_code == 200, spelling
        assert (await owner.sign_in(RIGHT, OWNER)).status_code == 302
        await sign_out(owner, own)
        accounts = [*OTHERS * 10, *(f"nobody-{number}@example.com" for number in range(13))]
        guesses = [await strangers.sign_in("wrong", email, "203.0.113.7") for email in accounts]
        assert [answer.status_code for answer in guesses] == [200] * 100 + [429] * 3
        assert (await owner.sign_in(RIGHT, OWNER, "203.0.113.7")).status_code == 302


async def sign_out(visitor, client):
    client.cookies.delete("sessionid")
    await visitor.open()


async def test_guesses_of_a_known_device_are_limited_too(shared):
    email = "known@example.com"
    async with shared.client() as client:
        owner = await Visitor(client, "203.0.113.2").open()
        assert (await owner.sign_in(RIGHT, email)).status_code == 302
        await sign_out(owner, client)
        make_cheap(shared)
        codes = [(await owner.sign_in("wrong", email)).status_code for _ in range(12)]
        assert codes == [200] * 10 + [429] * 2


@pytest.mark.parametrize("what", FORGED)
async def test_forged_device_counts_as_an_unknown_one(shared, what):
    """What counts for it is the limit of all strangers together, which is over sooner than that of a known browser."""
    email, another = forged_at(what), forged_at("altered")
    name, value = await known_device(shared, email)
    if what == "another account's":
        _, value = await known_device(shared, another)
    elif what == "another gateway's":
        account = hashlib.sha256(email.encode()).hexdigest()
        value = signing.dumps(
            [account, "mine"], key="the secret of another one", salt="tenants.known_devices"
        )
    elif what == "altered":
        value = value[:-1] + ("A" if value[-1] != "A" else "B")
    else:
        value = value[:20] if what == "truncated" else ""
    make_cheap(shared)
    async with shared.client(cookies={name: value}) as client:
        visitor = await Visitor(client).open()
        tries = [await visitor.sign_in("wrong", email, f"198.51.100.{number}") for number in range(12)]
        assert [answer.status_code for answer in tries] == [200] * 10 + [429] * 2
        assert all(int(answer.headers["retry-after"]) <= 90 for answer in tries[10:])


async def known_device(gateway, email):
    """Sign in; return the cookie that makes the browser known."""
    async with gateway.client() as client:
        visitor = await Visitor(client, "203.0.113.3").open()
        assert (await visitor.sign_in(RIGHT, email)).status_code == 302
        [found] = [cookie for cookie in client.cookies.jar if "device-" in cookie.name]
        return found.name, found.value


async def test_while_redis_is_away_each_worker_counts_and_denies(production, shared_stores):
    """Loud, too: one line in the log, and a metric. What was guessed before still counts, and successes do not."""
    gateway = production({"workers": 1}, "before@example.com")
    async with gateway.client() as client:
        visitor = await Visitor(client).open()
        codes = [(await visitor.sign_in("wrong", "before@example.com")).status_code for _ in range(8)]
        shared_stores[1].kill()
        codes += [(await visitor.sign_in("wrong", "before@example.com")).status_code for _ in range(4)]
        assert codes == [200] * 10 + [429] * 2
        for _ in range(12):
            async with gateway.client() as own:
                assert (await (await Visitor(own).open()).sign_in(RIGHT)).status_code == 302
        make_cheap(gateway)
        codes = [(await visitor.sign_in("wrong")).status_code for _ in range(14)]
        assert codes == [200] * 10 + [429] * 4
        assert (await visitor.sign_in(RIGHT)).status_code == 429
        metrics = (await client.get("/metrics")).text
    assert re.search(rf"^gateway_login_fallbacks_total {4 + 12 + 14 + 1}\.0$", metrics, re.MULTILINE)
    assert [line["event"] for line in gateway.records()].count("sign_in.redis.failed") == 1


async def test_several_workers_share_the_limit_while_redis_is_away(production, shared_stores):
    gateway = production({"workers": 2})
    shared_stores[1].kill()
    codes = []
    for _ in range(30):
        async with gateway.client() as client:  # a connection of its own, taken by either worker
            codes.append((await (await Visitor(client).open()).sign_in("wrong")).status_code)
    assert codes.count(200) <= 10
    assert set(codes) <= {200, 429}


async def test_hostile_values_in_redis_run_nothing_and_break_no_sign_in(production, shared_stores, tmp_path):
    """What is overwritten in Redis is counted in the process beside it, so that no attempt is gained by it.

    Values of every kind: integration/tenants/sign_in/test_attempt_counters.py.
    """
    mark, kinds = tmp_path / "ran", ("pickle-0", "pickle-5", "many-digits")
    values = hostile_pickle.values(mark)
    gateway = production(PROXY["server"] | {"workers": 1}, *(f"{kind}@example.com" for kind in kinds))
    async with gateway.client() as client:
        visitor = await Visitor(client).open()
        for number, kind in enumerate(kinds):
            value = values[kind]
            email, address = f"{kind}@example.com", f"192.0.2.{number}"
            assert (await visitor.sign_in("wrong", email, address)).status_code == 200
            assert poison(shared_stores[1], value) >= 3
            codes = [(await visitor.sign_in("wrong", email, address)).status_code for _ in range(10)]
            assert codes == [200] * 9 + [429], kind
    assert not mark.exists()


def poison(server, value):
    """Overwrite everything that the sign-ins keep in Redis; return how many values that were."""
    with redis.Redis(port=server.port) as client:
        names = [*client.scan_iter("*attempts*"), *client.scan_iter("gateway:cache*")]
        for name in names:
            client.set(name, value)
        return len(names)
