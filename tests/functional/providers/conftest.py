"""The process of the vendors: one a session; what a module's tests script is forgotten at its end."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.support.vendors.vendors import Vendors


@pytest.fixture(scope="session")
def shared_vendors() -> Iterator[Vendors]:
    """Yield the vendors of this session."""
    made = Vendors()
    yield made
    made.close()


@pytest.fixture(scope="module")
def vendors(shared_vendors: Vendors) -> Iterator[Vendors]:
    yield shared_vendors
    shared_vendors.forget_scripts()
