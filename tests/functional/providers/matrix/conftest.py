"""One gateway in front of all vendors, for the whole matrix."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.functional.providers.matrix.rows import PRICES, config
from tests.support.servers.gateway import Gateway
from tests.support.vendors.vendors import Vendors


@pytest.fixture(scope="session")
def matrix(shared_vendors: Vendors, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Gateway]:
    """Yield the gateway; never stop or change it."""
    shared_vendors.price(PRICES)
    with Gateway(config(shared_vendors), tmp_path_factory.mktemp("matrix") / "data") as server:
        yield server
