"""What a scripted call of a vendor does otherwise than succeed."""

from __future__ import annotations

from typing import Any, Literal

import msgspec


class Behavior(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """status, body, headers: an error before the stream (body: text as it is, else JSON; None: the vendor's own).

    error_after: frames of the stream before the vendor's error event. cut_after: bytes of the body, then `cut_by`:
    end - the body ends as if it were complete; close, reset - the connection does. piece: bytes of each write.
    hold_before_head, hold_after (frames): wait for /__release.
    """

    status: int | None = None
    body: Any = None
    headers: dict[str, str] = {}
    error_after: int | None = None
    cut_after: int | None = None
    cut_by: Literal["end", "close", "reset"] = "close"
    piece: int | None = None
    hold_before_head: bool = False
    hold_after: int | None = None


class Script(msgspec.Struct, forbid_unknown_fields=True):
    """Behaviors of the calls of one model, in their order; the last one repeats. `vendor`, `account`: "" for all."""

    model: str
    behaviors: list[Behavior]
    vendor: str = ""
    account: str = ""
