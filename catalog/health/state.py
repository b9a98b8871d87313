"""Online, degraded, offline or unknown: the state of a deployment from probes and real traffic. Pure."""

from __future__ import annotations

ONLINE, DEGRADED, OFFLINE, UNKNOWN = "online", "degraded", "offline", "unknown"
COLORS = {ONLINE: "success", DEGRADED: "warning", OFFLINE: "danger", UNKNOWN: "info"}  # of the theme
OFFLINE_AFTER = 2  # failed probes in a row

_RANK = {UNKNOWN: 0, ONLINE: 1, DEGRADED: 2, OFFLINE: 3}
_TRAFFIC = {
    "closed": ONLINE,
    "half_open": DEGRADED,
    "ramping": DEGRADED,
    "cooling": DEGRADED,
    "open": OFFLINE,
}


def probe_state(*, is_ok: bool, is_final: bool, failures: int) -> str:
    """Return the state from a probe; `failures` are those in a row with this one."""
    if is_ok:
        return ONLINE
    return OFFLINE if is_final or failures >= OFFLINE_AFTER else DEGRADED


def state_of(probe: str, traffic: str) -> str:
    """Return the worse of both: a good probe never hides failing real calls. `traffic` "": there was none."""
    return max(probe, _TRAFFIC.get(traffic, UNKNOWN), key=_RANK.__getitem__)
