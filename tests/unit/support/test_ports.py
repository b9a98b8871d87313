"""The ports of the tests' own servers (tests/support/servers/ports.py)."""

from __future__ import annotations

import os

import pytest

from tests.support.servers import ports


def test_no_port_is_given_twice_before_its_server_listens(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ports, "_CHOICE", range(10_000, 10_100))
    # Other runs of this test on the same machine claim the same hundred: with two of them none would be left.
    monkeypatch.setattr(ports, "_NAME", f"\0open-model-gateway-test-of-ports-{os.getpid()}-")
    found = [ports.free_port() for _ in range(50)]
    assert len(set(found)) == 50
