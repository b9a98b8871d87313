"""What a provider's status means: may another deployment do better, and what the client gets. Pure."""

from __future__ import annotations

from typing import Final

import msgspec

from providers.blame import blame, is_flagged, is_too_large


class Verdict(msgspec.Struct, frozen=True):
    """What a status means: may another deployment do better, our code, and the status the client gets."""

    retryable: bool
    code: str
    answer_status: int


_ELSEWHERE: Final = Verdict(retryable=True, code="upstream_error", answer_status=502)
_REFUSED: Final = Verdict(retryable=True, code="upstream_auth_failed", answer_status=502)
_OF_403: Final = {
    "credential": _REFUSED,
    "request": Verdict(retryable=False, code="upstream_refused", answer_status=403),
    "firewall": Verdict(retryable=True, code="upstream_refused", answer_status=403),  # another has none
}
# What one request brought upon itself, whatever the status: another deployment may take it, and this one is well.
_FLAGGED: Final = Verdict(retryable=True, code="upstream_refused", answer_status=403)
_TOO_LARGE: Final = Verdict(retryable=True, code="upstream_refused", answer_status=413)
_VERDICTS: Final[dict[int, Verdict]] = {
    401: _REFUSED,
    404: Verdict(retryable=True, code="upstream_model_not_found", answer_status=502),
    408: _ELSEWHERE,
    409: _ELSEWHERE,
    425: _ELSEWHERE,
    429: Verdict(retryable=True, code="upstream_rate_limited", answer_status=429),
}


def verdict_on(status: int, body: bytes) -> Verdict:
    """Classify a status that is not 2xx. A client's own 4xx is its own; the rest may go better elsewhere."""
    if status == 403:  # noqa: PLR2004
        return _OF_403[blame(body)]
    if status == 429 and is_too_large(body):  # noqa: PLR2004
        return _TOO_LARGE
    if status >= 500 and is_flagged(body):  # noqa: PLR2004
        return _FLAGGED
    known = _VERDICTS.get(status)
    if known is not None:
        return known
    if 400 <= status < 500:  # noqa: PLR2004 - HTTP's client errors
        return Verdict(retryable=False, code="upstream_refused", answer_status=status)
    return _ELSEWHERE
