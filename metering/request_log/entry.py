"""A call without a row in the ledger, as the request log keeps it: it was refused, answered by the gateway itself, or
never reached a provider. A plain value; metering/request_log/rows.py writes it.
"""

from __future__ import annotations

from typing import Any, Final

import msgspec

LONGEST_WORDS: Final = 500  # of the message sent to the client
LONGEST_NAME: Final = 200
LONGEST_PATH: Final = 256


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """One such call. Texts are as the clients sent them; the writer makes them plain.

    `figures` is what refused it: {"limit": {...}}, {"budget": {...}}, {"capacity": {...}} or {"replay": {...}}, as the
    error table has it; `decision` as in the ledger (metering/decision.py). With `alike` it stands for that
    many more calls of the same kind until `until`, which were only counted.
    """

    id: str
    at: float  # epoch seconds: when it came in
    method: str
    path: str
    endpoint: str = ""
    tenant_id: int = 0  # 0: no known key
    tenant: str = ""
    key_id: int = 0
    key_prefix: str = ""
    model: str = ""
    stream: bool = False
    status: int
    code: str = ""
    message: str = ""
    figures: dict[str, Any] = {}
    decision: list[Any] = []
    latency_ms: float = 0.0
    client: str = ""
    trace_id: str = ""
    client_request_id: str = ""
    alike: int = 0
    until: float | None = None


def plain(text: str, most: int) -> str:
    """Return a text that every database accepts and that is one line, of at most this length."""
    kept = text if len(text) <= most else f"{text[: most - 1]}…"
    return kept if kept.isprintable() else "".join(each if each.isprintable() else "?" for each in kept)


def plain_document(value: Any) -> Any:
    """Return a JSON value whose texts are plain."""
    if isinstance(value, str):
        return plain(value, LONGEST_WORDS)
    if isinstance(value, dict):
        return {str(name): plain_document(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [plain_document(each) for each in value]
    return value
