"""The replies of the scripts, one type for each outcome. Which ones a script may give is in budgets/redis/commands.py.

A reply is an array {status, now, instant, detail, rates, money} (lua/lib/reply): the status selects the type. A type
names only what is read of it; its third field is the detail. Money is integer nano-USD. `now` is the monotonic clock of
Redis, `instant` its epoch time, both in seconds.
"""

from __future__ import annotations

import math

import msgspec

from budgets.admission.interface import Return
from budgets.local.sliding_window import SPAN_S

NO_WINDOW, NOT_KNOWN, KNOWN = 0, 1, 2  # states of BudgetMoney; NOT_KNOWN: the total is not loaded


def until_ms(second: int, now: float) -> int:
    """Return when this second of a ring leaves it; 0 if there is none (-1)."""
    return math.ceil((second + SPAN_S - now) * 1000) if second >= 0 else 0


class ScopeRates(msgspec.Struct, frozen=True, array_like=True):
    """What the calls of a scope used in the last minute, and its newest second (-1: none)."""

    requests: int
    tokens: int
    newest: int

    def full_reset_ms(self, now: float) -> int:
        return until_ms(self.newest, now)


class BudgetMoney(msgspec.Struct, frozen=True, array_like=True):
    """What is counted in the window of a budget. `unsettled` is a part of `spent` and `settled`.

    The last two are of a rolling budget: what returns first, where that is of another day than its last.
    """

    spent: int
    settled: int
    held: int
    state: int
    unsettled: int
    return_at: float = 0.0
    returned: int = 0

    @property
    def first(self) -> Return | None:
        return Return(self.return_at, self.returned) if self.returned else None


class Reply(msgspec.Struct, frozen=True, array_like=True):
    """What every reply has."""

    now: float
    instant: float


class Granted(Reply, frozen=True, array_like=True, tag="granted"):
    """`seconds`: where each scope counts the call in its ring."""

    seconds: list[int]
    rates: list[ScopeRates]
    money: list[BudgetMoney]


class AlreadyKnown(Reply, frozen=True, array_like=True, tag="known"):
    """The call was granted before, and nothing changed. `seconds` is empty."""

    seconds: list[int]
    rates: list[ScopeRates]
    money: list[BudgetMoney]


class Excess(msgspec.Struct, frozen=True, array_like=True):
    """The place of the scope that refuses, and the second that frees enough when it leaves the ring (-1: none)."""

    place: int
    freed_by: int


class RateExceeded(Reply, frozen=True, array_like=True):
    """A limit of a scope refuses the call: one of the three below."""

    excess: Excess
    rates: list[ScopeRates]
    money: list[BudgetMoney]


class ParallelRefused(RateExceeded, frozen=True, array_like=True, tag="parallel"):
    pass


class RequestsRefused(RateExceeded, frozen=True, array_like=True, tag="requests"):
    pass


class TokensRefused(RateExceeded, frozen=True, array_like=True, tag="tokens"):
    pass


class BudgetShort(Reply, frozen=True, array_like=True, tag="budget"):
    """The hold does not fit into the tightest budget."""

    places: tuple[int]
    rates: list[ScopeRates]
    money: list[BudgetMoney]

    @property
    def place(self) -> int:
        return self.places[0]


class NeedsAllowances(Reply, frozen=True, array_like=True, tag="aside"):
    """It fits if these workers give their outage allowances back."""

    holders: list[str]


class Unprepared(Reply, frozen=True, array_like=True):
    """Nothing was decided: the worker must do something first (recovery/prerequisites.py). One of the four below."""


class NeedsRecovery(Unprepared, frozen=True, array_like=True, tag="rebuild"):
    """The tenant is closed."""


class WindowEnded(Unprepared, frozen=True, array_like=True, tag="window"):
    """By the clock of Redis another window counts."""


class UnknownWindows(Unprepared, frozen=True, array_like=True, tag="unknown"):
    """Totals must be loaded from the ledger. The detail: generation, `forgot`, and the places of the budgets."""

    detail: list[int]

    @property
    def age(self) -> tuple[int, int]:
        """Return the generation and `forgot`: a load for others is void."""
        return self.detail[0], self.detail[1]

    @property
    def places(self) -> list[int]:
        return self.detail[2:]


class InDoubt(Unprepared, frozen=True, array_like=True, tag="doubt"):
    """It may fit when the doubt about a total ends, within half a second."""


class Raised(Reply, frozen=True, array_like=True, tag="granted"):
    """The hold is as high as asked."""


class NotRaised(Reply, frozen=True, array_like=True, tag="refused"):
    """The call is not running, or the difference does not fit."""


class Settled(Reply, frozen=True, array_like=True, tag="settled"):
    """The call has ended, perhaps before. `detail` is empty."""

    detail: tuple[()]
    rates: list[ScopeRates]
    money: list[BudgetMoney]


class Gone(Reply, frozen=True, array_like=True, tag="gone"):
    """An open tenant does not know the call."""


class StatusRead(Reply, frozen=True, array_like=True, tag="read"):
    """`detail` is empty."""

    detail: tuple[()]
    rates: list[ScopeRates]
    money: list[BudgetMoney]


class Renewed(Reply, frozen=True, array_like=True, tag="renewed"):
    """`missing`: the calls that Redis does not know."""

    missing: list[str]


class RenewedWhileClosed(Reply, frozen=True, array_like=True, tag="rebuild"):
    """The tenant is closed. `missing`: as before."""

    missing: list[str]


class Posted(Reply, frozen=True, array_like=True, tag="posted"):
    pass


class Loaded(Reply, frozen=True, array_like=True, tag="learnt"):
    """The totals are installed, or were void."""


class SetAside(Reply, frozen=True, array_like=True, tag="reserved"):
    amounts: tuple[int]

    @property
    def nanousd(self) -> int:
        return self.amounts[0]


class Begun(Reply, frozen=True, array_like=True, tag="begun"):
    """The recovery has begun in this generation."""

    gens: tuple[int]

    @property
    def gen(self) -> int:
        return self.gens[0]


class AlreadyOpen(Reply, frozen=True, array_like=True, tag="open"):
    """There is nothing to recover."""


class Locked(Reply, frozen=True, array_like=True, tag="locked"):
    """Another recovery is in progress."""


class Restored(Reply, frozen=True, array_like=True, tag="held"):
    pass


class Opened(Reply, frozen=True, array_like=True, tag="open"):
    """The recovery is finished."""


class Late(Reply, frozen=True, array_like=True, tag="late"):
    """Another recovery has begun, or data was lost since: nothing changed."""


class Released(Reply, frozen=True, array_like=True, tag="buried"):
    """The running calls of an ended worker were dropped."""


class Invalidated(Reply, frozen=True, array_like=True, tag="forgotten"):
    """All totals must be loaded again."""
