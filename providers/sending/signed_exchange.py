"""Signs a request with its target's credential and sends it; once more if a cached credential has expired."""

from __future__ import annotations

from typing import Final

from providers.auth import scheme
from providers.errors.exceptions import UpstreamStatus, UpstreamTimeout
from providers.registry import PROVIDERS
from providers.reported_usage.places import usage_in_error
from providers.target import Target, Timeouts
from providers.transport.client import Transport, UpstreamRequest, UpstreamResponse

MAX_ERROR: Final = 256 * 1024


async def send_signed(
    transport: Transport, request: UpstreamRequest, target: Target, timeouts: Timeouts
) -> UpstreamResponse:
    """Return the response to a request, whose status is a success. Raises UpstreamFailed."""
    auth = PROVIDERS[target.provider].auth
    await _sign(auth, request, target)
    response = await transport.send(request, timeouts)
    if response.status < 300:  # noqa: PLR2004 - HTTP's success range; redirects are never followed
        return response
    refusal = await _refusal(response)
    if not auth.is_renewed_after(refusal.error_names | {str(refusal.status)}, target):
        raise refusal
    await _sign(auth, request, target)  # what was refused was not performed
    response = await transport.send(request, timeouts)
    if response.status < 300:  # noqa: PLR2004
        return response
    raise await _refusal(response)


async def _refusal(response: UpstreamResponse) -> UpstreamStatus:
    try:
        body = await response.read(MAX_ERROR, truncate=True)
        refusal = UpstreamStatus.from_response(response.status, response.headers, body)
        refusal.usage = usage_in_error(body)
        return refusal
    finally:
        await response.aclose()


async def _sign(auth: scheme.Authenticator, request: UpstreamRequest, target: Target) -> None:
    """Raises UpstreamTimeout, of a request that no provider has seen."""
    try:
        await scheme.sign(auth, request, target)
    except TimeoutError:
        raise UpstreamTimeout("connect", target.timeouts.connect) from None
