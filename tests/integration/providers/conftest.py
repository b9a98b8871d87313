from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable

import pytest
import uvloop

from providers.transport.client import Transport


@pytest.hookimpl
def pytest_asyncio_loop_factories() -> dict[str, Callable[[], asyncio.AbstractEventLoop]]:
    """Run everything on the loop of `serve` and on the standard one: they close and abort differently."""
    return {"uvloop": uvloop.new_event_loop, "asyncio": asyncio.new_event_loop}


@pytest.fixture
async def transport() -> AsyncIterator[Transport]:
    opened = Transport()
    await opened.open()
    yield opened
    await opened.aclose()
