"""What every page of the ordinary site carries: cookies that stay on TLS once they came over it, and where a page may
load from. Costs a few microseconds a page.
"""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.utils.deprecation import MiddlewareMixin

from tenants.password_hasher import RETRY_AFTER_S, TooManyHashes

CSP = "Content-Security-Policy"
STRICT = (
    "default-src 'none'; style-src 'self'; img-src 'self'; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)
# The admin's theme and the API page evaluate expressions in their markup, so scripts cannot be narrowed further there.
ORDINARY = (
    "default-src 'self'; script-src 'self' 'unsafe-inline' 'unsafe-eval'; style-src 'self' 'unsafe-inline'; "
    "img-src 'self' data:; font-src 'self' data:; object-src 'none'; base-uri 'self'; form-action 'self'; "
    "frame-ancestors 'none'"
)


class PageSecurity(MiddlewareMixin):
    """Django middleware. A proxy that ends TLS must be in `server.trusted_proxies` to be believed."""

    def process_response(self, request: HttpRequest, response: HttpResponse) -> HttpResponse:
        if CSP not in response:
            response[CSP] = STRICT if request.path == "/" else ORDINARY
        if request.is_secure():
            for cookie in response.cookies.values():
                cookie["secure"] = True
        return response

    def process_exception(self, _: HttpRequest, exception: Exception) -> HttpResponse | None:
        """Answer a page that would have needed a password hashed while too many others are."""
        if not isinstance(exception, TooManyHashes):
            return None
        words = "Too many sign-ins at the moment. Try again in a second.\n"
        response = HttpResponse(words, status=429, content_type="text/plain; charset=utf-8")
        response["Retry-After"] = str(RETRY_AFTER_S)
        return response
