"""What the program has logged: events with their fields."""

from __future__ import annotations

from typing import Any

import pytest

from gateway.observability.log_fields import event_of, fields_of


def logged(caplog: pytest.LogCaptureFixture, name: str) -> list[dict[str, Any]]:
    """Return the fields of each record of this event."""
    return [
        fields_of(record, event)
        for record in caplog.records
        if (event := event_of(record)) is not None and event.name == name
    ]
