"""How long a person stays signed in: at most `admin.session.max_age`, and `idle_timeout` without opening a page.

Both are written into the session's own expiry, which Django and the live status check. At most one write per minute.
"""

from __future__ import annotations

from django.conf import settings
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.signals import user_logged_in
from django.contrib.sessions.backends.base import SessionBase
from django.dispatch import receiver
from django.http import HttpRequest
from django.utils.deprecation import MiddlewareMixin
from django.utils.timezone import now

BEGAN, RENEWED = "began_at", "renewed_at"
RENEW_S = 60.0


class SessionAge(MiddlewareMixin):
    """Django middleware, after that of sessions. A session of the previous release starts to age when it is seen."""

    def process_request(self, request: HttpRequest) -> None:
        session = request.session
        if not session.session_key or SESSION_KEY not in session:
            return
        limits, instant = settings.GATEWAY.admin.session, now().timestamp()
        renewed = float(session.get(RENEWED, 0.0))
        left = limits.max_age - (instant - float(session.setdefault(BEGAN, instant)))
        if left <= 0 or (renewed and instant - renewed > limits.idle_timeout):
            session.flush()
        elif instant - renewed >= min(RENEW_S, limits.idle_timeout / 2):
            _renew(session, instant, left)


@receiver(user_logged_in)
def _begin(request: HttpRequest, **_: object) -> None:
    """A sign-in starts the age anew, also over a session that was still valid."""
    instant = now().timestamp()
    request.session[BEGAN] = instant
    _renew(request.session, instant, settings.GATEWAY.admin.session.max_age)


def _renew(session: SessionBase, instant: float, left: float) -> None:
    session[RENEWED] = instant
    session.set_expiry(max(1, int(min(left, settings.GATEWAY.admin.session.idle_timeout))))
