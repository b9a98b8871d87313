"""The records of the journal: a call is OPENed before the upstream call, MARKed while it streams, CLOSEd once."""

from __future__ import annotations

from typing import Any

import msgspec

from catalog.pricing.prices import PriceSheet
from providers.usage import Usage


class Open(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="O", tag_field="t"):
    """The start. Everything needed to settle the call if this process crashes: caller, request, frozen price."""

    id: str
    started_at: float  # epoch seconds, the instant of admission: it decides the budget window
    tenant_id: int
    tenant: str
    key_id: int
    key_prefix: str
    endpoint: str
    model: str
    provider: str
    deployment: str
    upstream_model: str
    stream: bool = False
    input_tokens: int = 0  # a count or an estimate of the prompt, billed if the process crashes
    hold_nanousd: int = 0  # of all attempts
    tries: int = 1  # how many attempts have their own part in the hold
    is_bound: bool = False  # no more than the hold may be charged: a budget limits the call
    most_output: int | None = None  # tokens of all choices that may be charged
    sheet: PriceSheet
    trace_id: str = ""
    idempotency_key: str = ""
    client_request_id: str = ""

    @property
    def has_output(self) -> bool:
        """Whether its response has output tokens; embeddings have none."""
        return not self.endpoint.endswith("embeddings")

    @property
    def hold_of_one(self) -> int:
        """The hold of each attempt that may be billed."""
        return self.hold_nanousd // self.tries


class Mark(msgspec.Struct, frozen=True, omit_defaults=True, tag="M", tag_field="t"):
    """What a running stream has produced so far. `output_tokens` counts events, each of a token or more."""

    id: str
    output_tokens: int
    output_bytes: int = 0  # of text, tool arguments and reasoning, an unfinished event included
    sound_chars: int = 0  # of audio, in base64


class Answered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="A", tag_field="t"):
    """A whole response came, and is not parsed yet. Target and price: only if not those of the OPEN."""

    id: str
    size: int  # bytes
    usage: Usage | None = None  # as reported, if it is found quickly
    provider: str = ""
    deployment: str = ""
    upstream_model: str = ""
    sheet: PriceSheet | None = None


class Close(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="C", tag_field="t"):
    """The end. status: ok | error | cancelled | incomplete. Milliseconds are integers or fractions of one.

    `receipt` and `decision` are plain values where they were read back.
    """

    id: str
    finished_at: float
    status: str
    http_status: int
    error_code: str = ""
    provider: str
    deployment: str
    upstream_model: str
    attempts: int = 1
    usage: Usage
    cost_nanousd: int
    unsettled_nanousd: int = 0  # may have been spent beyond that: not known yet
    price_id: int = 0
    receipt: list[Any] = []  # line items: kind, quantity, unit_price_nanousd, amount_nanousd
    latency_ms: float = 0.0
    ttft_ms: float | None = None
    overhead_ms: float = 0.0
    disputed_nanousd: int = 0  # reported beyond what was allowed: not charged to the tenant
    decision: list[Any] = []  # attempts and why, for `explain`


class Void(msgspec.Struct, frozen=True, tag="V", tag_field="t"):
    """The call never reached a provider: no ledger row."""

    id: str


Record = Open | Mark | Answered | Close | Void
