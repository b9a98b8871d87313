"""What the journal holds: a call is OPENed before the upstream sees anything, MARKed while it streams, CLOSEd once."""

from __future__ import annotations

from typing import Any

import msgspec

from catalog.pricing.prices import PriceSheet
from providers.usage import Usage


class Open(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="O", tag_field="t"):
    """The intent. Everything needed to settle the call if this process dies: who, what, the frozen price."""

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
    input_tokens: int = 0  # a count or an estimate of the prompt, billed if the process dies
    hold_nanousd: int = 0  # of all tries
    tries: int = 1  # so many have a hold of their own in it
    is_bound: bool = False  # no more than the hold may be charged: a budget binds the call
    most_output: int | None = None  # tokens of all choices that may be charged
    sheet: PriceSheet
    trace_id: str = ""
    idempotency_key: str = ""
    client_request_id: str = ""

    @property
    def writes(self) -> bool:
        """Whether its answer has tokens of output; embeddings have none."""
        return not self.endpoint.endswith("embeddings")

    @property
    def hold_of_one(self) -> int:
        """What was held for each try that may be billed."""
        return self.hold_nanousd // self.tries


class Mark(msgspec.Struct, frozen=True, omit_defaults=True, tag="M", tag_field="t"):
    """What a running stream has produced so far. `output_tokens` counts events, each of a token or more."""

    id: str
    output_tokens: int
    output_bytes: int = 0  # of text, tool arguments and reasoning, an unfinished event included
    sound_chars: int = 0  # of sound, in base64


class Answered(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True, tag="A", tag_field="t"):
    """A whole answer came, and nobody has looked into it yet. Target and price: only if not those of the OPEN."""

    id: str
    size: int  # bytes
    usage: Usage | None = None  # as reported, where that is quickly found
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
    unsettled_nanousd: int = 0  # may have been spent beyond that: nobody knows yet
    price_id: int = 0
    receipt: list[Any] = []  # line items: kind, quantity, unit_price_nanousd, amount_nanousd
    latency_ms: float = 0.0
    ttft_ms: float | None = None
    overhead_ms: float = 0.0
    disputed_nanousd: int = 0  # reported beyond what was allowed: not the tenant's
    decision: list[Any] = []  # attempts and why, for `explain`


class Void(msgspec.Struct, frozen=True, tag="V", tag_field="t"):
    """The call never reached a provider: no ledger row."""

    id: str


Record = Open | Mark | Answered | Close | Void
