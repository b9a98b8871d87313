"""The table of error codes in docs/errors.md, written from the error table. Only a command and a test use it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping
from typing import Final, NamedTuple

import orjson

from gateway.http.errors import API, ERRORS, Row, response_for
from gateway.http.exceptions import BadRequest, NotFound
from metering.explain.refusal_reasons import OF_CODES
from providers.errors.exceptions import DeadlineExceeded, Unavailable, UpstreamFailed, UpstreamTimeout

BEGIN: Final = "<!-- errors: written by manage.py error_reference --write -->"
END: Final = "<!-- end of the errors -->"
_HEAD: Final = ("| Code | HTTP | Type | Meaning | Does a retry help? | Ask |", "|---|---|---|---|---|---|")
_NEVER: Final = "none"  # of a code that no client receives

CHANGE: Final = "No. Change the request."
FIX: Final = "No, not before it is fixed."
WAIT: Final = "Yes, after `Retry-After`."
SOON: Final = "Yes, with a growing pause."
SOME: Final = "Yes, after `Retry-After`. No, if `X-Should-Retry: false` is there."
CALLER: Final = "caller"
ADMIN: Final = "administrator"
OPERATOR: Final = "operator"


class Advice(NamedTuple):
    """Whether the same request may succeed later, and who can change that."""

    retry: str
    ask: str


_CALLERS: Final = Advice(CHANGE, CALLER)
_ADMINS: Final = Advice(FIX, ADMIN)
_OPERATORS: Final = Advice(FIX, OPERATOR)
_BRIEF: Final = Advice(WAIT, OPERATOR)
ADVICE: Final[dict[str, dict[str, Advice]]] = {
    "Keys and permissions": {
        "invalid_api_key": _ADMINS,
        "key_revoked": _ADMINS,
        "tenant_suspended": _ADMINS,
        "address_not_allowed": _ADMINS,
        "scope_not_allowed": _ADMINS,
        "model_not_allowed": _ADMINS,
        "too_many_unknown_keys": Advice(WAIT, ADMIN),
        "keys_unavailable": _BRIEF,
        "origin_not_allowed": _OPERATORS,
    },
    "The request": {
        **dict.fromkeys(
            (
                *("not_found", "unsupported_endpoint", "method_not_allowed", "unsupported_media_type"),
                *("unsupported_encoding", "invalid_encoding", "request_too_large"),
                *("invalid_json", "invalid_request", "invalid_value", "missing_required_parameter"),
                *("unsupported_parameter", "duplicate_parameter", "conflicting_parameters"),
                *("unbounded_parameter", "too_complex", "too_deeply_nested", "too_many_messages"),
                *("too_many_content_parts", "too_many_inputs", "too_many_members", "too_many_values"),
                "too_many_pictures",
            ),
            _CALLERS,
        ),
        "request_timeout": Advice(SOON, CALLER),
    },
    "The model": {
        "model_not_found": _CALLERS,
        "wrong_model_type": _CALLERS,
        "model_cannot": _CALLERS,
        "context_length_exceeded": _CALLERS,
        "invalid_route_hint": _CALLERS,
        "model_unpriced": _OPERATORS,
        "feature_unpriced": _OPERATORS,
        "no_deployment_available": Advice(SOME, OPERATOR),
        "state_owner_unavailable": _OPERATORS,
    },
    "Limits and budgets": {
        "rate_limit_exceeded": Advice(SOME, ADMIN),
        "insufficient_quota": Advice("No, not before `error.budget.resets_at` or a larger budget.", ADMIN),
        "limiter_unavailable": _BRIEF,
    },
    "Idempotency-Key": {
        "invalid_idempotency_key": _CALLERS,
        "idempotency_in_progress": Advice(WAIT, CALLER),
        "idempotency_mismatch": Advice("No. Use another key for another body.", CALLER),
        "idempotency_result_unavailable": Advice("No. Use another key to make a second call.", CALLER),
        "idempotency_unavailable": _BRIEF,
    },
    "The gateway": {
        "overloaded": _BRIEF,
        "starting": _BRIEF,
        "server_shutdown": _BRIEF,
        "metering_unavailable": Advice(SOME, OPERATOR),
        "deadline_exceeded": Advice("Yes, with more time.", CALLER),
        "internal_error": Advice("Perhaps, once.", OPERATOR),
        "client_disconnected": Advice("Yes. The call may be billed.", CALLER),
        "client_stalled": Advice("Yes. The call is billed.", CALLER),
    },
    "Providers": {
        "upstream_auth_failed": _OPERATORS,
        "upstream_account_exhausted": _OPERATORS,
        "upstream_model_not_found": _OPERATORS,
        "upstream_refused": _CALLERS,
        "upstream_rate_limited": _BRIEF,
        "upstream_timeout": Advice(SOON, OPERATOR),
        "upstream_error": Advice(SOON, OPERATOR),
        "output_cap_exceeded": Advice("Perhaps, with a larger output limit.", OPERATOR),
    },
}
IN_STREAMS: Final = {
    "client_stalled": "The client did not read its stream for `streams.client_stall`.",
    "output_cap_exceeded": "The provider wrote more output than the cap that was sent.",
}
_OF_BODIES: Final = ERRORS[BadRequest]  # the row of every code of a body that has no row of its own
_AT_UPSTREAM: Final[Mapping[str, UpstreamFailed]] = {
    "deadline_exceeded": DeadlineExceeded(0, reached=True),
    "upstream_timeout": UpstreamTimeout("total", 0),
    "upstream_rate_limited": Unavailable(0, is_limited=True),
    **{
        code: UpstreamFailed("", code=code)
        for code in (
            "upstream_auth_failed",
            "upstream_account_exhausted",
            "upstream_model_not_found",
            "upstream_error",
        )
    },
}
_APART: Final = {
    "internal_error": ("500", f"`{API}`"),
    "client_disconnected": (_NEVER, ""),
    "client_stalled": (_NEVER, ""),
    "output_cap_exceeded": ("200", f"`{API}`"),
    "upstream_refused": ("the provider's", "the provider's"),
}


def reference() -> str:
    """Return the tables as Markdown: a heading and a table for each kind of error."""
    lines = [line for title in ADVICE for line in _section(title)]
    return "\n".join([BEGIN, "", *lines, END])


def rewritten(page: str) -> str:
    """Return a page with its tables replaced by the present ones."""
    before, _, rest = page.partition(BEGIN)
    return before + reference() + rest.partition(END)[2]


def meanings() -> dict[str, str]:
    """Return a sentence for every code."""
    return {**OF_CODES, **IN_STREAMS}


def _section(title: str) -> Iterator[str]:
    rows, meaning_of = _rows_by_code(), meanings()
    yield from [f"### {title}", "", *_HEAD]
    for code, advice in ADVICE[title].items():
        status, kind = _answer(code, rows)
        cells = [f"`{code}`", status, kind, meaning_of[code], advice.retry, advice.ask]
        yield "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    yield ""


def _answer(code: str, rows: Mapping[str, list[Row]]) -> tuple[str, str]:
    """Return the status and the type of an error, as the client gets them."""
    if code in _APART:
        return _APART[code]
    if code in _AT_UPSTREAM:
        response = response_for(_AT_UPSTREAM[code])
        return str(response.status_code), f"`{orjson.loads(response.body)['error']['type']}`"
    found = rows.get(code) or [ERRORS[NotFound] if code == "unsupported_endpoint" else _OF_BODIES]
    return _each(str(row.status) for row in found), _each(f"`{row.type}`" for row in found)


def _rows_by_code() -> dict[str, list[Row]]:
    found: dict[str, list[Row]] = defaultdict(list)
    for row in ERRORS.values():
        found[row.code].append(row)
    return found


def _each(values: Iterator[str]) -> str:
    """Return what rows of one code say, each once."""
    return ", ".join(dict.fromkeys(values))
