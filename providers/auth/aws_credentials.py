"""The credentials of the process itself at AWS: the environment, shared files and profiles, roles, web identity,
containers, the instance's metadata - in the order of AWS's own tools, by botocore in a thread.

Kept for FRESH_S and then asked for again beside the calls, which continue with the ones before: botocore renews
temporary ones a quarter of an hour before they expire. Only the first call of a process waits.
"""

from __future__ import annotations

import asyncio
import importlib
import os
import time
from collections.abc import Callable, Mapping
from typing import Any, Final
from weakref import WeakKeyDictionary

from gateway.values.single_flight import SingleFlight
from providers.auth.sigv4 import AwsCredentials
from providers.errors.exceptions import UpstreamFailed

FRESH_S: Final = 240.0
STALE_S: Final = (
    480.0  # then calls wait: temporary credentials expire 10 minutes after botocore must have renewed them
)
FAILED_S: Final = 10.0  # for which a failure is kept
JUST_LOADED_S: Final = 5.0
_ENVIRONMENT: Final = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN")

Load = Callable[[str], AwsCredentials]  # of a profile ("": the default). Blocking. Raises NoCredentials


class NoCredentials(UpstreamFailed):
    """There is nothing to sign with: no request was sent."""

    def __init__(self, why: str) -> None:
        super().__init__(why, code="upstream_auth_failed")
        self.reached, self.kind, self.is_sure = False, "no_credentials", False


class _Known:
    __slots__ = ("credentials", "failure", "loaded_at")

    def __init__(self, loaded_at: float, credentials: AwsCredentials | None, failure: str = "") -> None:
        self.loaded_at, self.credentials, self.failure = loaded_at, credentials, failure


class CredentialChain:
    """The usual chain, one load at a time for each profile."""

    def __init__(self, load: Load | None = None, clock: Callable[[], float] = time.monotonic) -> None:
        self._sessions = Sessions()
        self._load, self._clock = load or self._sessions.load, clock
        self._known: dict[str, _Known] = {}
        self._flights: WeakKeyDictionary[asyncio.AbstractEventLoop, SingleFlight[str, None]] = (
            WeakKeyDictionary()
        )

    async def get(self, profile: str = "") -> AwsCredentials:
        """Return the credentials. Raises NoCredentials."""
        known = self._known.get(profile)
        age = self._clock() - known.loaded_at if known is not None else STALE_S
        if known is None or age >= (STALE_S if known.credentials is not None else FAILED_S):
            await self._flight.run(profile, lambda: self._renew(profile))
            known = self._known[profile]
        elif age >= FRESH_S:
            self._flight.start(profile, lambda: self._renew(profile))
        if known.credentials is None:
            raise NoCredentials(known.failure)
        return known.credentials

    def discard(self, profile: str = "") -> None:
        """Forget credentials that were refused as expired, unless another call has just had them loaded."""
        known = self._known.get(profile)
        if known is not None and self._clock() - known.loaded_at >= JUST_LOADED_S:
            del self._known[profile]
            self._sessions.discard(profile)

    @property
    def _flight(self) -> SingleFlight[str, None]:
        loop = asyncio.get_running_loop()
        flight = self._flights.get(loop)
        if flight is None:
            flight = self._flights[loop] = SingleFlight()
        return flight

    async def _renew(self, profile: str) -> None:
        before = self._known.get(profile)
        try:
            found = await asyncio.to_thread(self._load, profile)
        except NoCredentials as failure:
            is_kept = before is not None and before.credentials is not None
            if not is_kept or before is None or self._clock() - before.loaded_at >= STALE_S:
                self._known[profile] = _Known(self._clock(), None, failure.reason)
            return
        if before is not None and before.credentials is not None and _is_same(before.credentials, found):
            found = before.credentials  # it has the key of the day
        self._known[profile] = _Known(self._clock(), found)


def _is_same(one: AwsCredentials, other: AwsCredentials) -> bool:
    return (one.access_key, one.secret_key, one.session_token) == (
        other.access_key,
        other.secret_key,
        other.session_token,
    )


class Sessions:
    """botocore's sessions, one for each profile: each renews what it has found."""

    def __init__(self, environment: Mapping[str, str] = os.environ) -> None:
        self._environment = environment
        self._found: dict[str, Any] = {}

    def discard(self, profile: str) -> None:
        self._found.pop(profile, None)

    def load(self, profile: str) -> AwsCredentials:
        """Return the credentials now. Blocking. Raises NoCredentials."""
        given = [self._environment.get(name, "") for name in _ENVIRONMENT]
        if not profile and not self._environment.get("AWS_PROFILE") and given[0] and given[1]:
            return AwsCredentials(*given)
        try:
            found = self._found.get(profile)
            if found is None:
                session = importlib.import_module("botocore.session").Session(profile=profile or None)
                found = self._found[profile] = session.get_credentials()
            frozen = found.get_frozen_credentials() if found is not None else None
        except ImportError:
            raise NoCredentials(
                "AWS: no keys are configured, and botocore, which finds others, is not installed"
            ) from None
        except Exception as error:  # noqa: BLE001 - botocore's, and whatever a credential process raises
            self._found.pop(profile, None)
            raise NoCredentials(f"AWS: credentials could not be loaded: {type(error).__name__}") from None
        if frozen is None or not frozen.access_key:
            self._found.pop(profile, None)
            raise NoCredentials("AWS: no credentials: state a key in the row, or give the process a role")
        return AwsCredentials(frozen.access_key, frozen.secret_key, frozen.token or "")
