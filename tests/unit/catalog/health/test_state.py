"""The state of a deployment, from probes and traffic together."""

from __future__ import annotations

import pytest

from catalog.health.state import probe_state, state_of


@pytest.mark.parametrize(
    ("probe", "traffic", "state"),
    [
        ("online", "", "online"),
        ("unknown", "", "unknown"),
        ("unknown", "closed", "online"),
        ("online", "closed", "online"),
        ("online", "open", "offline"),
        ("online", "half_open", "degraded"),
        ("online", "cooling", "degraded"),
        ("degraded", "closed", "degraded"),
        ("offline", "closed", "offline"),
    ],
)
def test_the_worse_of_both_counts(probe: str, traffic: str, state: str) -> None:
    assert state_of(probe, traffic) == state


def test_one_failure_degrades_and_two_are_offline() -> None:
    assert probe_state(is_ok=False, is_final=False, failures=1) == "degraded"
    assert probe_state(is_ok=False, is_final=False, failures=2) == "offline"
    assert probe_state(is_ok=False, is_final=True, failures=1) == "offline"
    assert probe_state(is_ok=True, is_final=False, failures=0) == "online"
