"""docs/errors.md agrees with the error table, and its advice with the headers of the errors."""

from __future__ import annotations

from collections import defaultdict
from types import SimpleNamespace

from gateway.http.errors import ERRORS, NEVER_RETRY
from gateway.management.commands.error_reference import PAGE
from gateway.management.error_reference import ADVICE, SOME, WAIT, meanings, reference, rewritten
from metering.explain.refusal_reasons import OF_CODES

ADVISED = {code: advice for section in ADVICE.values() for code, advice in section.items()}
POSSIBLE = SimpleNamespace(resets_in_ms=1000, retry_after_s=1, possible=True, allowed="GET")
IMPOSSIBLE = SimpleNamespace(resets_in_ms=1000, retry_after_s=1, possible=False, allowed="GET")


def test_the_page_is_not_stale():
    page = PAGE.read_text(encoding="utf-8")
    assert reference() in page, "stale: run `manage.py error_reference --write`"
    assert rewritten(page) == page


def test_every_code_is_on_the_page_once():
    assert set(ADVISED) == set(meanings()) >= set(OF_CODES)
    assert len(ADVISED) == sum(len(section) for section in ADVICE.values())
    assert {row.code for row in ERRORS.values()} <= set(ADVISED)


def said_by_headers():
    """Return by code whether its errors carry Retry-After (True), forbid a retry (False), or either."""
    found = defaultdict(set)
    for row in ERRORS.values():
        for error in (POSSIBLE, IMPOSSIBLE):
            headers = row.headers(error)
            if headers == NEVER_RETRY:
                found[row.code].add(False)
            elif "retry-after" in {name.decode() for name, _ in headers}:
                found[row.code].add(True)
    return found


def test_the_advice_agrees_with_the_headers():
    mixed_elsewhere = {"no_deployment_available"}  # of a provider's failure it carries Retry-After
    for code, answers in said_by_headers().items():
        advice = ADVISED[code].retry
        if len(answers) > 1 or code in mixed_elsewhere:
            assert advice == SOME, code
        elif answers == {True}:
            assert advice == WAIT, code
        else:
            assert advice.startswith("No"), code
