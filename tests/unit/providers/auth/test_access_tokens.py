"""A token is kept, renewed beside the calls, and a failure is not repeated for each call. The clock is the test's."""

from __future__ import annotations

import asyncio
import threading

import pytest

from providers.auth.access_tokens import EARLY_S, FAILED_S, LATEST_S, AccessTokens, NoToken, Token


class Source:
    """Gives tokens that are valid for an hour, unless it `fails`; a load waits for `may_load`."""

    def __init__(self) -> None:
        self.now = 1_000_000.0
        self.loads = 0
        self.fails: NoToken | None = None
        self.may_load = threading.Event()
        self.may_load.set()

    def clock(self) -> float:
        return self.now

    def load(self) -> Token:
        self.may_load.wait(30)
        self.loads += 1
        if self.fails is not None:
            raise self.fails
        return Token(f"t{self.loads}", self.now + 3600)


@pytest.fixture
def source() -> Source:
    return Source()


@pytest.fixture
def tokens(source: Source) -> AccessTokens:
    return AccessTokens(source.clock)


async def test_a_token_is_kept_until_shortly_before_its_end(source: Source, tokens: AccessTokens) -> None:
    assert await tokens.get(b"k", source.load) == "t1"
    source.now += 3600 - EARLY_S - 1
    assert await tokens.get(b"k", source.load) == "t1"
    assert source.loads == 1
    assert await tokens.get(b"other", source.load) == "t2"


async def test_it_is_renewed_beside_the_calls(source: Source, tokens: AccessTokens) -> None:
    await tokens.get(b"k", source.load)
    source.now += 3600 - EARLY_S
    source.may_load.clear()
    assert [await tokens.get(b"k", source.load) for _ in range(3)] == ["t1"] * 3, "no call waits"
    source.may_load.set()
    source.now += EARLY_S - LATEST_S
    assert await tokens.get(b"k", source.load) == "t2"
    assert source.loads == 2


async def test_a_failure_is_kept_for_a_moment(source: Source, tokens: AccessTokens) -> None:
    source.fails = NoToken("down", is_refused=False)
    results = await asyncio.gather(*(tokens.get(b"k", source.load) for _ in range(5)), return_exceptions=True)
    assert {str(result) for result in results} == {"down"}
    with pytest.raises(NoToken):
        await tokens.get(b"k", source.load)
    assert source.loads == 1
    source.fails, source.now = None, source.now + FAILED_S
    assert await tokens.get(b"k", source.load) == "t2"


async def test_a_valid_token_is_used_on_while_no_new_one_is_to_be_had(
    source: Source, tokens: AccessTokens
) -> None:
    await tokens.get(b"k", source.load)
    source.fails = NoToken("down", is_refused=False)
    source.now += 3600 - EARLY_S
    assert await tokens.get(b"k", source.load) == "t1"
    source.now += EARLY_S - LATEST_S
    with pytest.raises(NoToken):
        await tokens.get(b"k", source.load)


async def test_a_refused_token_is_discarded(source: Source, tokens: AccessTokens) -> None:
    await tokens.get(b"k", source.load)
    tokens.discard(b"k")
    tokens.discard(b"never seen")
    assert await tokens.get(b"k", source.load) == "t2"


def test_each_event_loop_has_its_own_loads(source: Source, tokens: AccessTokens) -> None:
    assert asyncio.run(tokens.get(b"k", source.load)) == "t1"
    tokens.discard(b"k")
    assert asyncio.run(tokens.get(b"k", source.load)) == "t2"
