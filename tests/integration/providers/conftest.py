from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from providers.transport import Transport


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    opened = Transport()
    await opened.open()
    yield opened
    await opened.aclose()
