"""Why a call ends before it is complete: the client disconnected, or the gateway stops it."""

from __future__ import annotations

from enum import StrEnum


class StopReason(StrEnum):
    """The values are error codes (gateway/http/errors.py), and as such in the ledger and in metrics."""

    CLIENT_DISCONNECTED = "client_disconnected"
    CLIENT_STALLED = "client_stalled"  # it reads nothing
    KEY_REVOKED = "key_revoked"
    TENANT_SUSPENDED = "tenant_suspended"
    SERVER_SHUTDOWN = "server_shutdown"


BY_CLIENT = frozenset({StopReason.CLIENT_DISCONNECTED, StopReason.CLIENT_STALLED})
