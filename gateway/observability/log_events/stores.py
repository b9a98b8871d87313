"""Log events of the stores: database, Redis, cache, and the configuration that is read from them."""

from __future__ import annotations

from typing import Final

from gateway.observability.log_events.event import LogEvent

STORES: Final = (
    LogEvent(
        "database.waiting",
        "warning",
        ("error",),
        "The start waits for the database.",
        "Check `ROUTER_DB_URL` and the server. It waits for `database.start_timeout`.",
    ),
    LogEvent(
        "redis.waiting",
        "warning",
        ("error",),
        "The start waits for Redis.",
        "Check `ROUTER_REDIS_URL` and the server. It waits for `database.start_timeout`.",
    ),
    LogEvent(
        "redis.command.failed",
        "error",
        (),
        "A command to Redis failed in an unexpected way.",
        "Report it with the traceback.",
    ),
    LogEvent(
        "redis.command.invalid",
        "error",
        ("error",),
        "Redis refused a command because of a defect or a setting; waiting does not help.",
        "Check the settings, rights and password of Redis.",
    ),
    LogEvent(
        "redis.command.refused",
        "warning",
        ("error",),
        "Redis cannot execute commands at present.",
        "Check the memory, disk and replicas of Redis.",
    ),
    LogEvent(
        "redis.eviction.unknown",
        "warning",
        ("wanted",),
        "Redis does not show its `maxmemory-policy`; under another policy it would lose holds and limits.",
        "Set the policy that `wanted` names.",
    ),
    LogEvent(
        "redis.maintenance.failed",
        "error",
        (),
        "A turn of the maintenance of this worker's holds in Redis failed.",
        "See the traceback. It is tried again at its next turn.",
    ),
    LogEvent(
        "redis.final_report.written",
        "warning",
        ("calls",),
        "This worker cannot reach Redis, and has written its holds into the database.",
        "Check the network between this machine and Redis.",
    ),
    LogEvent(
        "sign_in.redis.failed",
        "warning",
        ("error",),
        "Redis failed, so each process limits sign-ins by its own count.",
        "Check Redis.",
    ),
    LogEvent(
        "cache.value.unreadable",
        "warning",
        ("error",),
        "A value in the shared cache is not JSON and is ignored.",
        "Check which other program writes into this Redis.",
    ),
)

CONFIGURATION: Final = (
    LogEvent(
        "configuration.not_reloaded",
        "error",
        (),
        "Changed keys, limits or models could not be read; the earlier state stays in force.",
        "Check the database. It is read again each second.",
    ),
    LogEvent(
        "key.denied_here",
        "warning",
        ("keys",),
        "The list of keys that are denied on this machine changed.",
        "Once the database is back, revoke them with `manage.py revoke`.",
    ),
)
