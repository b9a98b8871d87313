"""One request to a provider that is no call: nothing is reserved, metered or tried again."""

from __future__ import annotations

import time
from typing import Final

from providers.auth import scheme
from providers.errors.exceptions import UpstreamBroken, UpstreamStatus, UpstreamTimeout
from providers.exchange import MAX_ANSWER, USER_AGENT
from providers.registry import PROVIDERS
from providers.resilience.plan import timeouts_within
from providers.sending.signed_exchange import MAX_ERROR
from providers.target import Target
from providers.transport.client import Transport, UpstreamRequest

_JSON: Final = "application/json"


async def ask(  # noqa: PLR0913 - what a request is made of
    transport: Transport,
    target: Target,
    method: str,
    path: str,
    body: bytes = b"",
    *,
    query: str = "",
    request_id: str = "",
) -> bytes:
    """Return the JSON object that the provider answers. Raises UpstreamFailed."""
    provider = PROVIDERS[target.provider]
    url = provider.url(target, path)
    if query:
        url += ("&" if "?" in url else "?") + query
    headers = {"accept": _JSON, "user-agent": USER_AGENT, "x-client-request-id": request_id}
    if body:
        headers["content-type"] = _JSON
    request = UpstreamRequest(method, url, headers, body, target.is_guarded)
    try:
        await scheme.sign(provider.auth, request, target)
    except TimeoutError:
        raise UpstreamTimeout("connect", target.timeouts.connect) from None
    timeouts = timeouts_within(target.timeouts, None, time.perf_counter(), streams=False)
    response = await transport.send(request, timeouts)
    try:
        if response.status >= 300:  # noqa: PLR2004 - HTTP's success range; redirects are never followed
            failure = UpstreamStatus.from_response(
                response.status, response.headers, await response.read(MAX_ERROR, truncate=True)
            )
            failure.set_target(target)
            raise failure
        raw = await response.read(MAX_ANSWER)
    finally:
        await response.aclose()
    if not raw.lstrip().startswith(b"{"):
        raise UpstreamBroken("not a JSON object", body=raw[:200])
    return raw
