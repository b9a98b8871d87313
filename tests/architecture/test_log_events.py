"""Every log call of the product is an event of gateway/observability/log_events, with its level and its fields."""

from __future__ import annotations

import ast
import logging
import re
from typing import NamedTuple

import pytest

from gateway.observability.log_events.table import AREAS, EVENTS, FIELDS
from gateway.observability.log_fields import FOLDING
from tests.support.sources import SOURCES, is_ours, name_of

NAME = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*){1,2}")
LEVELS = {
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "critical": "critical",
}
METHODS = {*LEVELS, "debug", "log", "warn", "fatal"}
MEMBERS = {"at", "event", "level", "logger", "message", "traceback"}  # of every line of JSON
OF_RECORDS = {*vars(logging.LogRecord("", 0, "", 0, "", (), None)), "asctime", "message"}
OF_UVICORN = "gateway/protocol/request_heads.py"  # its protocol has a logger of its own, `self.logger`


class LogCall(NamedTuple):
    """`event` and `fields` are None where they are not constants of the call or of its function."""

    where: str
    event: str | None
    level: str | None
    fields: tuple[str, ...] | None


def log_calls(name: str, source: str) -> list[LogCall]:
    """Return the log calls of a file; a call of the root logger is one without an event."""
    if "logg" not in source:  # most files: nothing is taken apart
        return []
    tree = ast.parse(source)
    found = {}
    for scope in ast.walk(tree):  # the module first, an inner function after the outer one
        if isinstance(scope, ast.Module | ast.FunctionDef | ast.AsyncFunctionDef):
            known = _dictionaries(scope)
            found.update(
                {node.lineno: _log_call(name, node, called, known) for node, called in _log_nodes(scope)}
            )
    return [found[line] for line in sorted(found)]


def _log_nodes(scope: ast.AST) -> list[tuple[ast.Call, ast.Attribute]]:
    return [
        (node, node.func)
        for node in ast.walk(scope)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and _is_of_a_logger(node.func)
    ]


def _is_of_a_logger(called: ast.Attribute) -> bool:
    return called.attr in METHODS and ast.unparse(called.value).rpartition(".")[2] in {"logger", "logging"}


def _log_call(name: str, call: ast.Call, called: ast.Attribute, known: dict[str, ast.Dict]) -> LogCall:
    extra = next((keyword.value for keyword in call.keywords if keyword.arg == "extra"), ast.Dict([], []))
    event = call.args[0].value if len(call.args) == 1 and isinstance(call.args[0], ast.Constant) else None
    is_ours = isinstance(called.value, ast.Name) and called.value.id == "logger"
    level = LEVELS.get(called.attr)
    return LogCall(
        f"{name}:{call.lineno}", str(event) if is_ours and event else None, level, _keys(extra, known)
    )


def _dictionaries(function: ast.AST) -> dict[str, ast.Dict]:
    """Return the dictionaries that are assigned to a name in a function."""
    return {
        node.targets[0].id: node.value
        for node in ast.walk(function)
        if isinstance(node, ast.Assign)
        and isinstance(node.targets[0], ast.Name)
        and isinstance(node.value, ast.Dict)
    }


def _keys(extra: ast.expr, known: dict[str, ast.Dict]) -> tuple[str, ...] | None:
    """Return the keys of a dictionary, which may be a name of the function, or include one."""
    if isinstance(extra, ast.Name):
        return _keys(known[extra.id], known) if extra.id in known else None
    if not isinstance(extra, ast.Dict):
        return None
    found: list[str] = []
    for key, value in zip(extra.keys, extra.values, strict=True):
        inner = (
            (str(key.value),)
            if isinstance(key, ast.Constant)
            else _keys(value, known)
            if key is None
            else None
        )
        if inner is None:
            return None
        found += inner
    return tuple(found)


@pytest.fixture(scope="module")
def calls() -> list[LogCall]:
    files = [(name_of(path), path.read_text("utf-8")) for path in SOURCES if is_ours(path)]
    return [call for name, source in files if name != OF_UVICORN for call in log_calls(name, source)]


def test_every_log_call_is_an_event_of_the_table_with_its_level_and_its_fields(calls):
    wrong = [
        call
        for call in calls
        if (event := EVENTS.get(call.event or "")) is None
        or call.level != event.level
        or call.fields is None
        or sorted(call.fields) != sorted(event.fields)
    ]
    assert wrong == []


def test_every_event_of_the_table_is_logged(calls):
    assert EVENTS.keys() - {call.event for call in calls} == set()


def test_every_logger_has_the_name_of_its_module():
    sources = {name_of(path): path.read_text("utf-8") for path in SOURCES if is_ours(path)}
    made = {
        name: re.findall(r"^.*getLogger\(.*$", source, re.MULTILINE)
        for name, source in sources.items()
        if name != "gateway/observability/log_format.py"  # it sets levels of libraries
    }
    expected = "logger = logging.getLogger(__name__)"
    assert {name: lines for name, lines in made.items() if lines not in ([], [expected])} == {}


def test_events_are_named_alike_and_once():
    names = [event.name for events in AREAS.values() for event in events]
    assert sorted(names) == sorted(EVENTS)
    assert [name for name in names if not NAME.fullmatch(name)] == []


def test_a_field_overwrites_no_member_and_each_has_a_meaning():
    used = {field for event in EVENTS.values() for field in event.fields}
    assert used & (MEMBERS | OF_RECORDS | set(FOLDING)) == set()
    assert set(FOLDING) & (MEMBERS | OF_RECORDS) == set()
    assert sorted(used) == list(FIELDS)
    assert [field for field in used if not re.fullmatch(r"[a-z][a-z0-9_]*", field)] == []


def test_meaning_and_advice_are_sentences():
    texts = [text for event in EVENTS.values() for text in (event.meaning, event.advice)]
    assert [text for text in texts if not (text[0].isupper() or text[0] == "`") or text[-1] != "."] == []


SOURCE = """
def outer(error):
    where = {"path": 1}
    logger.warning("a.b", extra={**where, "code": 2})
    logger.exception("a.c", extra=where)
    logger.error("a %s", error)
    logger.error(f"a {error}", extra={error: 1})
    logging.error("a.d")
    self.logger.info("a.e", extra=given(error))
"""


def test_log_calls_are_found_with_what_they_say():
    assert [call[1:] for call in log_calls("any.py", SOURCE)] == [
        ("a.b", "warning", ("path", "code")),
        ("a.c", "error", ("path",)),
        (None, "error", ()),
        (None, "error", None),
        (None, "error", ()),
        (None, "info", None),
    ]
