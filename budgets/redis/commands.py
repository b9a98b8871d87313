"""The commands of admission: each script by its name, with the outcomes that it may reply."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Generic, Protocol, TypeVar

import msgspec

from budgets.redis.replies import (
    AlreadyKnown,
    AlreadyOpen,
    Begun,
    BudgetShort,
    Gone,
    Granted,
    InDoubt,
    Invalidated,
    Late,
    Loaded,
    Locked,
    NeedsAllowances,
    NeedsRecovery,
    NotRaised,
    Opened,
    ParallelRefused,
    Posted,
    Raised,
    Released,
    Renewed,
    RenewedWhileClosed,
    RequestsRefused,
    Restored,
    SetAside,
    Settled,
    StatusRead,
    TokensRefused,
    UnknownWindows,
    WindowEnded,
)

Outcome = TypeVar("Outcome")
Outcome_co = TypeVar("Outcome_co", covariant=True)

RateRefusal = ParallelRefused | RequestsRefused | TokensRefused
Prerequisite = (
    NeedsRecovery | UnknownWindows | InDoubt | WindowEnded
)  # the worker can do something, and try again

AdmitReply = Granted | AlreadyKnown | RateRefusal | BudgetShort | NeedsAllowances | Prerequisite
RaiseHoldReply = Raised | NotRaised | NeedsAllowances | NeedsRecovery | UnknownWindows | InDoubt
SettleReply = Settled | Gone | NeedsRecovery
StatusReply = StatusRead | NeedsRecovery | WindowEnded | UnknownWindows
RenewReply = Renewed | RenewedWhileClosed
BeginReply = Begun | AlreadyOpen | Locked
FinishReply = Opened | Late


class Command(msgspec.Struct, Generic[Outcome_co], frozen=True):
    """A script of budgets/redis/lua. `decode` raises msgspec.ValidationError for a reply that it may not give."""

    name: str
    decode: Callable[[bytes], Outcome_co]


class Run(Protocol):
    """Runs a command for a tenant (its hash tag). Raises Unreachable."""

    async def __call__(self, command: Command[Outcome], tag: str, arguments: Sequence[Any]) -> Outcome: ...


def command(name: str, outcomes: Any) -> Command[Any]:
    """Return the command; `outcomes` is the type that its reply has."""
    return Command(name, msgspec.msgpack.Decoder(outcomes).decode)


ADMIT: Command[AdmitReply] = command("admit", AdmitReply)
RAISE_HOLD: Command[RaiseHoldReply] = command("raise_hold", RaiseHoldReply)
SETTLE: Command[SettleReply] = command("settle", SettleReply)
STATUS: Command[StatusReply] = command("status", StatusReply)
RENEW_LEASES: Command[RenewReply] = command("renew_leases", RenewReply)
POST_TOTALS: Command[Posted] = command("post_totals", Posted)
LOAD_TOTALS: Command[Loaded] = command("load_totals", Loaded)
INVALIDATE_TOTALS: Command[Invalidated] = command("invalidate_totals", Invalidated)
SET_ASIDE: Command[SetAside] = command("set_aside", SetAside)
BEGIN_RECOVERY: Command[BeginReply] = command("begin_recovery", BeginReply)
RESTORE_HOLDS: Command[Restored] = command("restore_holds", Restored)
RESTORE_ALLOWANCES: Command[Restored] = command("restore_allowances", Restored)
FINISH_RECOVERY: Command[FinishReply] = command("finish_recovery", FinishReply)
RELEASE_WORKER: Command[Released] = command("release_worker", Released)
