"""Password hashing: Argon2id as OWASP advises, and two at a time per process, for any client.

A hash costs 19 MiB and tens of milliseconds of a core, and strangers may request one. Hashes made with other
parameters are verified, and rehashed at the next sign-in (Django's must_update).
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager

from django.contrib.auth.hashers import Argon2PasswordHasher
from typing_extensions import override

AT_ONCE = 2
WAITING = 8
PATIENCE_S = 2.0
RETRY_AFTER_S = 1


class TooManyHashes(Exception):
    """So many passwords wait to be hashed that this one must be sent again."""


class Turns:
    """Lets `at_once` threads work and `waiting` more wait for up to `patience_s`, and refuses the others at once."""

    def __init__(
        self, at_once: int = AT_ONCE, waiting: int = WAITING, patience_s: float = PATIENCE_S
    ) -> None:
        self._free = threading.Semaphore(at_once)
        self._places = threading.Semaphore(at_once + waiting)
        self._patience_s = patience_s

    @contextmanager
    def turn(self) -> Iterator[None]:
        """Wait for a turn and hold it. Raises TooManyHashes."""
        if not self._places.acquire(blocking=False):
            raise TooManyHashes
        try:
            if not self._free.acquire(timeout=self._patience_s):
                raise TooManyHashes
            try:
                yield
            finally:
                self._free.release()
        finally:
            self._places.release()


TURNS = Turns()


class PasswordHasher(Argon2PasswordHasher):
    """Django's, with other parameters and limited concurrency."""

    time_cost = 2
    memory_cost = 19 * 1024  # KiB
    parallelism = 1

    @override
    def encode(self, password: str, salt: str) -> str:
        with TURNS.turn():
            return super().encode(password, salt)

    @override
    def verify(self, password: str, encoded: str) -> bool:
        with TURNS.turn():
            return super().verify(password, encoded)
