"""Error responses of the simulator: OpenAI's error envelope. Pure."""

from __future__ import annotations

import re

import msgspec
import orjson

_PATH = re.compile(r" - at `\$\.?([^`]*)`$")
_MISSING = re.compile(r"required field `([^`]+)`")


class SimulatorError(Exception):
    """Raised for a request that the simulator refuses."""

    def __init__(
        self, message: str, *, status: int = 400, param: str | None = None, code: str | None = None
    ) -> None:
        super().__init__(message)
        self.message, self.status, self.param, self.code = message, status, param, code

    def envelope(self) -> bytes:
        error = {
            "message": self.message,
            "type": "invalid_request_error",
            "param": self.param,
            "code": self.code,
        }
        return orjson.dumps({"error": error})


def refusal_of(error: msgspec.DecodeError) -> SimulatorError:
    """Return msgspec's error as OpenAI's: broken JSON, a missing parameter or one of the wrong type."""
    if not isinstance(error, msgspec.ValidationError):
        return SimulatorError("We could not parse the JSON body of your request.")
    text = str(error)
    path = _PATH.search(text)
    where = path.group(1) if path is not None else ""
    missing = _MISSING.search(text)
    if missing is not None:
        name = f"{where}.{missing.group(1)}" if where else missing.group(1)
        return SimulatorError(
            f"Missing required parameter: '{name}'.", param=name, code="missing_required_parameter"
        )
    shown = _PATH.sub("", text)
    return SimulatorError(f"Invalid type for '{where}': {shown}.", param=where or None, code="invalid_type")
