"""Calls of unknown outcome: their windows count the bound, and making them exact frees the rest, once."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import msgspec
import pytest
from django.db.models import Sum
from prometheus_client import CollectorRegistry

from budgets.admission.interface import Return, WindowKey, WindowTotal
from budgets.models import SpendWindow
from catalog.pricing.prices import cost
from gateway.config import Config
from gateway.config.sections.process import Metering, Retention
from gateway.observability.metrics import Metrics
from metering.journal.reader import Call
from metering.journal.records import Close
from metering.ledger import write
from metering.ledger.exports import Period
from metering.ledger.spend_windows import load_windows
from metering.models import HourlyUsage, Settlement, UsageEvent
from metering.reconciliation.ledger import wrong_receipts, wrong_windows
from metering.reports.retention import expire
from metering.reports.rollup import roll_up
from metering.settlement.late_settlement import ByCost, ByPolicy, ByUsage, Known, NoPrice, UnknownCall, settle
from metering.settlement.news import SettlementReader, read_settled, settle_due
from metering.settlement.unsettled_money import unsettled_by_deployment
from metering.unknown_usage import Bounds
from providers.usage import ToolCount, Usage
from tenants.audit import Actor
from tenants.models import AuditEvent
from tests.integration.metering.shipping import JULY, KEY_JULY, TENANT_JULY, Posts
from tests.support.books.calls import CLOSED_COST, NOON, SHEET, closed, opened

pytestmark = pytest.mark.django_db(transaction=True)

NOW = datetime.fromtimestamp(NOON + 60, UTC)
BOUND = 1_000_000_000
REST = BOUND - CLOSED_COST
ME = Actor("me")
SMALL = Usage(input_tokens=100, output_tokens=20)
HUGE = Usage(input_tokens=100, output_tokens=20_000)


def unknown(name: str, at: float = NOON, *, tenant: int = 3) -> Call:
    begun = msgspec.structs.replace(
        opened(name, at=at, tenant=tenant), hold_nanousd=BOUND, is_bound=True, most_output=1_000
    )
    end = closed(name, at=at + 1, status="cancelled")
    bounds = Bounds(bound_nanousd=BOUND, is_bound=True, most_output=1_000, sheet=SHEET)
    unsure: Close = msgspec.structs.replace(end, unsettled_nanousd=REST, decision=[bounds.facts()])
    return Call(begun, unsure)


def totals() -> dict[str, tuple[int, int]]:
    """Return what is counted and how much of it is unsettled, by scope."""
    rows = SpendWindow.objects.values_list("scope", "spent_nanousd", "unsettled_nanousd")
    return {scope: (counted, unsettled) for scope, counted, unsettled in rows}


def everything_agrees() -> bool:
    return not wrong_windows(Period()) and not list(wrong_receipts(Period()))


def test_what_is_unsettled_is_shown_by_deployment() -> None:
    assert unsettled_by_deployment() == []
    elsewhere = unknown("c")
    moved = msgspec.structs.replace(elsewhere.close, deployment="west", unsettled_nanousd=5 * REST)
    write.write([unknown("a"), unknown("b"), Call(elsewhere.open, moved), Call(opened("d"), closed("d"))])
    found = unsettled_by_deployment()
    assert (found[0].deployment, found[0].calls, found[0].nanousd) == ("west", 1, 5 * REST)
    assert sum(each.nanousd for each in found) == 7 * REST
    metrics = Metrics(registry := CollectorRegistry())
    metrics.show_unsettled(found)
    labels = {"provider": moved.provider, "deployment": "west"}
    assert registry.get_sample_value("gateway_unsettled_usd", labels) == 5 * REST / 10**9
    assert registry.get_sample_value("gateway_unsettled_calls", labels) == 1
    settle("c", ByCost(5), ME, NOW)
    metrics.show_unsettled(unsettled_by_deployment())
    assert registry.get_sample_value("gateway_unsettled_usd", labels) is None


def test_a_window_that_is_known_counts_cost_and_what_is_unsettled() -> None:
    load_windows([TENANT_JULY, KEY_JULY])
    written = write.write([unknown("a"), unknown("b"), Call(opened("c"), closed("c"))])
    assert totals() == dict.fromkeys(("tenant:3", "key:7"), (2 * BOUND + CLOSED_COST, 2 * REST))
    assert {post.unsettled_nanousd for post in written.posts} == {2 * REST}
    assert {post.added_nanousd for post in written.posts} == {2 * BOUND + CLOSED_COST}
    assert everything_agrees()


def test_a_window_that_is_made_later_counts_the_same() -> None:
    write.write([unknown("a"), Call(opened("c"), closed("c"))])
    load_windows([TENANT_JULY])
    assert totals() == {"tenant:3": (BOUND + CLOSED_COST, REST)}
    assert everything_agrees()


@pytest.mark.parametrize(
    ("known", "paid", "disputed"),
    [
        (ByUsage(SMALL), cost(SMALL, SHEET), 0),
        (ByUsage(HUGE), 100 * 150_000 + 1_000 * 600_000, 19_000 * 600_000),  # up to the cap
        (ByCost(0), 0, 0),
        (ByCost(CLOSED_COST + 1), CLOSED_COST + 1, 0),
        (ByCost(BOUND), BOUND, 0),
        (ByCost(BOUND + 7), BOUND, 7),
        (ByPolicy("estimate"), CLOSED_COST, 0),
        (ByPolicy("bound"), BOUND, 0),
    ],
)
def test_a_settled_call_counts_what_it_cost_and_the_rest_is_free_again(
    known: Known, paid: int, disputed: int
) -> None:
    load_windows([TENANT_JULY, KEY_JULY])
    write.write([unknown("a"), unknown("b")])
    outcome = settle("a", known, ME, NOW)
    assert (outcome.cost_nanousd, outcome.freed_nanousd, outcome.disputed_nanousd) == (
        paid,
        BOUND - paid,
        disputed,
    )
    assert totals() == dict.fromkeys(("tenant:3", "key:7"), (BOUND + paid, REST))
    row = UsageEvent.objects.get(id="a")
    assert (row.cost_nanousd, row.unsettled_nanousd) == (paid, 0)
    assert everything_agrees()


def test_settling_twice_counts_the_first_time_only() -> None:
    load_windows([TENANT_JULY])
    write.write([unknown("a")])
    settle("a", ByCost(5), ME, NOW)
    for again in (ByCost(5), ByCost(BOUND), ByUsage(HUGE), ByPolicy("bound")):
        assert settle("a", again, ME, NOW).was_exact
    assert totals() == {"tenant:3": (5, 0)}
    assert Settlement.objects.count() == 1


def test_a_call_that_is_exact_stays_as_it_is() -> None:
    write.write([Call(opened("c"), closed("c"))])
    assert settle("c", ByCost(0), ME, NOW).was_exact
    assert UsageEvent.objects.get(id="c").cost_nanousd == CLOSED_COST


def test_a_call_that_comes_again_from_its_journal_stays_settled() -> None:
    load_windows([TENANT_JULY])
    write.write([unknown("a")])
    settle("a", ByCost(5), ME, NOW)
    write.write([unknown("a")])
    assert totals() == {"tenant:3": (5, 0)}


def test_an_unknown_call_cannot_be_settled() -> None:
    with pytest.raises(UnknownCall):
        settle("nobody", ByCost(0), ME, NOW)


def test_usage_without_a_stored_price_changes_nothing() -> None:
    call = unknown("a")
    write.write([Call(call.open, msgspec.structs.replace(call.close, decision=[]))])
    with pytest.raises(NoPrice):
        settle("a", ByUsage(SMALL), ME, NOW)
    assert UsageEvent.objects.get(id="a").unsettled_nanousd == REST


def test_what_a_person_settles_is_in_the_audit_trail() -> None:
    write.write([unknown("a")])
    settle("a", ByCost(5), ME, NOW)
    event = AuditEvent.objects.get(action="settle")
    assert (event.actor, event.resource_id) == ("me", "a")
    assert event.before is not None
    assert event.after is not None
    assert (event.before["unsettled_nanousd"], event.after["cost_nanousd"]) == (REST, 5)


def test_serving_processes_receive_the_new_totals_once() -> None:
    load_windows([TENANT_JULY, KEY_JULY])
    write.write([unknown("a"), unknown("b"), unknown("c", tenant=4)])
    for name in "abc":
        settle(name, ByCost(5), ME, NOW)
    news = read_settled(0, NOW - timedelta(days=1))
    assert {(post.window, post.spent_nanousd, post.unsettled_nanousd) for post in news.posts} == {
        (TENANT_JULY, 10, 0),
        (KEY_JULY, 15, 0),
    }
    assert all(post.added_nanousd is None for post in news.posts)  # a total, which may be lower than before
    assert read_settled(news.last, NOW - timedelta(days=1)).posts == []
    assert read_settled(0, NOW + timedelta(seconds=1)).posts == []


async def test_a_process_posts_the_totals_it_receives(posts: Posts) -> None:
    async def here(work, *arguments):
        from asgiref.sync import sync_to_async  # noqa: PLC0415

        return await sync_to_async(work)(*arguments)

    def make() -> None:
        load_windows([TENANT_JULY])
        write.write([unknown("a")])
        settle("a", ByCost(5), ME, NOW)

    await here(make)
    listening = SettlementReader(posts, here, lambda: NOW)
    await listening.publish_settled()
    assert posts.totals[TENANT_JULY].spent_nanousd == 5
    posts.totals.clear()
    await listening.publish_settled()
    assert posts.totals == {}


@pytest.mark.parametrize(("policy", "paid"), [("estimate", CLOSED_COST), ("bound", BOUND)])
def test_usage_not_reported_in_time_is_settled_by_policy(settings, policy: str, paid: int) -> None:
    settings.GATEWAY = Config(metering=Metering(unsettled=policy, unsettled_after=3600.0))
    load_windows([TENANT_JULY])
    write.write([unknown("old", NOON - 3661), unknown("young", NOON - 3000)])
    assert settle_due(datetime.fromtimestamp(NOON, UTC)) == 1
    assert totals() == {"tenant:3": (BOUND + paid, REST)}
    assert UsageEvent.objects.get(id="old").estimated
    assert not AuditEvent.objects.exists()
    assert settle_due(datetime.fromtimestamp(NOON, UTC)) == 0


def test_hours_are_added_up_anew() -> None:
    write.write([unknown("a")])
    roll_up(NOW + timedelta(hours=2))
    settle("a", ByCost(5), ME, NOW)
    roll_up(NOW + timedelta(hours=3))
    assert HourlyUsage.objects.aggregate(all=Sum("cost_nanousd"))["all"] == 5


def test_a_call_that_is_unsettled_does_not_expire() -> None:
    write.write([unknown("a"), Call(opened("older", at=NOON - 7200), closed("older", at=NOON - 7199))])
    later = NOW + timedelta(days=60)
    assert expire(later, Retention(metadata_days=30)).calls == 1
    settle("a", ByCost(5), ME, later)
    assert expire(later, Retention(metadata_days=30)).calls == 1


def test_a_window_of_another_month_is_left_alone() -> None:
    june = WindowKey("tenant:3", "calendar_month", "UTC", datetime(2026, 6, 1, tzinfo=UTC).timestamp())
    load_windows([TENANT_JULY, june])
    write.write([unknown("a", JULY - 1), unknown("b", JULY)])
    settle("b", ByCost(5), ME, NOW)
    found: list[WindowTotal] = load_windows([TENANT_JULY, june])
    assert [(post.spent_nanousd, post.unsettled_nanousd) for post in found] == [(5, 0), (BOUND, REST)]


def test_settling_changes_every_rolling_window_and_the_day_that_hold_the_call() -> None:
    day = 86_400.0
    midnight = NOON // day * day
    starts = [
        midnight - 6 * day,
        midnight - 5 * day,
        midnight - 13 * day,
    ]  # of seven days; the last one ended before
    keys = [WindowKey("tenant:3", "rolling_7d", "UTC", start) for start in starts]
    daily = WindowKey("tenant:3", "daily", "UTC", midnight)
    load_windows([keys[0]])
    write.write([unknown("a"), Call(opened("c", at=NOON - day), closed("c", at=NOON - day + 1))])
    load_windows([keys[1], keys[2]])  # made of the rows of their days
    before = {post.window: post for post in load_windows([*keys, daily])}
    assert before[keys[1]].spent_nanousd == BOUND + CLOSED_COST
    assert (before[daily].spent_nanousd, before[daily].unsettled_nanousd) == (BOUND, REST)
    tomorrow = before[keys[1]].returns
    assert tomorrow is not None
    settle("a", ByCost(5), ME, NOW)
    after = {post.window: post for post in load_windows([*keys, daily])}
    assert [after[key].spent_nanousd for key in keys] == [5 + CLOSED_COST, 5 + CLOSED_COST, 0]
    assert (after[daily].spent_nanousd, after[daily].unsettled_nanousd) == (5, 0)
    news = {post.window: post for post in read_settled(0, NOW - timedelta(days=1)).posts}
    assert set(news) == {keys[0], keys[1], daily}
    assert all(post == after[window] for window, post in news.items())
    assert everything_agrees()


def test_a_day_that_settling_has_emptied_returns_nothing() -> None:
    day = 86_400.0
    key = WindowKey("tenant:3", "rolling_7d", "UTC", NOON // day * day - 5 * day)  # its last day is tomorrow
    load_windows([msgspec.structs.replace(key, start=key.start - day), key])
    write.write([unknown("a")])
    [before] = load_windows([key])
    settle("a", ByCost(0), ME, NOW)
    [news] = [post for post in read_settled(0, NOW - timedelta(days=1)).posts if post.window == key]
    assert before.returns is not None
    assert news.returns is not None
    assert (before.returns.nanousd, news.returns.nanousd) == (BOUND, 0)
    assert (
        Return.newer(news.returns, before.returns)
        is news.returns
        is Return.newer(before.returns, news.returns)
    )


def test_a_usage_of_very_many_tools_is_kept_as_few() -> None:
    write.write([unknown("a")])
    tools = tuple([ToolCount(f"tool_{number}", 1) for number in range(999)])
    settle("a", ByUsage(msgspec.structs.replace(SMALL, tool_calls=tools)), ME, NOW)
    assert len(UsageEvent.objects.get(pk="a").usage["tool_calls"]) == 32
