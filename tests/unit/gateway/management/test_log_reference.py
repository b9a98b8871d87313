"""docs/log-events.md agrees with the table of log events."""

from __future__ import annotations

from gateway.management.commands.log_reference import PAGE
from gateway.management.log_reference import reference, rewritten


def test_the_page_is_not_stale():
    page = PAGE.read_text(encoding="utf-8")
    assert reference() in page, "stale: run `manage.py log_reference --write`"
    assert rewritten(page) == page
