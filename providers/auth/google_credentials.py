"""Gets access tokens by google-auth: of a service account's JSON, else of the process's own identity - Application
Default Credentials: a file that the environment names, workload identity, the metadata server. Blocking.

google-auth is imported when the first token is needed: gateways without Vertex rows do not have it.
"""

from __future__ import annotations

import base64
import binascii
import calendar
import importlib
import importlib.util
import ssl
import threading
import time
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import urlsplit

import httpx
import msgspec
from cachetools import LRUCache

SCOPES: Final = ("https://www.googleapis.com/auth/cloud-platform",)
NOT_INSTALLED: Final = (
    "the package google-auth is not installed, which access tokens of Google need: run `make setup`, "
    "or give the row an `api_key`"
)
TIMEOUT_S: Final = 20.0
_LOOPBACK: Final = frozenset({"127.0.0.1", "::1", "localhost"})
_USUAL_LIFE_S: Final = 3600.0
_MOST: Final = 1_000
_MOST_REASON: Final = 300
# Of other kinds (external accounts) the JSON names files and addresses that google-auth would read: they are for
# Application Default Credentials, which only the operator of the machine writes.
_TYPES: Final = ("service_account", "authorized_user")


class NoToken(Exception):
    """`is_refused`: the credential is wrong; else its issuer could not be reached."""

    def __init__(self, why: str, *, is_refused: bool) -> None:
        self.why, self.is_refused = why, is_refused
        super().__init__(why)


class Token(msgspec.Struct, frozen=True):
    """`expires_at` is Unix time."""

    text: str
    expires_at: float


def is_installed() -> bool:
    try:
        return importlib.util.find_spec("google.auth") is not None
    except ModuleNotFoundError:
        return False


def is_googles(url: str) -> bool:
    """Return whether an address is one of Google's own hosts, over TLS."""
    parts = urlsplit(url)
    return parts.scheme == "https" and (parts.hostname or "").endswith(".googleapis.com")


def document_of(given: str) -> dict[str, Any]:
    """Read a credential's JSON, raw or in base64. Raises NoToken."""
    text = given.strip()
    try:
        raw = text.encode() if text.startswith("{") else base64.b64decode(text, validate=True)
        document = msgspec.json.decode(raw)
    except (binascii.Error, ValueError, RecursionError):
        raise NoToken("the credentials are neither JSON nor base64 of JSON", is_refused=True) from None
    if not isinstance(document, dict) or document.get("type") not in _TYPES:
        kinds = " or ".join(_TYPES)
        raise NoToken(
            f"the credentials are no {kinds}: others belong into the environment (GOOGLE_APPLICATION_CREDENTIALS)",
            is_refused=True,
        )
    if not _is_address_of_tokens(str(document.get("token_uri") or "https://")):
        raise NoToken("the credentials' token_uri is no https address", is_refused=True)
    return document


def _is_address_of_tokens(url: str) -> bool:
    """Return whether tokens may be asked for there: over TLS, or on this machine."""
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and parts.hostname in _LOOPBACK)


def project_of(given: str) -> str:
    """Return the project that a credential's JSON names; "": none."""
    try:
        found = document_of(given).get("project_id") if given else ""
    except NoToken:
        return ""
    return found if isinstance(found, str) else ""


class Tokens:
    """Loaded credentials, which are kept: reading a private key takes 80 ms."""

    def __init__(self) -> None:
        self._credentials: LRUCache[str, Any] = LRUCache(_MOST)
        self._lock = threading.Lock()

    def load(self, given: str) -> Token:
        """Return a new token. Raises NoToken."""
        if not is_installed():
            raise NoToken(NOT_INSTALLED, is_refused=True)
        errors = importlib.import_module("google.auth.exceptions")
        try:
            # The same authorities as for calls: httpx's own defaults fail where SSL_CERT_FILE has none.
            with httpx.Client(timeout=TIMEOUT_S, verify=ssl.create_default_context()) as client:
                request = _Request(client, errors.TransportError)
                credentials = self._loaded(given, request)
                credentials.refresh(request)
        except NoToken:
            raise
        except errors.TransportError as error:
            raise NoToken(f"no token: {_reason(error)}", is_refused=False) from None
        except errors.RefreshError as error:
            is_refused = not getattr(error, "retryable", False)
            raise NoToken(f"the credential was refused: {_reason(error)}", is_refused=is_refused) from None
        except (errors.GoogleAuthError, ValueError, KeyError, OSError) as error:
            raise NoToken(f"no usable credentials: {_reason(error)}", is_refused=True) from None
        return Token(credentials.token, _expiry(credentials))

    def _loaded(self, given: str, request: _Request) -> Any:
        with self._lock:
            found = self._credentials.get(given)
        if found is None:
            found = _own(document_of(given)) if given else _default(request)
            with self._lock:
                self._credentials[given] = found
        return found


def _own(document: dict[str, Any]) -> Any:
    is_account = document["type"] == "service_account"
    module = importlib.import_module(
        "google.oauth2.service_account" if is_account else "google.oauth2.credentials"
    )
    if is_account:
        return module.Credentials.from_service_account_info(document, scopes=list(SCOPES))
    return module.Credentials.from_authorized_user_info(document, scopes=list(SCOPES))


def _default(request: _Request) -> Any:
    found, _project = importlib.import_module("google.auth").default(scopes=list(SCOPES), request=request)
    return found


def _expiry(credentials: Any) -> float:
    expiry = credentials.expiry  # naive, in UTC
    return float(calendar.timegm(expiry.timetuple())) if expiry is not None else time.time() + _USUAL_LIFE_S


def _reason(error: Exception) -> str:
    """Return the first part of an error: the others repeat whole responses."""
    first = error.args[0] if error.args else ""
    return f"{type(error).__name__}: {first}"[:_MOST_REASON]


class _Response:
    """google.auth.transport.Response."""

    def __init__(self, response: httpx.Response) -> None:
        self.status, self.headers, self.data = response.status_code, response.headers, response.content


class _Request:
    """google.auth.transport.Request, by httpx: so that `requests` is not needed."""

    def __init__(self, client: httpx.Client, failure: type[Exception]) -> None:
        self._client, self._failure = client, failure

    def __call__(
        self,
        url: str,
        method: str = "GET",
        body: bytes | str | None = None,
        headers: Mapping[str, str] | None = None,
        timeout: float | None = None,
        **_more: Any,
    ) -> _Response:
        try:
            response = self._client.request(
                method, url, content=body, headers=dict(headers or {}), timeout=timeout or TIMEOUT_S
            )
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            raise self._failure(f"{type(error).__name__} at {urlsplit(url).hostname}") from None
        return _Response(response)
