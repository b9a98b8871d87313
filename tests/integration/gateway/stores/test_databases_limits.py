"""No page waits without end for PostgreSQL: not for a statement, a lock or a connection."""

from __future__ import annotations

import threading
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import pytest
from django.db import OperationalError
from django.db.utils import ConnectionHandler

from gateway.config.sections.stores import Database
from gateway.stores import databases as database
from gateway.stores.databases import LEDGER, django_databases
from tests.support.stores.postgres import Postgres

SHORT_MS = 300


@pytest.fixture(scope="module")
def server():
    postgres = Postgres()
    postgres.start()
    yield postgres
    postgres.close()


@pytest.fixture
def databases(server, django_db_blocker):
    with opened(server.new_database(), django_db_blocker) as handler:
        yield handler


@pytest.fixture
def impatient(server, django_db_blocker, monkeypatch):
    """Yield connections with the same bounds, but shorter: parameters of the URL override the settings."""
    monkeypatch.setattr(database, "POOL_WAIT_S", SHORT_MS / 1000)
    options = quote(f"-c statement_timeout={SHORT_MS} -c lock_timeout={SHORT_MS // 2}")
    with opened(f"{server.new_database()}?options={options}", django_db_blocker) as handler:
        yield handler


@contextmanager
def opened(url, django_db_blocker):
    handler = ConnectionHandler(django_databases(Database(url=url, min_conns=1, max_conns=1), Path()))
    with django_db_blocker.unblock():
        yield handler
    handler.close_all()
    handler["default"].close_pool()  # type: ignore[attr-defined]  # PostgreSQL's has it


def ask(connection, *statements):
    """Return what the last one said; psycopg's own error is the cause of Django's."""
    with connection.cursor() as cursor:
        for statement in statements:
            cursor.execute(statement)
        return cursor.fetchone()


def state_of(raised):
    return getattr(raised.value.__cause__, "sqlstate", "")


def test_a_statement_is_canceled(impatient):
    with pytest.raises(OperationalError) as raised:
        ask(impatient["default"], "SELECT pg_sleep(60)")
    assert state_of(raised) == "57014"  # query_canceled
    assert ask(impatient["default"], "SELECT 1") == (1,)


def test_a_lock_that_is_not_free_is_not_waited_for(impatient):
    ledger = impatient[LEDGER]
    ledger.set_autocommit(False)
    ask(ledger, "CREATE TABLE kept (id int)", "SELECT 1")
    ledger.commit()
    ask(ledger, "LOCK TABLE kept IN ACCESS EXCLUSIVE MODE", "SELECT 1")
    with pytest.raises(OperationalError) as raised:
        ask(impatient["default"], "SELECT count(*) FROM kept")
    assert state_of(raised) == "55P03"  # lock_not_available
    ledger.rollback()
    assert ask(impatient["default"], "SELECT count(*) FROM kept") == (0,)


def test_exhausted_connection_pool_raises_an_error(impatient):
    assert ask(impatient["default"], "SELECT 1") == (1,)  # this thread has the only connection
    said = []

    def another():
        with pytest.raises(OperationalError) as raised:
            ask(impatient["default"], "SELECT 1")
        said.append(type(raised.value.__cause__).__name__)

    thread = threading.Thread(target=another)
    thread.start()
    thread.join()
    assert said == ["PoolTimeout"]


def test_the_ledger_may_take_its_time_and_pages_may_not(databases):
    assert ask(databases[LEDGER], "SHOW statement_timeout") == ("10min",)
    assert ask(databases["default"], "SHOW statement_timeout") == ("5s",)
    assert ask(databases["default"], "SHOW lock_timeout") == ("2s",)
    assert databases["default"].settings_dict["OPTIONS"]["pool"]["timeout"] == database.POOL_WAIT_S == 2.0
