"""What the tries of a call cost that did not answer it: whoever was reached may bill the prompt.

Each has its own usage and cost in the row, and the call costs all of them together. Pure; only for several tries.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from decimal import ROUND_CEILING, Decimal
from typing import NamedTuple

from msgspec.structs import replace

from catalog.prices import Line, PriceSheet, Receipt, receipt
from metering.dispute import Charge, Most, cut
from providers.upstream import Attempt
from providers.usage import Usage

Sheets = Callable[[Attempt], PriceSheet]


class Tries(NamedTuple):
    """The whole bill, the tries with what each of them cost, and whether an earlier one had to be estimated."""

    charged: Charge
    attempts: Sequence[Attempt]
    is_estimated: bool = False


def may_cost(attempt: Attempt) -> bool:
    """Tell whether its provider may bill it: it said what was used, or was reached and said no status of its own."""
    return attempt.usage is not None or (attempt.reached and attempt.status is None)


def add_tries(
    charged: Charge, own: Usage, attempts: Sequence[Attempt], sheets: Sheets, prompt_tokens: int, most: Most
) -> Tries:
    """Add to a call's bill what its other tries cost. `charged` is what the last one that was reached costs.

    What a provider did not say is taken as the prompt, estimated. Together they are charged up to the hold; the rest
    is nobody's, as a provider's claim beyond it is.
    """
    last = max((at for at, attempt in enumerate(attempts) if attempt.reached), default=-1)
    priced: list[Attempt] = []
    lines: list[Line] = []
    is_estimated = False
    for at, attempt in enumerate(attempts):
        if at == last:
            usage, cost = own, charged.bill.total_nanousd
        elif may_cost(attempt):
            usage = attempt.usage or Usage(input_tokens=prompt_tokens, estimated=True)
            bill = receipt(usage, sheets(attempt))
            cost = bill.total_nanousd
            lines += [replace(line, note=line.note or f"of try {at + 1}") for line in bill.lines]
            is_estimated = is_estimated or usage.estimated
        else:
            priced.append(attempt)
            continue
        priced.append(replace(attempt, usage=usage, cost_nanousd=cost))
    return Tries(_together(charged, lines, most) if lines else charged, priced, is_estimated)


def _together(charged: Charge, lines: Sequence[Line], most: Most) -> Charge:
    every = (*charged.bill.lines, *lines)
    exact = sum((Decimal(line.amount_nanousd) for line in every), Decimal(0))
    bill = Receipt(every, int(exact.to_integral_value(ROUND_CEILING)))
    if most.nanousd is None or bill.total_nanousd <= most.nanousd:
        return replace(charged, bill=bill)
    beyond = bill.total_nanousd - most.nanousd
    return replace(charged, bill=cut(bill, most.nanousd), disputed_nanousd=charged.disputed_nanousd + beyond)
