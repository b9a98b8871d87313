"""Log events of calls: requests, streams, attempts, deployments and the catalog."""

from __future__ import annotations

from typing import Final

from gateway.observability.log_events.event import LogEvent

_REPORT: Final = "Report it with the traceback."

REQUESTS: Final = (
    LogEvent(
        "request.failed",
        "error",
        ("request_id",),
        "A defect of the gateway ended a request; its client got `internal_error`.",
        _REPORT,
    ),
    LogEvent(
        "stream.failed",
        "error",
        ("request_id",),
        "A defect of the gateway ended a stream; its client got `internal_error` as an event.",
        _REPORT,
    ),
    LogEvent(
        "stream.not_recorded",
        "error",
        ("request_id",),
        "The journal was closed before the end of this stream was durable; the worker that recovers the journal "
        "records it as incomplete.",
        "Nothing, if the process was ending; otherwise check the disk of `data_dir`.",
    ),
    LogEvent(
        "shadow_traffic.failed",
        "error",
        ("request_id",),
        "A defect of the gateway ended a copy of this call for shadow traffic; the call itself is not affected.",
        _REPORT,
    ),
    LogEvent(
        "unknown_members.refused",
        "error",
        ("request_id", "deployment_id", "members"),
        "A call cost more than its hold, so members of its body that the gateway does not know are refused at this "
        "deployment under a budget from now on.",
        "Check the price of the call with `manage.py explain`.",
    ),
    LogEvent(
        "unknown_members.not_refused",
        "error",
        ("request_id", "deployment_id", "members"),
        "Unknown members that cost more than their hold could not be refused at a deployment.",
        "Nothing, if the database was away: the next such call tries again.",
    ),
    LogEvent(
        "idempotency.answer.not_kept",
        "error",
        ("request_id",),
        "The answer to a call with an `Idempotency-Key` could not be kept for replay.",
        "Check the database. A retry of the call gets `idempotency_result_unavailable`.",
    ),
    LogEvent(
        "idempotency.claim.not_released",
        "error",
        ("request_id",),
        "The claim of an `Idempotency-Key` could not be deleted.",
        "Check the database. The claim ends with its lease.",
    ),
    LogEvent(
        "connections.scarce",
        "warning",
        ("connections", "limit"),
        "Most client connections are in use; idle ones without a valid key are closed.",
        "Raise `server.max_connections` or the limit of open files, or look for a client that opens too many.",
    ),
    LogEvent(
        "access_log.line.lost",
        "error",
        (),
        "A line of the access log could not be written because of a defect.",
        _REPORT,
    ),
)

PROVIDERS: Final = (
    LogEvent(
        "attempt.failed",
        "warning",
        ("request_id", "deployment", "provider", "alias", "kind", "status", "reason", "left_out"),
        "An attempt at one deployment failed; another deployment may have answered the call.",
        "See the reason and [why a try failed](routing.md#why-a-try-failed).",
    ),
    LogEvent(
        "deployment.refused",
        "error",
        ("provider", "deployment", "fault", "reason"),
        "A provider refused the credential or the account of a deployment, which is not called for a while.",
        "Replace the credential, or top up the account.",
    ),
    LogEvent(
        "circuit_breaker.opened",
        "warning",
        ("deployment", "seconds", "reason"),
        "A deployment is not called for a while.",
        "See the reason. Its breaker closes by itself once the deployment answers.",
    ),
    LogEvent(
        "circuit_breaker.opened_for_tenant",
        "warning",
        ("deployment", "tenant_id", "seconds", "reason"),
        "A deployment is not called for one tenant for a while.",
        "See the reason; the requests of this tenant are the cause.",
    ),
    LogEvent(
        "probe.failed",
        "warning",
        ("endpoint", "deployments", "alias", "deployment", "error"),
        "The probe of an endpoint fails, or fails for another reason than before.",
        "Check endpoint and credential of the deployment.",
    ),
    LogEvent(
        "probe.recovered",
        "info",
        ("endpoint", "deployments", "alias", "deployment"),
        "The probe of an endpoint succeeds again.",
        "Nothing.",
    ),
    LogEvent(
        "catalog.problem.found",
        "warning",
        ("alias", "deployment", "reason"),
        "A row of the catalog cannot serve; the others do.",
        "Correct the row. `manage.py check` lists all of them.",
    ),
)
