"""Access tokens that are got in a thread and kept: one load at a time for each, renewed beside the calls before it
expires. A failure is kept for a moment, so that calls do not queue for a token that is not to be had.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Final
from weakref import WeakKeyDictionary

import msgspec
from cachetools import LRUCache

from gateway.values.single_flight import SingleFlight

EARLY_S: Final = (
    300.0  # before a token expires, it is renewed beside the calls; at most a quarter of its life
)
LATEST_S: Final = 10.0  # before that, calls wait for the new one; at most a tenth of its life
FAILED_S: Final = 5.0  # for which a failure is kept
_MOST: Final = 1_000  # credentials


class NoToken(Exception):
    """No token is to be had. `is_refused`: the credential is wrong; otherwise another attempt may succeed."""

    def __init__(self, why: str, *, is_refused: bool) -> None:
        super().__init__(why)
        self.why, self.is_refused = why, is_refused


class Token(msgspec.Struct, frozen=True):
    """`expires_at` is Unix time, in seconds."""

    text: str
    expires_at: float


class _Known:
    """`token` is used until `wait_at`, and renewed from `renew_at` on."""

    __slots__ = ("failed_at", "failure", "renew_at", "token", "wait_at")

    def __init__(self, token: Token | None = None, now: float = 0.0) -> None:
        self.token = token
        self.failure: NoToken | None = None
        self.failed_at = self.renew_at = self.wait_at = 0.0
        if token is not None:
            life = max(0.0, token.expires_at - now)
            self.renew_at = token.expires_at - min(EARLY_S, life / 4)
            self.wait_at = token.expires_at - min(LATEST_S, life / 10)


class AccessTokens:
    """The tokens of one scheme, by a key that is derived from the credential. `clock` is Unix time."""

    def __init__(self, clock: Callable[[], float] = time.time) -> None:
        self._clock = clock
        self._known: LRUCache[bytes, _Known] = LRUCache(_MOST)
        self._flights: WeakKeyDictionary[asyncio.AbstractEventLoop, SingleFlight[bytes, None]] = (
            WeakKeyDictionary()
        )

    async def get(self, key: bytes, load: Callable[[], Token]) -> str:
        """Return a valid token; `load` is blocking, runs in a thread, and raises NoToken. Raises NoToken."""
        known, now = self._known.get(key) or _Known(), self._clock()
        if known.token is not None and now < known.wait_at:
            if now >= known.renew_at and now >= known.failed_at + FAILED_S:
                self._flight.start(key, lambda: self._renew(key, load))
            return known.token.text
        if known.failure is None or now >= known.failed_at + FAILED_S:
            await self._flight.run(key, lambda: self._renew(key, load))
            known = self._known.get(key) or known
        if known.failure is not None:
            raise NoToken(known.failure.why, is_refused=known.failure.is_refused)
        if known.token is None:
            raise NoToken("the token was discarded while it was waited for", is_refused=False)
        return known.token.text

    def discard(self, key: bytes) -> None:
        """Forget a token that was refused."""
        self._known.pop(key, None)

    async def _renew(self, key: bytes, load: Callable[[], Token]) -> None:
        try:
            token = await asyncio.to_thread(load)
        except NoToken as failure:
            known = self._known.get(key) or _Known()  # a token that is still valid is used on
            known.failure, known.failed_at = failure, self._clock()
        else:
            known = _Known(token, self._clock())
        self._known[key] = known

    @property
    def _flight(self) -> SingleFlight[bytes, None]:
        loop = asyncio.get_running_loop()
        flight = self._flights.get(loop)
        if flight is None:
            flight = self._flights[loop] = SingleFlight()
        return flight
