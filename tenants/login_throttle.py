"""Guessing passwords: 10 failures per account and address, 100 per address, in 15 minutes; then 429, also for the
right password. Successes do not count. Kept in Django's cache: shared by all processes in Redis, else in this one.
"""

from __future__ import annotations

import hashlib
import math
import time
from collections.abc import Callable
from typing import Any

from django.core.cache import cache
from django.http import HttpRequest, HttpResponse
from django.http.response import HttpResponseBase

from tenants.addresses import origin

WINDOW_S = 900
PER_ACCOUNT = 10
PER_ADDRESS = 100

View = Callable[..., HttpResponseBase]


class LoginThrottle:
    """The failures of one account from one address. `clock` is the time of day, which processes share."""

    def __init__(self, account: str, address: str, clock: Callable[[], float] = time.time) -> None:
        who = origin(address)
        name = hashlib.sha256(f"{account.strip().casefold()}\n{who}".encode()).hexdigest()
        self._limits = ((f"login:account:{name}", PER_ACCOUNT), (f"login:address:{who}", PER_ADDRESS))
        self._clock = clock

    def wait_s(self) -> int:
        """Return for how many seconds nobody may try; 0: now."""
        waits = [0.0]
        for name, most in self._limits:
            if (cache.get(name) or 0) >= most:
                waits.append((cache.get(f"{name}:ends") or 0) - self._clock())
        return max(0, math.ceil(max(waits)))

    def failed(self) -> None:
        """Count a failure."""
        for name, _ in self._limits:
            if cache.add(name, 1, WINDOW_S):
                cache.set(f"{name}:ends", self._clock() + WINDOW_S, WINDOW_S)
                continue
            try:
                cache.incr(name)
            except ValueError:  # its window ended in between
                cache.set(name, 1, WINDOW_S)


def throttled(login: View) -> View:
    """Wrap a sign-in page of Django, which answers a wrong password with the form again (200)."""

    def page(request: HttpRequest, *arguments: Any, **options: Any) -> HttpResponseBase:
        if request.method != "POST":
            return login(request, *arguments, **options)
        throttle = LoginThrottle(request.POST.get("username", ""), request.META.get("REMOTE_ADDR", ""))
        wait_s = throttle.wait_s()
        if wait_s:
            return _refusal(wait_s)
        response = login(request, *arguments, **options)
        if response.status_code == 200:  # noqa: PLR2004 - a success redirects
            throttle.failed()
        return response

    return page


def _refusal(wait_s: int) -> HttpResponse:
    words = f"Too many failed sign-ins. Try again in {math.ceil(wait_s / 60)} min.\n"
    response = HttpResponse(words, status=429, content_type="text/plain; charset=utf-8")
    response["Retry-After"] = str(wait_s)
    return response
