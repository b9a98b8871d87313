"""The headers of every page of the ordinary site: cookies restricted to TLS once they came over it, and the sources a
page may load from. Costs a few microseconds per page.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache
from urllib.parse import unquote

from django.db import DataError
from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from tenants.sign_in.password_hasher import RETRY_AFTER_S, TooManyHashes

NUL = "\0"
HSTS = "max-age=31536000"
CSP = "Content-Security-Policy"
STRICT = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# No inline script runs and nothing is evaluated. The theme's expressions are read by static/gateway/expressions.js;
# the one inline style sheet of its pages (its colors) is allowed by its hash.
ORDINARY = (
    "default-src 'self'; script-src 'self'; style-src 'self'{hashes}; img-src 'self' data:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_COLORS = re.compile(rb'<style id="unfold-theme-colors">(.*?)</style>', re.DOTALL)


class SecurityHeadersMiddleware(MiddlewareMixin):
    """Django middleware. A proxy that ends TLS must be in `server.trusted_proxies` to be trusted."""

    def process_request(self, request: HttpRequest) -> HttpResponse | None:
        """Refuse URLs that no database can look up: PostgreSQL's texts hold no NUL, SQLite's do."""
        return _no_nul() if NUL in request.path or NUL in unquote(request.META["QUERY_STRING"]) else None

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if CSP not in response:
            response[CSP] = STRICT if request.path == "/" else ORDINARY.format(hashes=_hashes(response))
        if request.is_secure():
            response["Strict-Transport-Security"] = HSTS
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response

    def process_exception(self, _: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Respond where a password could not be hashed because too many others are, and to a form with a NUL."""
        if isinstance(exception, DataError | ValueError) and "NUL" in str(exception):
            return _no_nul()
        if not isinstance(exception, TooManyHashes):
            return None
        words = "Too many sign-ins at the moment. Try again in a second.\n"
        response = HttpResponse(words, status=429, content_type="text/plain; charset=utf-8")
        response["Retry-After"] = str(RETRY_AFTER_S)
        return response


def _no_nul() -> HttpResponse:
    words = "A character with the number 0 names nothing here.\n"
    return HttpResponse(words, status=400, content_type="text/plain; charset=utf-8")


def _hashes(response: HttpResponse) -> str:
    """Return the source of the theme's colors, if the page has them."""
    if response.streaming or not response.get("Content-Type", "").startswith("text/html"):
        return ""
    found = _COLORS.search(response.content)
    return f" 'sha256-{_sha256(found[1])}'" if found is not None else ""


@lru_cache(maxsize=8)
def _sha256(style: bytes) -> str:
    return base64.b64encode(hashlib.sha256(style).digest()).decode()
