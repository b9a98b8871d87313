"""What every page of the ordinary site carries: cookies that stay on TLS once they came over it, and where a page may
load from. Costs a few microseconds a page.
"""

from __future__ import annotations

import base64
import hashlib
import re
from functools import lru_cache

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

HSTS = "max-age=31536000"
CSP = "Content-Security-Policy"
STRICT = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# Nothing inline runs and nothing evaluates. The theme's expressions are read by static/gateway/expressions.js, the one
# inline style sheet of its pages (its colors) is named by its hash.
ORDINARY = (
    "default-src 'self'; script-src 'self'; style-src 'self'{hashes}; img-src 'self' data:; font-src 'self' data:; "
    "object-src 'none'; base-uri 'self'; form-action 'self'; frame-ancestors 'none'"
)
_COLORS = re.compile(rb'<style id="unfold-theme-colors">(.*?)</style>', re.DOTALL)


class PageSecurity(MiddlewareMixin):
    """Django middleware. A proxy that ends TLS must be in `server.trusted_proxies` to be believed."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if CSP not in response:
            response[CSP] = STRICT if request.path == "/" else ORDINARY.format(hashes=_hashes(response))
        if request.is_secure():
            response["Strict-Transport-Security"] = HSTS
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response


def _hashes(response: HttpResponse) -> str:
    """Return the source of the theme's colors, if the page has them."""
    if response.streaming or not response.get("Content-Type", "").startswith("text/html"):
        return ""
    found = _COLORS.search(response.content)
    return f" 'sha256-{_sha256(found[1])}'" if found is not None else ""


@lru_cache(maxsize=8)
def _sha256(style: bytes) -> str:
    return base64.b64encode(hashlib.sha256(style).digest()).decode()
