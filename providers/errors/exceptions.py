"""The failures between the gateway and a provider, and their meaning for failover and for the client. Pure.

UpstreamFailed                  any of them, and the summary of several of them
  ConnectFailed                 refused, name not found, TLS not trusted: the provider received nothing
  UpstreamTimeout               connect | first_byte | idle | total
  UpstreamStatus                the provider responded with a status that is not 2xx
  UpstreamBroken                reset, truncated, or a response that is not of the requested kind
  DeadlineExceeded              the call's own deadline passed; no evidence about the provider
  Unavailable                   no deployment may be called at the moment, so none was
"""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from typing import Final, Literal

import msgspec
from typing_extensions import override

from providers.errors.anthropic_limits import is_used_up, wait_asked_for
from providers.errors.messages import MOST_REASON, ProviderMessage, leads_to, named_by, read_error
from providers.errors.redaction import cleaned, redact
from providers.errors.verdicts import NO_PATH, USED_UP, Fault, Verdict, verdict_in_stream, verdict_on
from providers.target import Target
from providers.usage import Usage

Phase = Literal["connect", "first_byte", "idle", "total"]

_TOO_MANY: Final = 429
_WORDS: Final[dict[str, str]] = {
    "upstream_auth_failed": "The provider refused the gateway's credential.",
    "upstream_account_exhausted": "The gateway's account at the provider cannot pay for this call.",
    "upstream_model_not_found": "The provider does not know this model.",
    "upstream_refused": "The provider refused this request.",
    "upstream_rate_limited": "The provider is limiting requests at the moment.",
    "upstream_timeout": "The provider did not answer in time.",
    "upstream_error": "The provider failed to answer.",
    "deadline_exceeded": "The call was not finished within its time.",
    "no_deployment_available": "No deployment of this model can serve at the moment.",
}
_FAULTS: Final[dict[str, Fault]] = {
    "upstream_auth_failed": "credential",
    "upstream_refused": "request",
    "upstream_rate_limited": "limit",
}
_PAGE: Final = "A server in front of the provider refused this request with a page of HTML: "
_NOWHERE: Final = "status 404: nothing is at this path of the provider (most base URLs end in /v1)"
_OF_404: Final = {
    NO_PATH: "Nothing is where the gateway asked the provider: "
    "that is the gateway's configuration, not this request.",
    "status_404": "The provider did not find something that this request names.",
}
_UNSURE: Final = "The provider refused this call, for what was asked or for the credential: it did not say."


class PassthroughError(msgspec.Struct, frozen=True):
    """A provider's own refusal of the client's request, as it is passed to the client."""

    status: int
    message: str
    type: str | None = "invalid_request_error"
    param: str | None = None
    code: str | None = None


class UpstreamFailed(Exception):
    """No usable response from a provider. `reached`: the request may have arrived there, so it may be billed.

    `kind` is its class in metrics; `fault` is the cause that the breaker counts; `is_sure`: one failure is enough;
    `fallback_reason`: another model might accept the same request.
    """

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
        self.kind, self.fallback_reason, self.is_sure = code, "", code == "upstream_auth_failed"
        self.fault: Fault = _FAULTS.get(code, "deployment")
        self.usage: Usage | None = None  # reported by the provider despite the failure
        self.partial_usage: Usage | None = None  # reported before the end: the final usage may be higher
        self.answer_status = 504 if code == "upstream_timeout" else 502
        self.provider, self.deployment, self.target_id = "", "", 0  # set by `set_target`
        self._secrets: tuple[str, ...] = ()
        self._read: ProviderMessage | None = None  # the parsed body

    def set_target(self, target: Target) -> None:
        """Record the target that failed, and redact the secrets that it was sent from the reason."""
        if self.target_id == target.id and self._secrets:
            return  # already done
        self.provider, self.deployment, self.target_id = target.provider, target.name, target.id
        self._secrets = target.secrets()
        self.reason = redact(self.reason, self._secrets)

    def apply(self, verdict: Verdict) -> None:
        """Apply the verdict on the provider's error."""
        self.retryable, self.code, self.answer_status = verdict.retryable, verdict.code, verdict.answer_status
        self.kind, self.fault, self.is_sure = verdict.kind, verdict.fault, verdict.is_sure
        self.fallback_reason = verdict.fallback_reason

    def provider_message(self, most: int = MOST_REASON) -> str:
        """Return the provider's message in one line without secrets, for the operator; "" if there is none."""
        if not self.body:
            return ""
        self._read = self._read or read_error(self.body)
        return redact(self._read.short(most), self._secrets)[:most]

    @property
    def passthrough(self) -> PassthroughError | None:
        """The refusal for the client in the provider's words, or None if the client gets the gateway's message."""
        if self.fault != "request":
            return None
        self._read = self._read or read_error(self.body)
        return cleaned(_passed_on(self.answer_status, self._read), self._secrets)

    @property
    def client_message(self) -> str:
        """The message for the client."""
        if self.fault == "credential" and not self.is_sure:
            return _UNSURE
        if self.kind in _OF_404:
            return _OF_404[self.kind]
        return _WORDS.get(self.code, _WORDS["upstream_error"])


def named(error: BaseException) -> str:
    """Return the class name of an error and its text, if it has one."""
    text = str(error)
    return f"{type(error).__name__}: {text}" if text else type(error).__name__


class ConnectFailed(UpstreamFailed):
    """Refused, unknown host, untrusted certificate: no byte of the request was sent."""

    def __init__(self, reason: str, kind: str = "connect_failed") -> None:
        super().__init__(reason)
        self.kind, self.reached = kind, False


class UpstreamTimeout(UpstreamFailed):
    """A phase of the call took too long."""

    def __init__(self, phase: Phase, seconds: float, *, reached: bool | None = None) -> None:
        super().__init__(f"{phase} timeout after {seconds:g} s", code="upstream_timeout")
        self.kind, self.phase, self.seconds = f"timeout_{phase}", phase, seconds
        self.reached = phase != "connect" if reached is None else reached


class UpstreamBroken(UpstreamFailed):
    """The connection broke, or its data is no response. `is_stale`: a kept connection on which nothing arrived."""

    is_stale = False

    def __init__(self, reason: str, *, body: bytes | None = None, kind: str = "malformed") -> None:
        super().__init__(reason, body=body)
        self.kind = kind


class ErrorWith200(UpstreamBroken):
    """An error sent with status 200, as a stream's first event or the whole body: judged by its own status."""

    def __init__(self, error: bytes) -> None:
        super().__init__("the provider sent an error instead of content", body=error, kind="error_in_stream")
        verdict = verdict_in_stream(error)
        if verdict is not None:
            self.apply(verdict)


class RequestUnsupported(UpstreamFailed):
    """The deployment's API cannot express the request: it was not sent."""

    def __init__(self, member: str, why: str) -> None:
        super().__init__(f"the request cannot be translated: {why}", code="upstream_refused")
        self.reached, self.answer_status, self.kind = False, 400, "unsupported_parameter"
        self.member, self.why = member, why

    @property
    @override
    def passthrough(self) -> PassthroughError:
        return PassthroughError(400, f"This model {self.why}.", param=self.member, code=self.kind)


class DeadlineExceeded(UpstreamFailed):
    """The time that the client or the server allows for the whole call has passed."""

    def __init__(self, seconds: float, *, reached: bool) -> None:
        super().__init__(f"deadline of {seconds:g} s", retryable=False, code="deadline_exceeded")
        self.kind, self.reached, self.answer_status = "deadline", reached, 504


class Unavailable(UpstreamFailed):
    """Every deployment is ejected or full. `is_limited`: only because of their providers' cooldowns."""

    passed_over: tuple[object, ...] = ()  # each deployment, and why; filled in by routing

    def __init__(self, wait_s: float, *, is_limited: bool, reason: str = "every deployment rests") -> None:
        code = "upstream_rate_limited" if is_limited else "no_deployment_available"
        super().__init__(reason, code=code, retry_after_s=wait_s)
        self.reached, self.answer_status = False, _TOO_MANY if is_limited else 503


class UpstreamStatus(UpstreamFailed):
    """The provider responded with an error (or a redirect, which is never followed; its host is reported)."""

    def __init__(
        self,
        status: int,
        body: bytes,
        content_type: str = "",
        retry_after_s: float | None = None,
        location: str = "",
        name: str = "",
    ) -> None:
        """`name`: of the error, where a header has it (AWS)."""
        message = named_by(read_error(body), name)
        reason = f"status {status}{leads_to(location)}" if 300 <= status < 400 else f"status {status}"  # noqa: PLR2004
        wait = message.retry_after_s if retry_after_s is None else retry_after_s
        super().__init__(reason, status=status, body=body, retry_after_s=wait)
        self._read = message
        self.apply(verdict_on(status, body, message))
        if self.kind == NO_PATH:
            self.reason = _NOWHERE
        self.content_type = content_type

    @classmethod
    def from_response(
        cls, status: int, headers: Mapping[str, str], body: bytes, now: float | None = None
    ) -> UpstreamStatus:
        """Read a response's head; `now` is Unix time, for a Retry-After that is a date."""
        now = time.time() if now is None else now
        wait, name = wait_asked_for(status, headers, now), headers.get("x-amzn-errortype", "")
        found = cls(status, body, headers.get("content-type", ""), wait, headers.get("location", ""), name)
        if found.fault == "limit" and is_used_up(headers, found.retry_after_s):
            found.apply(USED_UP)
        return found

    @property
    def error_names(self) -> frozenset[str]:
        """The codes and types of the error, in lower case."""
        return self._read.names if self._read is not None else frozenset()


def summarize(failures: Sequence[UpstreamFailed]) -> UpstreamFailed:
    """Return the failure that represents all attempts of a call: the last if it is final, else what they share. It has
    the provider of the last attempt that a provider may have received.
    """
    last = failures[-1]
    codes = {failure.code for failure in failures}
    if len(failures) == 1 or not last.retryable or codes == {"upstream_refused"}:
        last.reached = any(failure.reached for failure in failures)
        return last
    code = codes.pop() if len(codes) == 1 else "upstream_error"
    waits = [failure.retry_after_s for failure in failures if failure.retry_after_s is not None]
    summary = UpstreamFailed(
        "; ".join(failure.reason for failure in failures),
        status=last.status,
        code=code,
        body=last.body,
        retry_after_s=min(waits, default=None),
    )
    if all(failure.kind == NO_PATH for failure in failures):
        summary.kind = NO_PATH
    if code == "upstream_rate_limited":
        summary.answer_status = _TOO_MANY
    elif code == "upstream_auth_failed":
        summary.fault, summary.is_sure = "credential", any(failure.is_sure for failure in failures)
    seen = next((failure for failure in reversed(failures) if failure.reached), None)
    summary.reached, summary.partial_usage = (
        seen is not None,
        seen.partial_usage if seen is not None else None,
    )
    source = seen or last
    summary.provider, summary.deployment, summary.target_id = (
        source.provider,
        source.deployment,
        source.target_id,
    )
    return summary


def _passed_on(status: int, message: ProviderMessage) -> PassthroughError:
    words = (_PAGE if message.is_page else "") + message.message
    words = words or f"The provider refused the request with status {status}."
    return PassthroughError(
        status, words, message.type or "invalid_request_error", message.param, message.code
    )
