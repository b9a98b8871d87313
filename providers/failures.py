"""What can go wrong between us and a provider, and what that means for failover and for the client. Pure.

UpstreamFailed                  any of them, and several of them summed up
  ConnectFailed                 refused, name not found, TLS not trusted: the provider saw nothing
  UpstreamTimeout               connect | first_byte | idle | total
  UpstreamStatus                the provider answered with a status that is not 2xx
  UpstreamBroken                reset, truncated, or an answer that is not what was asked for
  DeadlineExceeded              the call's own time was over; says nothing about the provider
  Unavailable                   no deployment may be called at the moment, so none was
"""

from __future__ import annotations

import math
import time
from collections.abc import Mapping, Sequence
from datetime import UTC
from email.utils import parsedate_to_datetime
from typing import Any, Final, Literal

import msgspec
import orjson
from typing_extensions import override

from providers.redaction import cleaned, redact
from providers.target import Target
from providers.usage import Usage
from providers.verdicts import verdict_on

Phase = Literal["connect", "first_byte", "idle", "total"]

MAX_RETRY_AFTER_S: Final = 86_400.0
MAX_MESSAGE_CHARS: Final = 8_000

_TOO_MANY: Final = 429


_WORDS: Final[dict[str, str]] = {
    "upstream_auth_failed": "The provider refused the gateway's credential.",
    "upstream_model_not_found": "The provider does not know this model.",
    "upstream_refused": "The provider refused this request.",
    "upstream_rate_limited": "The provider is limiting requests at the moment.",
    "upstream_timeout": "The provider did not answer in time.",
    "upstream_error": "The provider failed to answer.",
    "deadline_exceeded": "The call was not finished within its time.",
    "no_deployment_available": "No deployment of this model can serve at the moment.",
}


class PassedOn(msgspec.Struct, frozen=True):
    """A provider's own refusal of the client's request, as the client will see it."""

    status: int
    message: str
    type: str | None = "invalid_request_error"
    param: str | None = None
    code: str | None = None


class UpstreamFailed(Exception):
    """No answer from a provider. `reached`: the request may have arrived there, so it may cost something."""

    def __init__(
        self,
        reason: str,
        *,
        retryable: bool = True,
        status: int | None = None,
        code: str = "upstream_error",
        body: bytes | None = None,
        retry_after_s: float | None = None,
    ) -> None:
        super().__init__(reason)
        self.reason = reason  # for logs and the decision trace; may name hosts, so it is not for clients
        self.retryable, self.status, self.code = retryable, status, code
        self.body, self.retry_after_s, self.reached = body, retry_after_s, True
        self.usage: Usage | None = None  # what the provider said that it used all the same
        self.answer_status = 504 if code == "upstream_timeout" else 502
        self.provider, self.deployment, self.target_id = "", "", 0  # filled in by `came_from`
        self._secrets: tuple[str, ...] = ()

    def came_from(self, target: Target) -> None:
        """Note who failed, and take the secrets that it was sent out of what it said."""
        self.provider, self.deployment, self.target_id = target.provider, target.name, target.id
        self._secrets = target.secrets()
        self.reason = redact(self.reason, self._secrets)

    @property
    def passed_on(self) -> PassedOn | None:
        """The refusal to hand to the client as it is, or None when the client gets our own words."""
        return None

    @property
    def words(self) -> str:
        """A sentence for the client."""
        return _WORDS.get(self.code, _WORDS["upstream_error"])


class ConnectFailed(UpstreamFailed):
    """Refused, unknown host, untrusted certificate: no byte of the request left."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reached = False


class UpstreamTimeout(UpstreamFailed):
    """A phase of the call took too long."""

    def __init__(self, phase: Phase, seconds: float, *, reached: bool | None = None) -> None:
        super().__init__(f"{phase} timeout after {seconds:g} s", code="upstream_timeout")
        self.phase, self.seconds = phase, seconds
        self.reached = phase != "connect" if reached is None else reached


class UpstreamBroken(UpstreamFailed):
    """The connection broke, or what came over it is not an answer. `is_stale`: it had been kept, and was silent."""

    is_stale = False


class DeadlineExceeded(UpstreamFailed):
    """The time that the client or the server allows for the whole call is over."""

    def __init__(self, seconds: float, *, reached: bool) -> None:
        super().__init__(f"deadline of {seconds:g} s", retryable=False, code="deadline_exceeded")
        self.reached, self.answer_status = reached, 504


class Unavailable(UpstreamFailed):
    """Every deployment rests or is full. `is_limited`: only because their providers asked not to be called yet."""

    def __init__(self, wait_s: float, *, is_limited: bool, reason: str = "every deployment rests") -> None:
        code = "upstream_rate_limited" if is_limited else "no_deployment_available"
        super().__init__(reason, code=code, retry_after_s=wait_s)
        self.reached, self.answer_status = False, _TOO_MANY if is_limited else 503


class UpstreamStatus(UpstreamFailed):
    """The provider answered with an error (or a redirect, which is never followed)."""

    def __init__(
        self, status: int, body: bytes, content_type: str = "", retry_after_s: float | None = None
    ) -> None:
        verdict = verdict_on(status, body)
        super().__init__(
            f"status {status}",
            retryable=verdict.retryable,
            status=status,
            code=verdict.code,
            body=body,
            retry_after_s=retry_after_s,
        )
        self.content_type = content_type
        self.answer_status = verdict.answer_status

    @classmethod
    def of(
        cls, status: int, headers: Mapping[str, str], body: bytes, now: float | None = None
    ) -> UpstreamStatus:
        """Read an answer's head; `now` is Unix time, for a Retry-After that is a date."""
        now = time.time() if now is None else now
        wait = _milliseconds(headers.get("retry-after-ms"))
        if wait is None:
            wait = parse_retry_after(headers.get("retry-after"), now)
        return cls(status, body, headers.get("content-type", ""), wait)

    @property
    @override
    def passed_on(self) -> PassedOn | None:
        if self.retryable or self.status is None:
            return None
        return cleaned(_passed_on(self.status, self.body or b""), self._secrets)


def summarize(failures: Sequence[UpstreamFailed]) -> UpstreamFailed:
    """Return the failure that stands for all tries of a call: the last if it is final, else what they share.

    `reached`, `provider` and `deployment` are those of the last try that a provider may have seen.
    """
    last = failures[-1]
    if len(failures) == 1 or not last.retryable:
        last.reached = any(failure.reached for failure in failures)
        return last
    codes = {failure.code for failure in failures}
    code = codes.pop() if len(codes) == 1 else "upstream_error"
    waits = [failure.retry_after_s for failure in failures if failure.retry_after_s is not None]
    summary = UpstreamFailed(
        "; ".join(failure.reason for failure in failures),
        status=last.status,
        code=code,
        body=last.body,
        retry_after_s=min(waits, default=None),
    )
    summary.answer_status = {"upstream_rate_limited": 429, "upstream_refused": 403}.get(
        code, summary.answer_status
    )
    seen = next((failure for failure in reversed(failures) if failure.reached), None)
    summary.reached = seen is not None
    told = seen or last
    summary.provider, summary.deployment, summary.target_id = told.provider, told.deployment, told.target_id
    return summary


def parse_retry_after(value: str | None, now: float) -> float | None:
    """Return the seconds a Retry-After asks for (a number or an HTTP date), never negative, at most a day."""
    if not value:
        return None
    try:
        seconds = float(value)
    except ValueError:
        seconds = _until(value, now)
    return _sane(seconds)


def _milliseconds(value: str | None) -> float | None:
    try:
        return _sane(float(value) / 1000) if value else None
    except ValueError:
        return None


def _until(date: str, now: float) -> float:
    try:
        instant = parsedate_to_datetime(date)
    except (ValueError, TypeError, IndexError, OverflowError):
        return math.nan
    if instant.tzinfo is None:
        instant = instant.replace(tzinfo=UTC)
    return max(0.0, instant.timestamp() - now)


def _sane(seconds: float) -> float | None:
    return min(seconds, MAX_RETRY_AFTER_S) if seconds >= 0 else None  # not a number is not >= 0


def _passed_on(status: int, body: bytes) -> PassedOn:
    said = _said(body)
    message = said.get("message") or said.get("detail")
    if not isinstance(message, str) or not message:
        return PassedOn(
            status, f"The provider refused the request with status {status}.", code=_text(said.get("code"))
        )
    return PassedOn(
        status,
        message[:MAX_MESSAGE_CHARS],
        _text(said.get("type")) or "invalid_request_error",
        _text(said.get("param")),
        _text(said.get("code")),
    )


def _said(body: bytes) -> dict[str, Any]:
    """Find the members of an error in the envelopes that OpenAI and its imitators use."""
    try:
        document = orjson.loads(body)
    except orjson.JSONDecodeError:
        return {}
    if not isinstance(document, dict):
        return {}
    error = document.get("error", document)
    if isinstance(error, str):
        return {"message": error}
    return error if isinstance(error, dict) else {}


def _text(value: Any) -> str | None:
    return (
        str(value)[:200]
        if isinstance(value, str | int) and not isinstance(value, bool) and value != ""
        else None
    )
