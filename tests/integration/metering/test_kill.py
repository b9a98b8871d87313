"""kill -9 anywhere, then recovery: no finished call is missing, none is there twice, and the totals agree."""

from __future__ import annotations

import signal
import sqlite3
from contextlib import closing
from pathlib import Path
from typing import Any

import psycopg
import pytest

from tests.support.books.calls import CLOSED_COST
from tests.support.servers.processes import START_S, ServerProcess, clean_environment
from tests.support.sources import JOURNAL
from tests.support.stores import stores, templates

SERVING = (
    "after_close_write",
    "before_insert",
    "before_commit",
    "after_commit",
    "before_cursor",
    "before_unlink",
)
ADOPTING = ("before_insert", "before_commit", "after_commit", "before_cursor", "before_unlink")


class Site:
    """A data directory with its own database; every step on it is a process of its own."""

    def __init__(self, data_dir: Path) -> None:
        self.data_dir = data_dir
        self.journal = data_dir / "journal"
        self.stores = stores.environment()  # a database of its own, whichever engine this run is about

    def serve(self, failpoint: str = "") -> list[tuple[str, str]]:
        """Serve until the failpoint kills it, or else until it is done, and kill; return what was said of each call."""
        process = self._process("serve", failpoint)
        if not failpoint:
            process.stdout.first(lambda line: line == "done" or None, START_S)
        assert process.end(None if failpoint else signal.SIGKILL) == -signal.SIGKILL
        said = [line.split() for line in process.stdout.all() if line != "done"]
        return [(what, request_id) for what, request_id in said]

    def adopt(self, failpoint: str = "") -> int:
        return self._process("adopt", failpoint).end(None)

    def rows(self) -> dict[str, tuple[str, int]]:
        found = self._query("SELECT id, status, cost_nanousd FROM metering_usageevent")
        assert len(found) == len({row[0] for row in found})
        return {row[0]: (row[1], row[2]) for row in found}

    def spent(self) -> int:
        return int(self._query("SELECT spent_nanousd FROM budgets_spendwindow")[0][0])

    def _query(self, sql: str) -> list[tuple[Any, ...]]:
        if url := self.stores.get("ROUTER_DB_URL"):
            with psycopg.connect(url) as postgres:
                return postgres.execute(sql.encode()).fetchall()
        with closing(sqlite3.connect(self.data_dir / "gateway.sqlite3")) as database:
            return database.execute(sql).fetchall()

    def _process(self, what: str, failpoint: str) -> ServerProcess:
        env = clean_environment(
            ROUTER_DATA_DIR=str(self.data_dir),
            ROUTER_ADMIN_SESSION_JWT_SECRET=templates.JWT_SECRET,
            OMG_FAILPOINT=failpoint,
            **self.stores,
        )
        return ServerProcess(*JOURNAL, str(self.journal), what, env=env)


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path / "data")
    templates.lay_out(site.data_dir)
    return site


def assert_complete(site: Site, said: list[tuple[str, str]]) -> None:
    rows = site.rows()
    over = {request_id for what, request_id in said if what == "over"}
    running = {request_id for what, request_id in said if what == "running"}
    assert over <= rows.keys()
    assert {rows[request_id] for request_id in over} <= {("ok", CLOSED_COST)}
    assert {rows[request_id][0] for request_id in running} <= {"incomplete"}
    assert running <= rows.keys()
    assert not [request_id for request_id in rows if request_id.endswith("1")]  # those were voided
    assert site.spent() == sum(cost for _, cost in rows.values())
    assert list(site.journal.iterdir()) == []


@pytest.mark.parametrize("failpoint", SERVING)
def test_a_server_killed_at_any_step_loses_nothing(site: Site, failpoint: str) -> None:
    said = site.serve(failpoint)

    assert site.adopt() == 0

    assert_complete(site, said)


def test_an_adoption_killed_at_one_step_after_the_other_is_done_again(site: Site) -> None:
    said = site.serve("before_commit")

    deaths = [site.adopt(failpoint) for failpoint in ADOPTING]
    assert site.adopt() == 0

    assert deaths == [-signal.SIGKILL] * len(ADOPTING)
    assert_complete(site, said)


def test_a_server_killed_after_its_work_leaves_only_its_running_calls(site: Site) -> None:
    said = site.serve()

    before = site.rows()
    assert site.adopt() == 0

    assert len(before) == 96
    assert len(site.rows()) == 108
    assert_complete(site, said)
