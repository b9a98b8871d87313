"""Password guessing: 10 failures per account and address and 100 per address in 15 minutes; then 429, also for the
right password. Successes do not count. From all addresses together an account may be tried 10 times in 90 seconds: that
slows down guessing from many addresses, and locks no person out for longer. A browser that has signed in to the account
before (known_devices.py) has a count of its own, 10 failures in 15 minutes, and no other counts for it.

An attempt is counted before it is tried and given back if it was no failure, so concurrent requests try no more than
the limit. Counted in Redis where processes share one, and always in this process too: while Redis is away this count
decides, with this process's share of each limit. That is logged once per outage and counted in a metric.
"""

from __future__ import annotations

import functools
import hashlib
import logging
import math
import os
import threading
import time
import unicodedata
from collections.abc import Callable
from typing import Any

from django.conf import settings
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from prometheus_client import Counter

from gateway.values.quantities import seconds
from tenants.addresses import origin
from tenants.sign_in.attempt_counters import Limit, LocalCounters, SharedCounters
from tenants.sign_in.known_devices import device_of, remember
from tenants.sign_in.password_hasher import TooManyHashes

logger = logging.getLogger(__name__)

WINDOW_S = 900
PER_ACCOUNT = 10  # from one address
PER_ADDRESS = 100
PER_DEVICE = 10
PER_ACCOUNT_ANYWHERE, SLOW_S = 10, 90  # 100 in 15 minutes, but never a long wait
ASK_AGAIN_S = 5.0  # after Redis failed this process decides alone for so long
WORKERS = "GATEWAY_WORKERS"  # set by `serve`: how many processes share a limit while nothing else is shared

FALLBACKS = Counter("gateway_login_fallbacks", "Sign-ins decided by one process because Redis was away")

View = Callable[..., HttpResponseBase]


class LoginThrottle:
    """Decides whether a sign-in may be tried. `shared` is None where there is one process."""

    def __init__(
        self,
        local: LocalCounters,
        shared: SharedCounters | None = None,
        *,
        processes: int = 1,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self._local, self._shared, self._processes, self._clock = local, shared, processes, clock
        self._ask_at = 0.0
        self._lock = threading.Lock()

    def begin(self, account: str, address: str, device: str = "") -> Attempt:
        """Count an attempt. The caller checks its `wait_s`, and reports the outcome. `device`: a known one's name."""
        limits = _limits(account, address, device)
        wait_s = self._in_redis(lambda shared: shared.take(limits))
        if wait_s is None:
            FALLBACKS.inc()
            own = [limit._replace(most=max(1, limit.most // self._processes)) for limit in limits]
            return Attempt(self, limits, self._local.take(own), is_shared=False)
        if wait_s:
            return Attempt(self, limits, wait_s, is_shared=True)
        wait_s = self._local.take(limits)
        if wait_s:
            self._in_redis(lambda shared: shared.give_back(limits))
        return Attempt(self, limits, wait_s, is_shared=True)

    def give_back(self, limits: list[Limit], *, is_shared: bool) -> None:
        """Give an attempt back where it was counted."""
        self._local.give_back(limits)
        if is_shared:
            self._in_redis(lambda shared: shared.give_back(limits))

    def _in_redis(self, do: Callable[[SharedCounters], float | None]) -> float | None:
        """Return the result of Redis, 0 where there is none, None where it does not respond."""
        if self._shared is None:
            return 0.0
        if self._clock() < self._ask_at:
            return None
        try:
            answer = do(self._shared) or 0.0
        except Exception as error:  # noqa: BLE001 - for any error, the count in this process decides
            with self._lock:
                if not self._ask_at:
                    logger.warning("sign_in.redis.failed", extra={"error": str(error)})
                self._ask_at = self._clock() + ASK_AGAIN_S
            return None
        self._ask_at = 0.0
        return answer


class Attempt:
    """One sign-in. `wait_s` above 0: it may not be tried, and was not counted."""

    def __init__(
        self, throttle: LoginThrottle, limits: list[Limit], wait_s: float, *, is_shared: bool
    ) -> None:
        self._throttle, self._limits, self._is_shared = throttle, limits, is_shared
        self.wait_s = math.ceil(wait_s)

    def was_no_failure(self) -> None:
        """It succeeded, or was not tried: it does not count."""
        self._throttle.give_back(self._limits, is_shared=self._is_shared)


@functools.cache
def of_this_process() -> LoginThrottle:
    """Return the one that all pages of this process share."""
    shared = None
    if settings.GATEWAY.redis.url:
        from django_redis import get_redis_connection  # noqa: PLC0415 - embedded mode does without

        shared = SharedCounters(WINDOW_S, lambda: get_redis_connection("default"))
    return LoginThrottle(LocalCounters(WINDOW_S), shared, processes=int(os.environ.get(WORKERS) or 1))


def throttled(login: View) -> View:
    """Wrap a sign-in page of Django, which responds to a wrong password with the form again (200)."""

    def page(request: HttpRequest, *arguments: Any, **options: Any) -> HttpResponseBase:
        if request.method != "POST":
            return login(request, *arguments, **options)
        account, address = request.POST.get("username", ""), request.META.get("REMOTE_ADDR", "")
        name = account_name(account)
        device = device_of(request, name)
        attempt = of_this_process().begin(account, address, device)
        if attempt.wait_s:
            return _refusal(attempt.wait_s)
        try:
            response = login(request, *arguments, **options)
        except TooManyHashes:
            attempt.was_no_failure()
            raise  # the page middleware responds to it
        if response.status_code != 200:  # noqa: PLR2004 - a success redirects
            attempt.was_no_failure()
        if response.status_code == 302 and request.user.is_authenticated:  # noqa: PLR2004
            remember(response, name, device)
        return response

    return page


def account_name(account: str) -> str:
    """Return the name an account is counted under, however it is spelled."""
    return _digest(_spelled(account))


def _limits(account: str, address: str, device: str) -> list[Limit]:
    name, source = _spelled(account), origin(address)
    if device:
        return [Limit(f"device:{_digest(name, device)}", PER_DEVICE)]
    return [
        Limit(f"account:{_digest(name, source)}", PER_ACCOUNT),
        Limit(f"address:{_digest(source)}", PER_ADDRESS),
        Limit(f"anywhere:{_digest(name)}", PER_ACCOUNT_ANYWHERE, SLOW_S),
    ]


def _spelled(account: str) -> str:
    """Return one spelling for all that the sign-in form accepts for the same account."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", account).casefold()).strip()


def _digest(*parts: str) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


def _refusal(wait_s: int) -> HttpResponse:
    words = f"Too many failed sign-ins. Try again in {seconds(wait_s)}.\n"
    response = HttpResponse(words, status=429, content_type="text/plain; charset=utf-8")
    response["Retry-After"] = str(wait_s)
    return response
