"""The tenant of a window after Redis has lost it: a key's money counts, whichever worker posts it."""

from __future__ import annotations

from budgets.admission.interface import AdmissionRequest, BudgetRule, Limits, ScopeRules, WindowTotal
from budgets.redis.admission import RedisAdmission
from budgets.redis.scope_request import scope_request
from tests.integration.budgets.redis_workers import Crew
from tests.support.stores.redis_server import RedisServer

LIMIT, COST = 1000, 100
Scopes = tuple[ScopeRules, ...]


def both(tenant: int) -> Scopes:
    return (
        ScopeRules(f"key:{tenant}0", Limits(), (BudgetRule(LIMIT),)),
        ScopeRules(f"tenant:{tenant}", Limits(), (BudgetRule(100 * LIMIT),)),
    )


def key_only(tenant: int) -> Scopes:
    return (ScopeRules(f"key:{tenant}0", Limits(), (BudgetRule(LIMIT),)), ScopeRules(f"tenant:{tenant}"))


async def ship(crew: Crew, worker: RedisAdmission, scopes: Scopes, name: str) -> None:
    """Write the call into the ledger, and let this worker post the totals."""
    crew.ledger.spent, crew.ledger.version = crew.ledger.spent + COST, crew.ledger.version + 1
    bounds = scope_request(scopes, worker._now()).bounds  # noqa: SLF001
    posts = [WindowTotal(bound.key, crew.ledger.spent, crew.ledger.version) for bound in bounds]
    await worker.publish_totals(posts, [name], is_adopted=True)


async def spent(worker: RedisAdmission, scopes: Scopes) -> int:
    limit_status = await worker.status(scopes)
    assert limit_status.budget is not None
    assert limit_status.budget.held_nanousd == 0
    return limit_status.budget.spent_nanousd


async def all_that_fits(crew: Crew, scopes: Scopes) -> int:
    """Make and ship calls, each by the next worker, until one is refused; return how many were granted."""
    for granted in range(2 * LIMIT // COST):
        name = await crew.ask(scopes, COST)
        if name == "budget":
            return granted
        await crew.settle(name, COST)
        await ship(crew, crew.workers[crew.serial % len(crew.workers)], scopes, name)
    return 2 * LIMIT // COST


def calls_in_redis(redis_server: RedisServer, tenant: int) -> int:
    return int(redis_server.run("HLEN", f"omg:{{t{tenant}}}:calls")[1:]) - 1  # without the mark


def forget_owners(redis_server: RedisServer) -> None:
    """Let no owner be stored, and no worker read one."""
    redis_server.run(
        "EVAL", "redis.call('DEL', KEYS[1]); redis.call('HSET', KEYS[1], '=', 1)", "1", "omg:owners"
    )


async def test_the_tenant_of_a_key_is_stored_again_after_data_loss(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 1) as crew:
        [worker], scopes = crew.workers, both(70)
        await spent(worker, scopes)
        redis_server.run("FLUSHALL")
        await spent(worker, scopes)
        assert b"t70" in redis_server.run("HGET", "omg:owners", "key:700")


async def test_a_keys_budget_is_exact_after_a_loss_with_workers_that_never_prepared_it(
    redis_server: RedisServer,
) -> None:
    async with Crew(redis_server.url, 3) as crew:
        scopes = both(71)
        await spent(crew.workers[0], scopes)
        redis_server.run("FLUSHALL")
        await spent(crew.workers[0], scopes)
        assert await all_that_fits(crew, scopes) == LIMIT // COST


async def test_a_worker_that_cannot_look_up_a_keys_tenant_still_posts_its_own_calls(
    redis_server: RedisServer,
) -> None:
    async with Crew(redis_server.url, 3) as crew:
        scopes = both(72)
        await spent(crew.workers[0], scopes)
        forget_owners(redis_server)
        assert await all_that_fits(crew, scopes) == LIMIT // COST
        assert calls_in_redis(redis_server, 72) == 0


async def test_a_dead_workers_calls_stay_counted_until_their_keys_tenant_is_known(
    redis_server: RedisServer,
) -> None:
    async with Crew(redis_server.url, 2) as crew:
        first, other = crew.workers
        scopes = key_only(73)
        await crew.ask(key_only(74), 0)  # so that the next one is the first worker's
        name = await crew.ask(scopes, COST)
        await crew.settle(name, COST)
        forget_owners(redis_server)
        await ship(crew, other, scopes, name)
        assert await spent(first, scopes) == COST
        assert calls_in_redis(redis_server, 73) == 1  # what was not told is not forgotten
        redis_server.run("HSET", "omg:owners", "key:730", "t73")
        await other.publish_totals([], [])
        assert await spent(first, scopes) == COST
        assert calls_in_redis(redis_server, 73) == 0


async def test_a_deleted_scope_tenant_is_loaded_again(redis_server: RedisServer) -> None:
    async with Crew(redis_server.url, 2) as crew:
        first, other = crew.workers
        for tenant in (75, 76, 77):
            scopes = key_only(tenant)
            crew.ledger.spent, name = 0, f"call-of-{tenant}"
            await first.admit(AdmissionRequest(name, scopes, 1, COST))  # the other one has never received it
            await first.settle(name, 1, COST)
            redis_server.run("DEL", "omg:owners")
            await ship(crew, other, scopes, name)
            assert b"t%d" % tenant in redis_server.run("HGET", "omg:owners", f"key:{tenant}0")
