"""A journal, the shipper to the ledger, and an admission that records what it received."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from metering.journal.journal import Journal
from metering.ledger.shipper import Shipper
from tests.integration.metering.shipping import Posts


@pytest.fixture
def posts() -> Posts:
    return Posts()


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    journal = Journal(tmp_path, "process", reserve_bytes=0, segment_bytes=4096, allow_volatile=True)
    yield journal
    await journal.close(timeout_s=0.2)  # what a test has left is not waited for


@pytest.fixture
async def shipper(journal: Journal, posts: Posts) -> AsyncIterator[Shipper]:
    shipper = Shipper(journal, posts)
    shipper.start()
    yield shipper
    await shipper.stop()
