"""The one table that turns an error into HTTP: exception type -> status, code, type, headers.

Domain errors do not depend on HTTP; the client's API writes the envelope (gateway/http/client_api.py). An exception
without a row is a defect: it is logged once with its traceback, and the response is 500 `internal_error`.
"""

from __future__ import annotations

import logging
import math
import random
from collections.abc import Callable
from typing import Any

import msgspec
from ninja.errors import AuthenticationError, HttpError
from ninja.errors import ValidationError as NinjaValidationError

from budgets.admission.interface import AdmissionUnavailable, BudgetRefused, RateRefused
from budgets.admission.unbounded_requests import FeatureUnpriced
from catalog.routing.client_hints import BadHint
from catalog.routing.resolve import ModelCannot, ModelNotFound, ModelUnpriced, NoDeployment, WrongModelType
from catalog.routing.route import StateOwnerUnavailable
from gateway.http.client_api import API_ERROR, OPENAI, ClientApi, ErrorFields
from gateway.http.client_connection import BodyTooLarge, BodyTooSlow
from gateway.http.content_coding import ACCEPT_ENCODING, BadCoding, UnknownCoding
from gateway.http.exceptions import (
    BadRequest,
    MethodNotAllowed,
    NotFound,
    ShuttingDown,
    Stopped,
    StoppedByRevocation,
    StoppedBySuspension,
    WrongContentType,
)
from gateway.http.limit_errors import figures_of_budget, figures_of_limit, words_of_budget, words_of_limit
from gateway.http.response import Headers, Response, json_response
from gateway.idempotency.rows import InProgress, Mismatch, ResultUnavailable
from gateway.idempotency.store import BadIdempotencyKey, ReplaysUnavailable
from gateway.overload.exceptions import Overloaded
from gateway.runtime import NotServing, Starting
from metering.journal.journal import MeteringUnavailable
from metering.journal.pending_close import CloseNotPersisted
from providers.conversation.responses.state import UnknownState
from providers.errors.exceptions import UpstreamFailed
from providers.requests.money_classes import Unacceptable
from tenants.errors import (
    AddressNotAllowed,
    InvalidKey,
    KeysUnavailable,
    ModelNotAllowed,
    ScopeNotAllowed,
    TenantSuspended,
    TooManyMisses,
)

logger = logging.getLogger(__name__)

INVALID = "invalid_request_error"
AUTH = "authentication_error"
PERMISSION = "permission_error"
RATE = "rate_limit_error"
API = API_ERROR
HANG_UP = (b"connection", b"close")
NEVER_RETRY: Headers = [(b"x-should-retry", b"false")]  # OpenAI's clients obey it


class Row(msgspec.Struct, frozen=True):
    """`message` None: the exception's own text. `param`, `facts` and `headers` are computed from the exception."""

    status: int
    code: str
    type: str
    message: str | None = None
    param: Callable[[Any], str | None] = lambda _: None
    facts: Callable[[Any], dict[str, Any]] = lambda _: {}
    headers: Callable[[Any], Headers] = lambda _: []


def _retry_after(wait_s: float) -> Headers:
    return [
        (b"retry-after", str(max(1, math.ceil(wait_s))).encode()),
        (b"retry-after-ms", str(max(1, math.ceil(wait_s * 1000))).encode()),
    ]


ERRORS: dict[type[Exception], Row] = {
    InvalidKey: Row(401, "invalid_api_key", AUTH),
    AuthenticationError: Row(401, "invalid_api_key", AUTH, "You did not provide an API key."),
    KeysUnavailable: Row(
        503,
        "keys_unavailable",
        API,
        "Keys cannot be checked at the moment.",
        headers=lambda _: _retry_after(1),
    ),
    TooManyMisses: Row(
        429, "too_many_unknown_keys", AUTH, headers=lambda error: _retry_after(error.retry_after_s)
    ),
    TenantSuspended: Row(403, "tenant_suspended", PERMISSION),
    AddressNotAllowed: Row(403, "address_not_allowed", PERMISSION),
    ScopeNotAllowed: Row(403, "scope_not_allowed", PERMISSION),
    ModelNotAllowed: Row(403, "model_not_allowed", PERMISSION, param=lambda _: "model"),
    ModelUnpriced: Row(403, "model_unpriced", PERMISSION, param=lambda _: "model"),
    FeatureUnpriced: Row(403, "feature_unpriced", PERMISSION, param=lambda error: error.param),
    Unacceptable: Row(400, "unsupported_parameter", INVALID, param=lambda error: error.param or None),
    ModelNotFound: Row(404, "model_not_found", INVALID, param=lambda _: "model"),
    WrongModelType: Row(400, "wrong_model_type", INVALID, param=lambda _: "model"),
    ModelCannot: Row(400, "model_cannot", INVALID, param=lambda error: error.param),
    BadHint: Row(400, "invalid_route_hint", INVALID, param=lambda _: "X-Gateway-Route"),
    UnknownState: Row(404, "not_found", INVALID, param=lambda error: error.member),
    StateOwnerUnavailable: Row(503, "state_owner_unavailable", API, param=lambda error: error.param),
    NoDeployment: Row(503, "no_deployment_available", API, headers=lambda _: NEVER_RETRY),
    BadRequest: Row(400, "invalid_request", INVALID, param=lambda error: error.param),
    NinjaValidationError: Row(400, "invalid_request", INVALID, "The request is not valid."),
    WrongContentType: Row(
        415, "unsupported_media_type", INVALID, "Send the body as 'Content-Type: application/json'."
    ),
    UnknownCoding: Row(415, "unsupported_encoding", INVALID, headers=lambda _: [ACCEPT_ENCODING]),
    BadCoding: Row(400, "invalid_encoding", INVALID),
    BodyTooSlow: Row(
        408, "request_timeout", INVALID, "The body did not arrive in time.", headers=lambda _: [HANG_UP]
    ),
    BodyTooLarge: Row(413, "request_too_large", INVALID),
    NotFound: Row(404, "not_found", INVALID),
    MethodNotAllowed: Row(
        405, "method_not_allowed", INVALID, headers=lambda error: [(b"allow", error.allowed.encode())]
    ),
    RateRefused: Row(
        429,
        "rate_limit_exceeded",
        RATE,
        facts=figures_of_limit,
        headers=lambda error: _retry_after(error.resets_in_ms / 1000) if error.possible else NEVER_RETRY,
    ),
    BudgetRefused: Row(
        429,
        "insufficient_quota",
        "insufficient_quota",
        facts=figures_of_budget,
        headers=lambda _: NEVER_RETRY,
    ),
    BadIdempotencyKey: Row(
        400, "invalid_idempotency_key", INVALID, "An Idempotency-Key is 1 to 255 printable ASCII characters."
    ),
    InProgress: Row(
        409,
        "idempotency_in_progress",
        INVALID,
        "A call with this Idempotency-Key is still running.",
        headers=lambda _: _retry_after(1),
    ),
    Mismatch: Row(422, "idempotency_mismatch", INVALID, "This Idempotency-Key was used with another body."),
    ResultUnavailable: Row(
        409,
        "idempotency_result_unavailable",
        INVALID,
        "The call with this Idempotency-Key was made, but its answer was not kept.",
    ),
    ReplaysUnavailable: Row(
        503,
        "idempotency_unavailable",
        API,
        "Idempotency cannot be promised at the moment; retry, or call without the header.",
        headers=lambda _: _retry_after(1),
    ),
    AdmissionUnavailable: Row(
        503,
        "limiter_unavailable",
        API,
        "Limits cannot be checked at the moment.",
        headers=lambda _: _retry_after(1),
    ),
    MeteringUnavailable: Row(
        503,
        "metering_unavailable",
        API,
        "Calls cannot be recorded at the moment.",
        headers=lambda _: _retry_after(5),
    ),
    CloseNotPersisted: Row(
        503, "metering_unavailable", API, "The call was not recorded.", headers=lambda _: NEVER_RETRY
    ),
    Overloaded: Row(
        503,
        "overloaded",
        API,
        "The gateway is busy.",
        headers=lambda _: _retry_after(random.choice((1, 2, 3))),  # noqa: S311 - spreads the retries
    ),
    Stopped: Row(503, "server_shutdown", API, headers=lambda _: _retry_after(1)),
    StoppedByRevocation: Row(401, "key_revoked", AUTH),
    StoppedBySuspension: Row(403, "tenant_suspended", PERMISSION),
    ShuttingDown: Row(
        503, "server_shutdown", API, "The gateway is restarting.", headers=lambda _: _retry_after(1)
    ),
    Starting: Row(503, "starting", API, "The gateway is starting.", headers=lambda _: _retry_after(1)),
    NotServing: Row(
        503, "server_shutdown", API, "The gateway is shutting down.", headers=lambda _: _retry_after(1)
    ),
    HttpError: Row(400, "invalid_request", INVALID),
}
WORDS: dict[type[Exception], Callable[[Any], str]] = {
    BudgetRefused: words_of_budget,
    RateRefused: words_of_limit,
}


def response_for(error: Exception, request_id: str = "-", api: ClientApi = OPENAI) -> Response:
    """Return the response to an error; a defect is logged with the request id that its client receives."""
    if isinstance(error, UpstreamFailed):
        return upstream_response(error, api, request_id)
    row = next((ERRORS[kind] for kind in type(error).__mro__ if kind in ERRORS), None)
    if row is None:
        logger.error("request.failed", extra={"request_id": request_id}, exc_info=error)
        words = "The gateway failed; the request id finds it in the log."
        return error_response(500, ErrorFields("internal_error", API, words), api=api, request_id=request_id)
    words_of = WORDS.get(type(error))
    message = words_of(error) if words_of is not None else row.message or str(error)
    code = getattr(error, "code", None) or row.code
    fields = ErrorFields(code, row.type, message, row.param(error), row.facts(error))
    return error_response(row.status, fields, row.headers(error), api, request_id)


def error_response(
    status: int,
    error: ErrorFields,
    headers: Headers | None = None,
    api: ClientApi = OPENAI,
    request_id: str = "",
) -> Response:
    """Return an error in the envelope of the client's API."""
    fields = msgspec.structs.replace(error, status=status, request_id=request_id)
    answer = json_response(status, api.envelope(fields), headers)
    answer.error_code, answer.words, answer.figures = error.code or "", error.message, error.facts
    return answer


def upstream_response(failure: UpstreamFailed, api: ClientApi = OPENAI, request_id: str = "") -> Response:
    """Pass a provider's own 4xx through; describe other upstream failures in our own words."""
    passed_on = failure.passthrough
    if passed_on is not None:
        fields = ErrorFields(passed_on.code, passed_on.type, passed_on.message, passed_on.param)
        return error_response(passed_on.status, fields, api=api, request_id=request_id)
    headers = _retry_after(failure.retry_after_s) if failure.retry_after_s is not None else []
    kind = RATE if failure.answer_status == 429 else API  # noqa: PLR2004
    fields = ErrorFields(failure.code, kind, failure.client_message)
    return error_response(failure.answer_status, fields, headers, api, request_id)
