"""Every exception that can reach the front door has a row in the error table; the others are named with a reason."""

from __future__ import annotations

import importlib
import inspect
import re
from functools import cache

import pytest

from gateway.http.errors import ERRORS, response_for
from providers.errors.exceptions import UpstreamFailed
from tests.support.logged import logged
from tests.support.sources import ROOT, SOURCES, is_ours, text_of

NEVER_AT_THE_DOOR = {
    "gateway.config.errors.ConfigError": "stops the start: exit 2",
    "gateway.http.content_coding.Overgrown": "becomes BodyTooLarge",
    "gateway.stores.data_dir_lock.DataDirInUse": "stops the start: exit 2",
    "providers.media.pdf.syntax.Unreadable": "the window bounds the file",
    "providers.requests.documents._Spent": "ends a measurement in the process for heavy work",
    "providers.tokens.count_process._TooDear": "ends a count in the counting process",
    "gateway.inference.token_counter._QuotaSpent": "the window bounds the file",
    "gateway.server.uvicorn_server.CannotListen": "stops the start: exit 1",
    "gateway.stores.database_setup.DatabaseAway": "stops the start: exit 1",
    "gateway.stores.redis_check.RedisAway": "stops the start: exit 1",
    "gateway.http.client_connection.ClientGone": "no client is left",
    "catalog.routing.experiments.BadExperiment": "a form's error; disables its row of the catalog",
    "gateway.management.provider_reference.UnknownBlock": "ends a command",
    "providers.auth.access_tokens.NoToken": "becomes UpstreamFailed where a request is signed",
    "catalog.targets.InvalidDeployment": "disables its row of the catalog",
    "catalog.loaders.PriceMissing": "disables its row of the catalog",
    "catalog.secrets.encryption.CredentialUnreadable": "disables its row of the catalog",
    "catalog.services.provider_secrets.KeyNeeded": "a form's error",
    "tenants.queries.UnknownTenant": "shell commands",
    "tenants.sign_in.password_hasher.TooManyHashes": "gateway/site/security_headers.py answers it",
    "metering.settlement.late_settlement.UnknownCall": "shell commands",
    "metering.settlement.late_settlement.NoPrice": "shell commands",
    "metering.journal.disk_reserve.VolatileDisk": "stops the start",
    "budgets.admission.budget_windows.UnknownSchedule": "refused where a budget is written",
    "budgets.redis.client.includes.IncludeError": "stops the start: a file of the product is wrong",
    "budgets.redis.client.protocol.Unreachable": "becomes AdmissionUnavailable",
    "budgets.redis.client.protocol.Unsent": "is an Unreachable",
    "budgets.redis.client.protocol.RedisError": "is an Unreachable",
    "budgets.redis.snapshot.SnapshotUnavailable": "shell commands and nightly jobs",
    "providers.egress.EgressRefused": "a form's error",
    "providers.simulator.core.errors.SimulatorError": "the simulator answers it as a provider would",
    "providers.framing.malformed.MalformedStream": "becomes UpstreamBroken",
    "providers.auth.google_credentials.NoToken": "becomes UpstreamFailed or ConnectFailed",
    "providers.conversation.gemini.schema._TooLarge": "becomes Unsupported",
    "providers.conversation.parameters.Unsupported": "becomes RequestUnsupported",
    "providers.conversation.sequence.TooManyBlocks": "becomes MalformedStream",
    "providers.json_scan.limits.MalformedAnswer": "becomes UpstreamBroken",
    "providers.dialects.base.NeedsOffload": "is read by another process, or becomes UpstreamBroken",
    "providers.json_scan.limits.OverLimit": "becomes BadRequest",
    "providers.json_scan.limits.NotJson": "becomes BadRequest",
    "providers.requests.layout.Unfit": "becomes BadRequest",
    "providers.processes.work_process.WorkFailed": "is one of the two below",
    "providers.processes.work_process.WorkerLost": "becomes Overloaded, ReplaysUnavailable or MalformedAnswer",
    "providers.processes.work_process.WorkTooExpensive": "becomes BadRequest, ReplaysUnavailable or MalformedAnswer",
    "providers.framing.sse.EventTooLarge": "becomes MalformedStream",
}


@cache
def exceptions():
    """Return the exception classes that the apps define, by their full name."""
    found = {}
    for path in SOURCES:
        parts = path.relative_to(ROOT).with_suffix("").parts
        if not is_ours(path) or not _may_define_exceptions(path):
            continue
        module = importlib.import_module(".".join(part for part in parts if part != "__init__"))
        for name, value in inspect.getmembers(module, inspect.isclass):
            if issubclass(value, Exception) and value.__module__ == module.__name__:
                found[f"{module.__name__}.{name}"] = value
    return found


def _may_define_exceptions(path):
    """Say so by the names of base classes; other modules need not be imported (some only run in production)."""
    return re.search(r"\bclass \w+\([^:]*(Exception|Error|Failed|Refused)\b", text_of(path)) is not None


def has_a_row(kind):
    return issubclass(kind, UpstreamFailed) or any(parent in ERRORS for parent in kind.__mro__)


def test_every_exception_has_a_row_or_a_reason():
    homeless = [
        name for name, kind in exceptions().items() if not has_a_row(kind) and name not in NEVER_AT_THE_DOOR
    ]
    # A base class may stand for its family without a row of its own.
    bases = {parent for kind in exceptions().values() for parent in kind.__bases__}
    assert [name for name in homeless if exceptions()[name] not in bases] == []


def test_nothing_with_a_row_is_listed_as_absent():
    assert [
        name for name, kind in exceptions().items() if has_a_row(kind) and name in NEVER_AT_THE_DOOR
    ] == []


@pytest.mark.parametrize("kind", ERRORS, ids=lambda kind: kind.__name__)
def test_a_row_is_an_error_of_http(kind):
    row = ERRORS[kind]
    assert 400 <= row.status <= 503
    assert row.code == row.code.lower()
    assert " " not in row.code


def test_an_unknown_exception_is_a_500_that_only_points_to_the_log(caplog):
    answer = response_for(LookupError("secret"), "req_17")
    [said] = caplog.records
    assert logged(caplog, "request.failed") == [{"request_id": "req_17"}]
    assert said.exc_info is not None
    assert answer.status_code == 500
    assert b"internal_error" in answer.body
    assert b"secret" not in answer.body
