"""Crash recovery: ships the journals of ended processes to the ledger. Blocking; runs before the server serves, and
repeatedly where there are many workers.

Finished calls are shipped as they are. A call without an end is billed for its prompt and for what it had
produced at its last mark, at the price it was opened with; the rest of its hold is unsettled. A crash half-way is
harmless: the next start does it again.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec
from django.db import Error as DatabaseFailed

from catalog.pricing.prices import as_kept
from gateway.values.fallback_log import FALLBACKS
from metering.attempt_costs import Tries, add_tries
from metering.disputed_usage import Charge, Most, charge
from metering.journal.reader import Call
from metering.journal.records import Close
from metering.journal.segments import Directory, directories
from metering.ledger.journal_loader import BATCH, JournalLoader
from metering.unknown_usage import Bounds
from providers.dialects.base import SOUND_CHARS_IN_A_TOKEN
from providers.upstream import Attempt
from providers.usage import Usage

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from budgets.admission.interface import WindowTotal
    from catalog.pricing.prices import PriceSheet
    from metering.journal.reader import OpenCall

logger = logging.getLogger(__name__)
DIED = "gateway_died"
BYTES_A_TOKEN = 4  # of ordinary text
LONGEST_TOKEN = 8  # bytes, of common tokens


class RecoveredJournal(msgspec.Struct, frozen=True, kw_only=True):
    """What the journal of an ended process held. `lost_ids` are ends whose OPEN is in a damaged stretch."""

    journal: str
    finished: int
    incomplete: int
    torn_bytes: int
    damaged_bytes: int
    lost_ids: tuple[str, ...] = ()
    rejected_ids: tuple[str, ...] = ()


Tell = Callable[["Sequence[WindowTotal]", "Sequence[str]"], None]
Gone = Callable[[str], None]


def recover(
    root: Path, using: str = "default", tell: Tell | None = None, gone: Gone | None = None
) -> list[RecoveredJournal]:
    """Ship and delete the journal of every ended process under `root`. May raise DatabaseError.

    `tell` gets the new totals and the ids of the calls, before the journal drops them; `gone` gets the name of each
    journal before it is deleted. A TimeoutError of theirs ends this run, and the next run does the rest. Any other of
    their errors leaves the journal to the next run, like a journal that cannot be read, and the journals after it are
    still adopted.
    """
    adopted = []
    for path in directories(root):
        try:
            found = _take(path, using, tell or _nobody, gone or _nobody)
        except (DatabaseFailed, TimeoutError):
            raise
        except Exception as error:  # one journal that cannot be read must not keep the others
            FALLBACKS.note("journal_adoption", error)
            logger.exception("journal.not_recovered", extra={"journal": path.name})
            continue
        if found is not None:
            adopted.append(found)
            _log(found)
    return adopted


def _log(found: RecoveredJournal) -> None:
    logger.warning(
        "journal.recovered",
        extra={
            "journal": found.journal,
            "finished": found.finished,
            "incomplete": found.incomplete,
            "torn_bytes": found.torn_bytes,
            "damaged_bytes": found.damaged_bytes,
            "lost_ids": found.lost_ids,
            "rejected_ids": found.rejected_ids,
        },
    )


def incomplete(call: OpenCall, died_at: float) -> Close:
    """Return the CLOSE of a call whose process crashed: estimated, and the rest of its hold unsettled."""
    opened = call.record
    answered, usage = call.answered, used_by(call)
    sheet = answered.sheet if answered is not None and answered.sheet is not None else opened.sheet
    tries = _tries(call, usage, sheet)
    bill, bounds = tries.charged.bill, Bounds.of(opened, sheet, tries)
    unsettled = bounds.rest(bill.total_nanousd) if bounds is not None else 0
    if tries.is_estimated:
        usage = msgspec.structs.replace(usage, estimated=True)
    finished_at = max(opened.started_at, died_at)
    return Close(
        id=opened.id,
        finished_at=finished_at,
        status="incomplete",
        http_status=0,
        error_code=DIED,
        provider=(answered and answered.provider) or opened.provider,
        deployment=(answered and answered.deployment) or opened.deployment,
        upstream_model=(answered and answered.upstream_model) or opened.upstream_model,
        usage=as_kept(usage, sheet),
        cost_nanousd=bill.total_nanousd,
        unsettled_nanousd=unsettled,
        price_id=sheet.id,
        receipt=[msgspec.to_builtins(line) for line in bill.lines],
        latency_ms=round((finished_at - opened.started_at) * 1000, 3),
        decision=[bounds.facts()] if bounds is not None and unsettled else [],
    )


def _tries(call: OpenCall, usage: Usage, sheet: PriceSheet) -> Tries:
    """Return the bill of a call whose process crashed: of its last attempt, and of earlier ones that may be billed."""
    opened = call.record
    is_known = not usage.estimated
    most = Most(opened.most_output, opened.hold_of_one if opened.is_bound else None)
    own = charge(usage, sheet, most)
    if not is_known:  # no provider has claimed the excess
        own = Charge(own.bill)
    lost = Attempt(opened.provider, opened.deployment, DIED, None, 0.0, opened.model)
    attempts = [lost] * opened.tries
    hold = opened.hold_nanousd if opened.is_bound else None
    prompt = opened.input_tokens
    return add_tries(own, usage, attempts, lambda _: opened.sheet, prompt, most, hold, is_known=is_known)


def used_by(call: OpenCall) -> Usage:
    """Return the usage of a call whose process crashed: as reported, if its response had come, else estimated.

    Most providers send a token an event; where the events of a stream are larger than that, their bytes are counted.
    """
    opened, answered, mark = call.record, call.answered, call.mark
    if answered is not None and answered.usage is not None:
        return answered.usage
    text = sound = 0
    if answered is not None:
        text = answered.size // BYTES_A_TOKEN if opened.writes else 0
    elif mark is not None:
        is_token_each = mark.output_bytes <= mark.output_tokens * LONGEST_TOKEN
        text = mark.output_tokens if is_token_each else mark.output_bytes // BYTES_A_TOKEN
        sound = mark.sound_chars // SOUND_CHARS_IN_A_TOKEN
    return Usage(
        input_tokens=opened.input_tokens, output_tokens=text, audio_output_tokens=sound, estimated=True
    )


def _nobody(*_: object) -> None:
    """Do nothing: before serving there is no receiver, and totals are read afterwards."""


def _take(path: Path, using: str, tell: Tell, gone: Gone) -> RecoveredJournal | None:
    """Adopt one journal; None if its process is live, or if another process took it first."""
    directory = Directory.take(path)
    if directory is None:
        return None
    try:
        return _adopt(JournalLoader(directory, using), tell, gone)
    finally:
        directory.release()


def _adopt(shipment: JournalLoader, tell: Tell, gone: Gone) -> RecoveredJournal:
    tail, until = shipment.tail, shipment.tail.end()
    died_at = _last_write(shipment.directory)
    finished = 0
    while (batch := shipment.write(until)).calls:
        finished += len(batch.calls)
        tell(batch.posts, [call.open.id for call in batch.calls])
        shipment.settle()
    running = list(tail.running.values())
    for start in range(0, len(running), BATCH):
        part = running[start : start + BATCH]
        posts = shipment.insert([Call(call.record, incomplete(call, died_at)) for call in part])
        tell(posts, [call.record.id for call in part])
    gone(shipment.directory.path.name)
    shipment.remove()
    return RecoveredJournal(
        journal=shipment.directory.path.name,
        finished=finished,
        incomplete=len(running),
        torn_bytes=sum(d.gap.end - d.gap.start for d in tail.damages if d.gap.torn),
        damaged_bytes=sum(d.gap.end - d.gap.start for d in tail.damages if not d.gap.torn),
        lost_ids=tuple(tail.lost_ids),
        rejected_ids=tuple(shipment.rejected),
    )


def _last_write(directory: Directory) -> float:
    """Return when the process last wrote: the best estimate of when it ended."""
    return max((directory.segment(n).stat().st_mtime for n in directory.segments()), default=0.0)
