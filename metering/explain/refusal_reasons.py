"""Why a call ended without a response, by the error code sent to its client: a sentence for the operator, before the
figures of the one call. Every code of gateway/http/errors.py has one (tests/unit/metering). Pure.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from metering.explain.text import listed

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

_BODY: Final = (
    "The body was refused before anything was held; the message of the answer says what is wrong with it."
)
_SIZE: Final = (
    "The body has more of something than one request may have; the message of the answer names it, and the setting of "
    "`server` where there is one."
)
_KEY_ONCE: Final = "An Idempotency-Key stands for one call with one body."
OF_CODES: Final[dict[str, str]] = {
    "invalid_api_key": "No key that is in force was sent.",
    "key_revoked": "Its key was revoked while it ran.",
    "keys_unavailable": "Its key is not in this process's memory, and the database, which has it, did not answer.",
    "too_many_unknown_keys": "Its key is not known, and so many unknown keys came from its address that they are not "
    "looked up for a while.",
    "tenant_suspended": "Its tenant is suspended.",
    "address_not_allowed": "Its key has a list of addresses, and this client's is not in it.",
    "scope_not_allowed": "Its key has a list of scopes, and this endpoint's is not in it.",
    "model_not_allowed": "The list of models of its key or its tenant does not have this one.",
    "model_not_found": "No model has this name.",
    "wrong_model_type": "The model is there, but for another endpoint.",
    "model_cannot": "No deployment of the model can do what this request needs.",
    "context_length_exceeded": "The prompt is longer than the context window of every deployment.",
    "model_unpriced": "What the model costs is not known for any of its deployments, so no budget could be kept.",
    "feature_unpriced": "It asked for something that is billed on its own, and the catalog has no price for it.",
    "unbounded_parameter": "A budget binds it, and it has something whose cost has no bound while the model's "
    "context window is not known.",
    "unsupported_parameter": _BODY,
    "duplicate_parameter": "A member is twice in the body, and a reader could use either.",
    "conflicting_parameters": "Two members limit the output to different numbers, and a reader could use either.",
    "origin_not_allowed": "A page in a browser asked, and its origin is not in `server.cors.origins`.",
    "invalid_route_hint": "Its X-Gateway-Route cannot be followed.",
    "no_deployment_available": "No deployment of the model could be called.",
    "state_owner_unavailable": "It refers to what one account at a provider has made, and the model has no deployment "
    "with that account.",
    "invalid_request": _BODY,
    "invalid_value": _BODY,
    "invalid_json": _BODY,
    "missing_required_parameter": _BODY,
    "too_complex": "Reading the body took longer than one call may take of a processor.",
    **dict.fromkeys(
        (
            "too_deeply_nested",
            "too_many_messages",
            "too_many_content_parts",
            "too_many_inputs",
            "too_many_members",
            "too_many_values",
            "too_many_pictures",
        ),
        _SIZE,
    ),
    "unsupported_media_type": "The body is not declared as JSON.",
    "unsupported_encoding": "The body came compressed in a way that the gateway does not read.",
    "invalid_encoding": "The body is not what its Content-Encoding says.",
    "request_timeout": "The body did not arrive in time: the client, or what is between, was slow.",
    "request_too_large": "The body is larger than `server.body_limit_mb`.",
    "not_found": "Nothing is served at this path.",
    "unsupported_endpoint": "The path is one of OpenAI's or another vendor's that this version does not serve.",
    "method_not_allowed": "The path is served, but not with this method.",
    "rate_limit_exceeded": "A limit of rate was used up.",
    "insufficient_quota": "The most that it could cost does not fit into a budget.",
    "invalid_idempotency_key": "Its Idempotency-Key is not 1 to 255 printable ASCII characters.",
    "idempotency_in_progress": f"{_KEY_ONCE} The first call with this one was still running.",
    "idempotency_mismatch": f"{_KEY_ONCE} This one was used with another body.",
    "idempotency_result_unavailable": f"{_KEY_ONCE} That call was made, and its answer was not kept.",
    "idempotency_unavailable": "The database, which keeps what an Idempotency-Key stands for, did not answer.",
    "limiter_unavailable": "Redis did not answer, so its limits could not be checked, and nothing was set aside.",
    "metering_unavailable": "The journal could not be written: the disk of `data_dir` is full, or fails.",
    "overloaded": "The process that took it had no room.",
    "server_shutdown": "The process that took it was shutting down.",
    "starting": "The process that took it was starting.",
    "internal_error": "A defect of the gateway: the log has its traceback under this id.",
    "client_disconnected": "The client disconnected before it got an answer.",
    "deadline_exceeded": "It was not finished within its time: the client's X-Request-Timeout-Ms, "
    "`server.sync_timeout` or `server.stream_max_duration`.",
    "upstream_auth_failed": "Every deployment that was tried refused the gateway's credential.",
    "upstream_account_exhausted": "The gateway's account at the provider cannot pay.",
    "upstream_model_not_found": "The provider does not know the model of the deployment.",
    "upstream_refused": "The provider refused the request.",
    "upstream_rate_limited": "Every deployment is in the wait that it asked for, or answered with a rate limit.",
    "upstream_timeout": "No deployment answered in time.",
    "upstream_error": "No deployment could be reached, or each failed.",
}
PASSED_ON: Final = "The provider itself refused the request, with this code."  # any code of a provider
_KEYS: Final = {
    "none": "It had no key.",
    "odd": "What it sent cannot be a key of this gateway: those are sk-<prefix>.<secret>.",
    "unknown": "No key has this prefix, or its secret is another.",
    "expired": "The key has expired.",
    "ended": "The key was revoked, or was replaced when it was rotated.",
}
_MODELS: Final = {
    "disabled": "The model is in the catalog, and is disabled.",
    "unknown": "The catalog has no model of this name.",
}


def reasons(code: str, figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield why a call with this code was refused, the general reason first."""
    if not code:
        return
    yield OF_CODES.get(code, PASSED_ON)
    if key := figures.get("key"):
        yield _KEYS.get(key["is"], "")
    if model := figures.get("model"):
        yield _MODELS.get(model["is"], "")
    if lists := figures.get("not_in"):
        yield f"It is not in the list of the {listed(lists)}."
    yield from passed_over(figures)


def passed_over(figures: Mapping[str, Any]) -> Iterator[str]:
    """Yield each deployment that was considered, and why it could not answer."""
    for each in figures.get("considered", ()):
        name = (
            f"{each['deployment']} of {each['model']}" if each["deployment"] else f"The model {each['model']}"
        )
        yield f"{name}: {each['why'].rstrip('.')}."
