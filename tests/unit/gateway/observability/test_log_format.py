"""Events are written with their fields, as JSON and as text; no value can break a line, hide in it or fill it."""

from __future__ import annotations

import io
import json
import logging

import pytest
from typing_extensions import override

from gateway.observability.log_events.table import EVENTS
from gateway.observability.log_fields import LONGEST_FIELD, MOST_ITEMS, safe
from gateway.observability.log_format import JsonFormatter, TextFormatter

KEY = "sk-alice.secret-key-1234"


class Log:
    """A logger with a formatter and what it has written."""

    def __init__(self, formatter):
        self.stream = io.StringIO()
        handler = logging.StreamHandler(self.stream)
        handler.setFormatter(formatter)
        self.logger = logging.Logger("gateway.test")  # noqa: LOG001 - one that no other test knows
        self.logger.addHandler(handler)

    @property
    def text(self):
        return self.stream.getvalue()

    @property
    def line(self):
        [line, rest] = self.text.split("\n")
        assert rest == ""
        return line


@pytest.fixture
def as_json():
    return Log(JsonFormatter())


@pytest.fixture
def as_text():
    return Log(TextFormatter())


def attempt(reason):
    return {
        "request_id": "req_1",
        "deployment": "chat-1",
        "provider": "openai",
        "alias": "chat",
        "kind": "dns",
        "status": None,
        "reason": reason,
        "left_out": 0,
    }


def test_an_event_is_an_object_with_its_fields(as_json):
    as_json.logger.warning("attempt.failed", extra=attempt("no such name"))
    line = json.loads(as_json.line)
    assert line.pop("at").endswith("+00:00")
    assert line == {
        "event": "attempt.failed",
        "level": "warning",
        "logger": "gateway.test",
        "message": EVENTS["attempt.failed"].meaning,
        **attempt("no such name"),
    }


def test_an_event_is_a_line_of_fields_and_a_sentence(as_text):
    as_text.logger.warning("attempt.failed", extra=attempt("no such name"))
    assert as_text.line.partition(" gateway.test: ")[2] == (
        "attempt.failed request_id=req_1 deployment=chat-1 provider=openai alias=chat kind=dns "
        f'reason="no such name" left_out=0 | {EVENTS["attempt.failed"].meaning}'
    )


def test_what_a_library_logs_is_a_sentence(as_json, as_text):
    for log in (as_json, as_text):
        log.logger.warning("Forbidden: %s", "/admin/", extra={"status_code": 403, "request": object()})
    line = json.loads(as_json.line)
    assert set(line) == {"at", "event", "level", "logger", "message"}
    assert (line["event"], line["message"]) == ("log", "Forbidden: /admin/")
    assert as_text.line.endswith("WARNING gateway.test: Forbidden: /admin/")


@pytest.mark.parametrize("reason", ["x\nFORGED line", 'x" request_id=req_2', "x\r\u2028y", f"Bearer {KEY}"])
def test_no_value_begins_a_line_ends_its_quotes_or_shows_a_key(as_json, as_text, reason):
    for log in (as_json, as_text):
        log.logger.warning("attempt.failed", extra=attempt(reason))
    assert json.loads(as_json.line)["request_id"] == "req_1"
    assert as_text.line.count('"') == 2 or " " not in reason
    assert "secret-key" not in as_json.text + as_text.text


def test_an_exception_is_the_traceback_of_its_event(as_json, as_text):
    for log in (as_json, as_text):
        try:
            raise LookupError(KEY)
        except LookupError:
            log.logger.exception("stream.failed", extra={"request_id": "req_1"})
    line = json.loads(as_json.line)
    assert (line["event"], line["level"], line["request_id"]) == ("stream.failed", "error", "req_1")
    assert "LookupError: sk-" not in as_json.text + as_text.text
    assert "LookupError: ***" in line["traceback"]
    assert as_text.text.splitlines()[-1] == "LookupError: ***"


def test_a_stack_stands_below_its_line(as_text):
    as_text.logger.warning("event_loop.stalled", extra={"seconds": 0.5, "stack": "File a\nFile b"})
    head, *stack = as_text.text.splitlines()
    assert head.endswith(f"event_loop.stalled seconds=0.5 | {EVENTS['event_loop.stalled'].meaning}")
    assert stack == ["File a", "File b"]


@pytest.mark.parametrize(
    ("value", "written"),
    [
        (None, None),
        (True, True),
        (7, 7),
        (0.5, 0.5),
        (2**70, str(2**70)),
        (ValueError("why"), "why"),
        (b"raw", "b'raw'"),
        ({"a": 1}, "{'a': 1}"),
        (("req_1", "req_2"), ["req_1", "req_2"]),
        ([[1], None], ["[1]", "None"]),
        ("x" * 10_000, "x" * LONGEST_FIELD + "…"),
        (["a"] * 60, ["a"] * MOST_ITEMS + ["…"]),
    ],
)
def test_a_value_is_of_jsons_types_and_bounded(value, written):
    assert safe(value) == written


def test_any_value_can_be_written(as_json, as_text):
    class Odd:
        @override
        def __str__(self):
            return "odd\ud800"

    as_json.logger.error("ledger.batch.failed", extra={"failures": Odd()})
    as_text.logger.error("ledger.batch.failed", extra={"failures": Odd()})
    assert json.loads(as_json.line)["failures"] == "odd?"
    assert "failures=odd?" in as_text.line


def test_a_text_that_is_no_unicode_costs_no_record(as_json):
    try:
        raise OSError("/odd\ud800")
    except OSError as error:
        as_json.logger.exception("cannot read %s", error)  # noqa: TRY401 - as libraries do
    line = json.loads(as_json.line)
    assert line["message"] == "cannot read /odd?"
    assert line["traceback"].endswith("OSError: /odd?")
