"""`server.admin_addr`: strangers at the sign-in and in the back office do not slow down calls."""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.support import sample
from tests.support.clients.raw_calls import question
from tests.support.servers.gateway import Gateway, merged
from tests.support.servers.ports import free_port
from tests.support.servers.upstream import Upstream
from tests.support.stores.postgres import Postgres
from tests.support.stores.redis_server import RedisServer
from tests.support.stores.templates import HAS_ITS_TABLES, prepared_postgres
from tests.support.waiting import eventually

pytestmark = pytest.mark.both_modes

SITE = ["/", "/readme", "/metrics", "/admin", "/admin/", "/admin/ui/", "/admin/ui/login/", "/accounts/login/"]
SITE += ["/user/keys", "/admin/auth/login", "/favicon.ico", "/static/gateway/home.css", "/admin/ui/tenants/"]
ODD = [
    "//admin/ui/",
    "/./admin/ui/",
    "/ADMIN/ui/",
    "/v1x",
    "/V1/models",
    "/%61dmin/ui/login/",
    "/static/admin/x.css",
]
CALLS = [
    "/v1",
    "/v1/models",
    "/v1/chat/completions",
    "/v1/docs",
    "/v1/openapi.json",
    "/v1/admin/ui/",
    "/%76%31/models",
]
LISTENS = "0A"  # the state of a socket in /proc/net/tcp
EMAIL, PASSWORD = "root@example.com", "right-password-1"
PEOPLE = {"bootstrap": {"admin_users": [{"email": EMAIL, "password": PASSWORD}]}}


class Apart:
    """A gateway with two listeners; `office` is the address of the back office."""

    def __init__(self, gateway: Gateway) -> None:
        self.gateway = gateway
        [self.office] = [
            found[1] for line in gateway.logs() if (found := re.match("back office on (.*)", line))
        ]

    def client(self) -> httpx.AsyncClient:
        return httpx.AsyncClient(base_url=self.office, trust_env=False, timeout=60)


@pytest.fixture(scope="module")
def two(upstream: Upstream, closed_port: int, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Apart]:
    plan = merged(sample.config(upstream.base_url, closed_port), PEOPLE, elsewhere())
    with Gateway(plan, tmp_path_factory.mktemp("apart") / "data") as server:
        yield Apart(server)


def elsewhere(**server: Any) -> dict[str, Any]:
    return {"server": {"admin_addr": f"127.0.0.1:{free_port()}", **server}}


def is_nowhere(answer: httpx.Response) -> bool:
    return answer.status_code == 404 and answer.json()["error"]["code"] == "not_found"


async def test_each_listener_serves_its_own_and_nothing_else(two):
    async with two.gateway.client(sample.ALICE) as public, two.client() as office:
        for path in (*SITE, *ODD):
            assert is_nowhere(await public.get(path)), path
            assert is_nowhere(await public.post(path, content=b"x" * 100_000)), path
        for path in CALLS:
            assert is_nowhere(await office.get(path, headers=public.headers)), path
        assert is_nowhere(
            await office.post("/v1/chat/completions", json=question("chat"), headers=public.headers)
        )
        assert (await public.post("/v1/chat/completions", json=question("chat"))).status_code == 200
        assert (await public.get("/v1/docs")).status_code == 200
        for path in ("/", "/admin/ui/login/", "/static/gateway/home.css", "/metrics"):
            assert (await office.get(path)).status_code == 200, path
        for path in ("/healthz", "/readyz"):
            assert [(await side.get(path)).status_code for side in (public, office)] == [200, 200]


async def test_people_sign_in_at_the_back_office_and_its_pages_point_to_the_calls(two):
    async with two.client() as office:
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', (await office.get("/admin/ui/login/")).text)
        assert token is not None
        form = {"username": EMAIL, "password": PASSWORD, "csrfmiddlewaretoken": token[1]}
        headers = {"referer": f"{two.office}/admin/ui/login/"}
        answer = await office.post("/admin/ui/login/", data=form, headers=headers)
        assert (answer.status_code, answer.headers["location"]) == (302, "/admin/ui/")
        assert (await office.get("/admin/ui/tenants/tenant/")).status_code == 200
        page = (await office.get("/")).text
    assert two.office not in page
    assert re.search(r'href="http://127\.0\.0\.1:\d+/v1/docs"', page)


async def test_a_flood_of_sign_ins_takes_nothing_from_calls(two):
    """Where processes may be apart they are: the one that hashes passwords serves no call."""
    async with two.gateway.client(sample.ALICE) as payer, two.client() as office:
        before = counted((await office.get("/metrics")).text)
        page = await office.get("/admin/ui/login/")
        token = re.search(r'csrfmiddlewaretoken" value="([^"]+)', page.text)
        assert token is not None
        headers = {"referer": f"{two.office}/admin/ui/login/"}

        async def guess(number: int) -> int:
            form = {
                "username": f"a{number}@example.com",
                "password": "wrong",
                "csrfmiddlewaretoken": token[1],
            }
            answer: httpx.Response = await office.post("/admin/ui/login/", data=form, headers=headers)
            return answer.status_code

        flood = asyncio.gather(*(guess(number) for number in range(60)))
        answers = [await payer.post("/v1/chat/completions", json=question("chat")) for _ in range(10)]
        assert {answer.status_code for answer in answers} == {200}
        assert set(await flood) <= {200, 429, 503}  # a page that is late on a busy machine says so
        assert counted((await office.get("/metrics")).text) == before + 10


def counted(metrics: str) -> float:
    found = re.findall(r"^gateway_requests_total\{.*\} (\S+)$", metrics, re.MULTILINE)
    return sum(float(value) for value in found)


@pytest.fixture(scope="module")
def isolated_stores() -> Iterator[tuple[Postgres, RedisServer]]:
    postgres, redis = prepared_postgres(), RedisServer()
    try:
        postgres.start()
        redis.start()
        yield postgres, redis
    finally:
        redis.kill()
        postgres.close()


@pytest.mark.runs_once  # on stores of its own with so many workers: the second run would be the same
@pytest.mark.parametrize("workers", [1, 2])
async def test_in_production_the_back_office_process_can_crash_without_the_gateway(
    gateway_factory, isolated_stores, workers
):
    postgres, redis = isolated_stores
    env = {"ROUTER_DB_URL": postgres.new_database(), "ROUTER_REDIS_URL": redis.url, **HAS_ITS_TABLES}
    two = Apart(gateway_factory(PEOPLE | elsewhere(workers=workers), env=env))
    [first] = back_offices(two)
    async with two.gateway.client(sample.ALICE) as payer:
        os.kill(first, signal.SIGSTOP)  # as busy as can be
        assert (await payer.post("/v1/chat/completions", json=question("chat"))).status_code == 200
        os.kill(first, signal.SIGKILL)
        assert (await payer.post("/v1/chat/completions", json=question("chat"))).status_code == 200
    [second] = await eventually(lambda: back_offices(two), lambda found: found not in ([], [first]))
    assert second != first
    async with two.client() as office:
        assert (await office.get("/admin/ui/login/")).status_code == 200


def back_offices(two: Apart) -> list[int]:
    """Return the processes under the supervisor that listen for the back office."""
    port = int(two.office.rpartition(":")[2])
    table = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    sockets = {f"socket:[{row[9]}]" for row in table if row[1].endswith(f":{port:04X}") and row[3] == LISTENS}
    pid = two.gateway.pid
    children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    return [int(child) for child in children if not sockets.isdisjoint(files_of(child))]


def files_of(pid: str) -> set[str]:
    try:
        return {str(file.readlink()) for file in Path(f"/proc/{pid}/fd").iterdir()}
    except OSError:  # it has ended
        return set()
