"""Every event of the log, by area and by name, and what its fields mean. docs/log-events.md is written from it."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from gateway.observability.log_events import calls, metering, process, stores
from gateway.observability.log_events.event import LogEvent

AREAS: Final[Mapping[str, tuple[LogEvent, ...]]] = MappingProxyType(
    {
        "Requests": calls.REQUESTS,
        "Providers": calls.PROVIDERS,
        "Journal and crash recovery": metering.JOURNAL,
        "Ledger and request log": metering.LEDGER,
        "Money": metering.MONEY,
        "Stores": stores.STORES,
        "Configuration": stores.CONFIGURATION,
        "Workers": process.WORKERS,
        "The process": process.PROCESS,
        "Periodic work and fallbacks": process.WORK,
    }
)
EVENTS: Final[Mapping[str, LogEvent]] = MappingProxyType(
    {event.name: event for events in AREAS.values() for event in events}
)
FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "alias": "the name of the model that clients ask for; of a probe, empty where several deployments are meant",
        "blanked": "how many calls had the texts of their clients removed",
        "calls": "how many calls",
        "charged_nanousd": "what the tenant is charged, in nano-USD",
        "code": "the exit code of a process; a negative one is the number of a signal",
        "connections": "how many client connections are open",
        "counted": "the amount of the window or the receipt, which should be that of the ledger",
        "damaged_bytes": "bytes of a journal that cannot be read",
        "deployment": "the name of the deployment; empty where several are meant",
        "deployment_id": "the deployment's number in the database",
        "deployments": "how many deployments the probe stands for",
        "disputed_nanousd": "what is not charged, in nano-USD",
        "endpoint": "the address of the provider",
        "error": "the message of an exception or of a store",
        "failures": "how many times in a row it failed",
        "fault": "`credential` or `account`",
        "finished": "calls of a journal that had ended",
        "hours": "how many hours",
        "incomplete": "calls of a journal that were running when the process ended",
        "job": "the name of the job",
        "journal": "the name of the journal's directory",
        "keys": "how many keys",
        "kind": "the class of the failure ([why a try failed](routing.md#why-a-try-failed))",
        "ledger": "the amount of the ledger",
        "left_out": "how many such records were left out before this one",
        "limit": "the most that is possible",
        "lost_ids": "ids of calls whose beginning cannot be read",
        "members": "names of members of a request body",
        "mib": "size in MiB",
        "part": "the name of the part",
        "path": "a file",
        "pid": "the process id",
        "provider": "the name of the provider",
        "reason": "why, in words",
        "rejected_ids": "ids of calls that the ledger did not accept",
        "request_id": "the id of the call, as in `X-Request-Id` and `manage.py explain`",
        "rows": "how many rows",
        "seconds": "how long, in seconds",
        "sender": "the process that sent the message",
        "stack": "the innermost frames of the event loop's thread",
        "status": "the HTTP status of the provider's answer; null without one",
        "subject": "what was compared: a window, a call",
        "tenant_id": "the tenant's number in the database",
        "torn_bytes": "bytes at the end of a journal that were not written whole",
        "wanted": "the setting that the gateway needs",
        "where": "the place of the fallback, as in `gateway_fallbacks_total`",
        "work": "the name of the background task",
        "worker": "the name of the worker in the database",
        "workers": "names of workers in the database",
    }
)
