"""A key that is made or revoked, in Django admin or in a shell, counts in the running gateway.

How soon: at once where it was done, and POLL_S later elsewhere (tests/unit/gateway/invalidation/test_watcher.py).
"""

from __future__ import annotations

import re

import pytest

from tests.support import sample
from tests.support.clients import admin_client
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway, merged
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

CHAT = "/v1/chat/completions"


@pytest.fixture(scope="module")
def gateway(upstream, closed_port, tmp_path_factory):
    config = merged(
        sample.config(upstream.base_url, closed_port), {"bootstrap": {"admin_users": [admin_client.ROOT]}}
    )
    with Gateway(config, tmp_path_factory.mktemp("keys") / "data") as server:
        yield server


async def status(gateway, key):
    async with gateway.client(key) as client:
        return (await client.post(CHAT, json=question("chat"))).status_code


async def becomes(gateway, key, wanted):
    """Wait until the key gets this status."""
    await eventually(lambda: status(gateway, key), lambda got: got == wanted)


async def test_a_key_revoked_in_admin_stops_working(gateway):
    assert await status(gateway, sample.BOB) == 200
    async with gateway.client(follow_redirects=True) as browser:
        office = admin_client.BackOffice(browser)
        await office.log_in()
        await office.act_on_key("bob", "revoke")
    await becomes(gateway, sample.BOB, 401)
    assert await status(gateway, sample.ALICE) == 200


async def test_a_key_made_in_admin_is_shown_once_and_works(gateway):
    async with gateway.client(follow_redirects=True) as browser:
        office = admin_client.BackOffice(browser)
        await office.log_in()
        tenants = await browser.get("/admin/ui/tenants/tenant/", params={"q": "alice-co"})
        tenant = admin_client.found_in(tenants, r"/tenants/tenant/(\d+)/change/")
        inlines = {
            f"{prefix}-{name}": number
            for prefix in await formsets(browser)
            for name, number in (("TOTAL_FORMS", "0"), ("INITIAL_FORMS", "0"))
        }
        shown = await office.submit(
            "/admin/ui/tenants/apikey/add/", tenant=tenant, name="made", priority="interactive", **inlines
        )
        found = re.search(r"sk-[a-z0-9A-Z_-]+\.[A-Za-z0-9_-]+", shown.text)
        again = await browser.get("/admin/ui/tenants/apikey/")
    assert found is not None, shown.text
    assert found.group() not in again.text
    await becomes(gateway, found.group(), 200)


async def formsets(browser):
    page = await browser.get("/admin/ui/tenants/apikey/add/")
    return re.findall(r'name="([\w-]+)-TOTAL_FORMS"', page.text)


async def test_a_key_from_the_shell_works(gateway):
    [token] = gateway.manage("create_key", "alice-co", "--name", "from the shell", "--scopes", "chat")
    await becomes(gateway, token, 200)
    async with gateway.client(token) as client:
        refused = await client.post("/v1/embeddings", json={"model": "embed", "input": "hi"})
    assert refused.json()["error"]["code"] == "scope_not_allowed"


async def test_a_key_that_was_refused_before_it_existed_works_afterwards(gateway):
    [token] = gateway.manage("create_key", "alice-co")
    wrong = token[:-1] + ("a" if token[-1] != "a" else "b")
    assert await status(gateway, wrong) == 401
    await becomes(gateway, token, 200)
    assert await status(gateway, wrong) == 401


def test_create_key_for_unknown_tenant_explains(gateway):
    gateway.manage("create_key", "alice-company", code=1)
