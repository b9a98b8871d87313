"""An outage writes a line of its kind in ten seconds, without tracebacks; a defect still shows where it happened."""

from __future__ import annotations

import io
import logging

import pytest
import redis
from django.core.exceptions import DisallowedHost, PermissionDenied
from django.db import IntegrityError, InterfaceError, OperationalError

from gateway.observability.log_folding import FOLD_S, LogFolding
from gateway.observability.log_format import TextFormatter


class Log:
    """A logger with the filter, a clock and what it has written."""

    def __init__(self):
        self.now = 1000.0
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(TextFormatter())
        handler.addFilter(LogFolding(lambda: self.now))
        self.logger = logging.Logger("gateway.test")  # noqa: LOG001 - one that no other test knows
        self.logger.addHandler(handler)
        self._handler = handler

    def named(self, name):
        logger = logging.Logger(name)  # noqa: LOG001 - as above
        logger.addHandler(self._handler)
        return logger

    @property
    def text(self):
        return self.stream.getvalue()

    @property
    def lines(self):
        return self.text.splitlines()


@pytest.fixture
def log():
    return Log()


def chained(cause):
    try:
        raise RuntimeError("the page") from cause
    except RuntimeError as error:
        return error


STORES = [
    OperationalError("couldn't get a connection after 2.00 sec"),
    InterfaceError("the connection is closed"),
    ConnectionRefusedError(111, "Connection refused"),
    TimeoutError("no answer"),
    redis.ConnectionError("Error 111 connecting"),
    redis.AuthenticationError("WRONGPASS"),
    chained(OperationalError("gone")),
]


@pytest.mark.parametrize("error", STORES, ids=lambda error: type(error).__name__)
def test_a_store_that_is_away_is_one_line_of_a_kind_with_its_reason(log, error):
    for number in range(200):
        log.logger.error("the answer to %s could not be kept", number, exc_info=error)
    [line] = log.lines
    assert (
        f"the answer to 0 could not be kept: {type(error).__name__}: {' '.join(str(error).split())}" in line
    )
    log.now += FOLD_S
    log.logger.error("the answer to %s could not be kept", 200, exc_info=error)
    assert len(log.lines) == 2
    assert log.lines[1].endswith("(and 199 more like it)")


def test_an_event_is_folded_whatever_its_fields_are(log):
    for number in range(200):
        log.logger.error(
            "idempotency.answer.not_kept",
            extra={"request_id": f"req_{number}"},
            exc_info=TimeoutError("late"),
        )
        log.logger.error("job.failed", extra={"job": f"job_{number}"}, exc_info=TimeoutError("late"))
    assert len(log.lines) == 2
    log.now += FOLD_S
    log.logger.error("job.failed", extra={"job": "last"}, exc_info=TimeoutError("late"))
    fields = 'job.failed job=last failure="TimeoutError: late" folded=199 |'
    assert fields in log.lines[2]


def test_other_places_and_other_reasons_are_other_kinds(log):
    for _ in range(5):
        log.logger.error("one", exc_info=OperationalError("x"))
        log.logger.error("another", exc_info=OperationalError("x"))
        log.logger.error("one", exc_info=TimeoutError("x"))
    assert len(log.lines) == 3


@pytest.mark.parametrize(
    "error", [IntegrityError("unique"), ValueError("x"), KeyError("k"), ZeroDivisionError()]
)
def test_a_defect_shows_its_traceback_once_and_its_line_each_time(log, error):
    for _ in range(3):
        try:
            raise error
        except type(error):
            log.logger.exception("a page failed")
    assert log.text.count("Traceback") == 1
    assert log.text.count("a page failed") == 3
    assert log.lines[-1].count(type(error).__name__) == 1


@pytest.mark.parametrize(
    "error", [PermissionDenied(), PermissionDenied("no"), DisallowedHost("Invalid Host")]
)
def test_what_a_client_did_wrong_has_no_traceback(log, error):
    log.logger.warning("Forbidden: %s", "/admin/", exc_info=error)
    assert "Traceback" not in log.text
    assert "Forbidden: /admin/" in log.text


def test_hosts_that_are_refused_do_not_flood_the_log(log):
    for number in range(100):
        log.logger.error("Invalid host %s", number, exc_info=DisallowedHost(f"h{number}"))
    assert len(log.lines) == 1


@pytest.mark.parametrize("name", ["psycopg.pool", "django.security.DisallowedHost"])
def test_libraries_that_repeat_themselves_are_folded(log, name):
    for _ in range(205):
        log.named(name).warning("error connecting in %r: %s", "pool-1", "refused")
    assert len(log.lines) == 1


def test_ordinary_lines_are_left_alone(log):
    for _ in range(3):
        log.logger.warning("deployment %s is disabled", "a")
    assert len(log.lines) == 3


def test_log_folding_keeps_a_bounded_number_of_kinds(log):
    for number in range(3000):
        log.logger.error("kind %d" % number, exc_info=TimeoutError())  # noqa: UP031, G002 - each another kind
    assert len(log._handler.filters[0]._last) <= 1000  # noqa: SLF001
