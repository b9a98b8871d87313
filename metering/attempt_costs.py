"""The cost of a call's attempts that did not answer it: a provider that was reached may bill its attempt.

Each has its own usage and cost in the row, and the call costs the sum of all attempts. Unknown usage is estimated
here, and the rest up to the attempt's hold is unsettled (metering/unknown_usage.py). Pure.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from msgspec.structs import replace

from catalog.pricing.prices import PriceSheet, Receipt, ReceiptLine
from metering.disputed_usage import Charge, ChargeLimit, charge, cut_bill
from providers.upstream import Attempt
from providers.usage import Usage

Sheets = Callable[[Attempt], PriceSheet]


class AttemptCosts(NamedTuple):
    """The whole bill, and the attempts with the cost of each.

    `known_nanousd` is the part of the bill that providers reported; `unknown`: how many of the `billed` attempts have
    an unknown outcome.
    """

    charged: Charge
    attempts: Sequence[Attempt]
    known_nanousd: int
    unknown: int
    billed: int = 1
    is_estimated: bool = False
    sheet: PriceSheet | None = (
        None  # of an attempt before the last whose outcome is unknown, unless it was free
    )


def is_unknown(attempt: Attempt) -> bool:
    """Return whether an attempt may have been billed and its usage was not reported.

    An HTTP error from a provider is taken to mean that it used nothing.
    """
    return attempt.reached and attempt.status is None and attempt.usage is None


def may_cost(attempt: Attempt) -> bool:
    """Return whether its provider may bill it: its usage was reported, or is unknown."""
    return attempt.usage is not None or is_unknown(attempt)


def cost_of_one(charged: Charge, attempts: Sequence[Attempt], *, is_known: bool) -> AttemptCosts:
    """Return the bill of a call with one attempt."""
    return AttemptCosts(charged, attempts, charged.bill.total_nanousd if is_known else 0, int(not is_known))


def add_attempt_costs(  # noqa: PLR0913 - the parts of a bill
    charged: Charge,
    own: Usage,
    attempts: Sequence[Attempt],
    sheets: Sheets,
    prompt_tokens: int,
    limit: ChargeLimit,
    hold_nanousd: int | None = None,
    *,
    is_known: bool = True,
) -> AttemptCosts:
    """Add the cost of a call's other attempts to its bill. `charged` is the cost of the last one that was reached.

    Usage that a provider did not report is taken as the prompt, estimated. Each is charged at most `limit`, and all
    together at most `hold_nanousd`, which was held for them; a provider's claim beyond is disputed. `is_known`: whether
    the usage of the last one is known.
    """
    last = max((at for at, attempt in enumerate(attempts) if attempt.reached), default=-1)
    found = cost_of_one(charged, attempts, is_known=is_known)
    priced: list[Attempt] = []
    lines: list[ReceiptLine] = []
    for at, attempt in enumerate(attempts):
        if at == last:
            priced.append(replace(attempt, usage=own, cost_nanousd=charged.bill.total_nanousd))
        elif may_cost(attempt):
            usage = attempt.usage or Usage(input_tokens=prompt_tokens, estimated=True)
            sheet = sheets(attempt)
            each = charge(usage, sheet, limit)
            cost = each.bill.total_nanousd
            lines += [replace(line, note=line.note or f"of try {at + 1}") for line in each.bill.lines]
            found = _with_reported(found, each) if attempt.usage is not None else _with_unknown(found, sheet)
            priced.append(replace(attempt, usage=usage, cost_nanousd=cost))
        else:
            priced.append(attempt)
    bill = _combined(found.charged, lines, hold_nanousd) if lines else found.charged
    return found._replace(charged=bill, attempts=priced)


def _with_unknown(found: AttemptCosts, sheet: PriceSheet) -> AttemptCosts:
    kept = found.sheet if sheet.free else sheet
    return found._replace(unknown=found.unknown + 1, billed=found.billed + 1, is_estimated=True, sheet=kept)


def _with_reported(found: AttemptCosts, reported: Charge) -> AttemptCosts:
    charged = replace(
        found.charged,
        disputed_nanousd=found.charged.disputed_nanousd + reported.disputed_nanousd,
        disputed_tokens=found.charged.disputed_tokens + reported.disputed_tokens,
    )
    known = found.known_nanousd + reported.bill.total_nanousd
    return found._replace(charged=charged, known_nanousd=known, billed=found.billed + 1)


def _combined(charged: Charge, lines: Sequence[ReceiptLine], hold_nanousd: int | None) -> Charge:
    every = (*charged.bill.lines, *lines)
    exact = sum((Decimal(line.amount_nanousd) for line in every), Decimal(0))
    bill = Receipt(every, int(exact.to_integral_value(ROUND_CEILING)))
    if hold_nanousd is None or bill.total_nanousd <= hold_nanousd:
        return replace(charged, bill=bill)
    beyond = bill.total_nanousd - hold_nanousd
    return replace(
        charged, bill=cut_bill(bill, hold_nanousd), disputed_nanousd=charged.disputed_nanousd + beyond
    )
