"""Errors that this app itself raises. gateway/http/errors.py maps them to HTTP."""

from __future__ import annotations

from gateway.http.paths import explain
from gateway.values.stop_reason import StopReason


class BadRequest(Exception):
    """The body cannot be processed; `param` is the field in OpenAI's notation."""

    def __init__(self, message: str, param: str | None = None, code: str | None = None) -> None:
        self.param, self.code = param, code
        super().__init__(message)


def not_json(why: object) -> BadRequest:
    """Return the error for a body that is not JSON."""
    return BadRequest(f"We could not parse the JSON body of your request: {why}.", code="invalid_json")


class NotFound(Exception):
    """No such path; `code` shows whether it is a known one that this version does not serve."""

    def __init__(self, path: str) -> None:
        self.code, message = explain(path)
        super().__init__(message)


class MethodNotAllowed(Exception):
    """The path exists, the method does not; `allowed` is for the Allow header."""

    def __init__(self, allowed: str) -> None:
        self.allowed = allowed
        super().__init__(f"This method is not allowed here; allowed: {allowed}.")


class WrongContentType(Exception):
    """The body is not declared as JSON."""


class ShuttingDown(Exception):
    """This process is draining."""


class Stopped(Exception):
    """The gateway itself cancelled a running call; `code` is the reason."""

    words = "The gateway ended this call."

    def __init__(self, code: str) -> None:
        self.code = code
        super().__init__(self.words)


class StoppedByRevocation(Stopped):
    words = "The API key was revoked while the call was running."


class StoppedBySuspension(Stopped):
    words = "The tenant was suspended while the call was running."


class StoppedByShutdown(Stopped):
    words = "The gateway is shutting down; try again."


def stop_error(reason: StopReason) -> Stopped:
    """Return the error for the reason that a call in flight was stopped for."""
    kinds: dict[StopReason, type[Stopped]] = {
        StopReason.KEY_REVOKED: StoppedByRevocation,
        StopReason.TENANT_SUSPENDED: StoppedBySuspension,
        StopReason.SERVER_SHUTDOWN: StoppedByShutdown,
    }
    return kinds.get(reason, Stopped)(reason.value)
