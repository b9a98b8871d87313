"""One gateway in front of all vendors, for the whole matrix."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

import pytest

from tests.functional.providers.matrix.asked import Books
from tests.functional.providers.matrix.rows import PRICES, config
from tests.support.servers.gateway import Gateway
from tests.support.vendors.vendors import Vendors


@pytest.fixture(scope="session")
def matrix(shared_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield the gateway; never stop or change it."""
    shared_vendors.price(PRICES)
    with Gateway(config(shared_vendors), tmp_path_factory.mktemp("matrix") / "data") as server:
        yield server


@pytest.fixture(scope="module")
def books(matrix: Gateway, shared_vendors: Vendors) -> Iterator[Books]:
    """Yield what keeps the vendors' bills; at the end of a module they are compared with the ledger."""
    made = Books(matrix, shared_vendors)
    yield made
    asyncio.run(made.close())
