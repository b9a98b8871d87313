"""The administration shows the money of budgets as the next call meets it: spent, held, left, resets."""

from __future__ import annotations

import asyncio
import html
import re

import pytest

from tests.support import sample
from tests.support.books.money import settled
from tests.support.clients import admin_client
from tests.support.clients.raw_calls import ask, question
from tests.support.servers.gateway import Gateway
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

SPENDER = "sk-spender.spender-secret"
CENT = {"price_input": 0, "price_output": 0, "pricing": {"request": 0.01}}


def config(endpoint):
    slow = sample.row("slow", "up-pages-slow", endpoint, **CENT)
    return {
        **sample.NO_LIMITS,
        "model_catalog": [sample.row("cent", "up-pages", endpoint, **CENT), slow],
        "bootstrap": {
            "admin_users": [admin_client.ROOT],
            "tenants": [{"name": name} for name in ("spender", "idle", "usual")],
            "api_keys": [sample.key("spender", SPENDER, budget_usd=0.5, budget_schedule="rolling_30d")],
            "tenant_budgets": [
                {"tenant": "spender", "budget_usd": 1, "refresh_schedule": "weekly"},
                {"tenant": "idle", "budget_usd": 2500, "refresh_schedule": "daily"},
            ],
        },
    }


@pytest.fixture(scope="module")
def gateway(upstream, tmp_path_factory):
    with Gateway(config(upstream.base_url), tmp_path_factory.mktemp("pages") / "data") as server:
        yield server


async def rows_of(browser, page):
    """Return the rows of a list as text, blanks made one."""
    shown = await browser.get(f"/admin/ui/{page}/")
    assert shown.status_code == 200
    rows = re.findall(r"<tr\b.*?</tr>", shown.text, re.DOTALL)
    return [" ".join(html.unescape(re.sub(r"<[^>]+>", " ", row)).split()) for row in rows]


async def row_with(browser, page, words):
    return next(row for row in await rows_of(browser, page) if words in row)


async def test_every_list_shows_spent_held_and_left_while_a_call_runs(gateway, upstream):
    upstream.script("up-pages", {})
    upstream.script("up-pages-slow", {"hold_before_head": True})
    for _ in range(3):
        assert (await ask(gateway.url, SPENDER, question("cent"))).status == 200
    await settled(gateway)
    async with gateway.client(follow_redirects=True) as browser:
        await admin_client.BackOffice(browser).log_in()
        running = asyncio.create_task(ask(gateway.url, SPENDER, question("slow")))
        await upstream.wait("arrived", model="up-pages-slow")

        weekly = await row_with(browser, "budgets/budget", "Weekly budget of spender")
        rolling = await row_with(
            browser, "budgets/budget", "Budget of the last 30 days of spender (sk-spender)"
        )
        idle = await row_with(browser, "budgets/budget", "Daily budget of idle")
        tenant = await row_with(browser, "tenants/tenant", "spender")
        usual = await row_with(browser, "tenants/tenant", "usual")
        key = await row_with(browser, "tenants/apikey", "sk-spender")
        upstream.release(model="up-pages-slow")
        assert (await running).status == 200

        assert "1.00 0.03 0.01 0.96 20" in weekly, "limit, spent, held, left, the date of its reset"
        assert "0.50 0.03 0.01 0.46 in part from 20" in rolling
        assert "2,500.00 0.00 0.00 2,500.00 20" in idle
        assert "0.03 of 1.00 USD, every week, from Monday held 0.01, left 0.96, resets 20" in tenant
        assert "0.00 of 1,000.00 USD, every calendar month" in usual, "what the configuration gives to all"
        assert "0.03 of 0.50 USD, the last 30 days held 0.01, left 0.46, resets in part from 20" in key

        async def after():
            return await row_with(browser, "budgets/budget", "Weekly budget of spender")

        await eventually(after, lambda row: "1.00 0.04 0.00 0.96" in row)
        await settled(gateway)
        windows = await rows_of(browser, "budgets/spendwindow")
        assert any("spender" in row and "0.04 0.00" in row and "tenant:" not in row for row in windows)
