"""The charge for a call whose provider reports more than was allowed: up to the cap, and up to the hold.

The operator disputes the rest with the provider: it is in the row's decision, a metric and a log line. Pure.
"""

from __future__ import annotations

import msgspec

from catalog.pricing.prices import PriceSheet, Receipt, ReceiptLine, cost, receipt
from providers.usage import Usage

BEYOND = "beyond_hold"


class ChargeLimit(msgspec.Struct, frozen=True):
    """What may be charged; None: no limit. Tokens are of the output, all choices together."""

    output_tokens: int | None = None
    nanousd: int | None = None
    is_sent: bool = False  # the cap was sent upstream because of a limit, so a stream beyond it is cut


class Charge(msgspec.Struct, frozen=True):
    """The bill, and what the provider reported beyond it."""

    bill: Receipt
    disputed_nanousd: int = 0
    disputed_tokens: int = 0

    @property
    def facts(self) -> dict[str, object]:
        return {"is": "dispute", "output_tokens": self.disputed_tokens, "nanousd": self.disputed_nanousd}


UNLIMITED = ChargeLimit()


def charge(usage: Usage, sheet: PriceSheet, limit: ChargeLimit) -> Charge:
    """Return what the tenant pays for this usage."""
    allowed = limit_output(usage, limit.output_tokens)
    bill = receipt(allowed, sheet)
    if limit.nanousd is not None and bill.total_nanousd > limit.nanousd:
        bill = cut_bill(bill, limit.nanousd, sheet.id)
    elif allowed is usage:
        return Charge(bill)
    excess = usage.total_output_tokens - allowed.total_output_tokens
    return Charge(bill, cost(usage, sheet) - bill.total_nanousd, excess)


def limit_output(usage: Usage, max_tokens: int | None) -> Usage:
    """Return the usage with no more output than allowed; hidden output is cut first."""
    if max_tokens is None or usage.total_output_tokens <= max_tokens:
        return usage
    text = min(usage.output_tokens, max_tokens)
    sound = min(usage.audio_output_tokens, max_tokens - text)
    pictures = min(usage.image_output_tokens, max_tokens - text - sound)
    hidden = min(usage.reasoning_tokens, max_tokens - text - sound - pictures)
    return msgspec.structs.replace(
        usage,
        output_tokens=text,
        audio_output_tokens=sound,
        image_output_tokens=pictures,
        reasoning_tokens=hidden,
    )


def cut_bill(bill: Receipt, limit_nanousd: int, price_id: int = 0) -> Receipt:
    """Deduct what is beyond the hold, as a line of its own, so that the lines still sum to the total."""
    back = str(limit_nanousd - bill.total_nanousd)
    return Receipt((*bill.lines, ReceiptLine(BEYOND, 1, back, back, price_id)), limit_nanousd)
