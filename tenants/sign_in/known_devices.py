"""A browser that has signed in to an account before is known: strangers' failures elsewhere do not lock it out.

A signed cookie for each account, set at every sign-in (OWASP's device cookie). It grants no access: it only has a
failure count of its own (login_throttle.py), so the holder of a copy has ten guesses in a quarter of an hour too.
"""

from __future__ import annotations

import secrets

from django.conf import settings
from django.core import signing
from django.http import HttpRequest
from django.http.response import HttpResponseBase

KNOWN_S = 180 * 86400
_SALT = "tenants.known_devices"


def device_of(request: HttpRequest, account: str) -> str:
    """Return the name of the device that sent the request; "" if it has not signed in to this account yet.

    `account` is a digest of the account's name.
    """
    text = request.COOKIES.get(_cookie(account), "")
    try:
        signed = signing.loads(text, salt=_SALT, max_age=KNOWN_S)
    except (
        signing.BadSignature
    ):  # another's, expired, or missing: an attempt of a stranger, and counted as such
        return ""
    is_of_it = isinstance(signed, list) and len(signed) == 2 and signed[0] == account  # noqa: PLR2004 - account, device
    return str(signed[1]) if is_of_it else ""


def remember(response: HttpResponseBase, account: str, device: str) -> None:
    """Mark the browser as known from now on; `device` is its previous name, if any."""
    response.set_cookie(
        _cookie(account),
        signing.dumps([account, device or secrets.token_hex(16)], salt=_SALT),
        max_age=KNOWN_S,
        secure=settings.SESSION_COOKIE_SECURE,
        httponly=True,
        samesite="Lax",
    )


def _cookie(account: str) -> str:
    prefix = "__Host-" if settings.SESSION_COOKIE_SECURE else ""
    return f"{prefix}device-{account[:16]}"
