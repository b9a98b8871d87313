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

from catalog.pricing.prices import as_stored
from gateway.values.fallback_log import FALLBACKS
from metering.attempt_costs import AttemptCosts, add_attempt_costs
from metering.disputed_usage import Charge, ChargeLimit, charge
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


PublishTotals = Callable[["Sequence[WindowTotal]", "Sequence[str]"], None]
ReleaseWorker = Callable[[str], None]


def recover(
    root: Path,
    using: str = "default",
    publish_totals: PublishTotals | None = None,
    release_worker: ReleaseWorker | None = None,
) -> list[RecoveredJournal]:
    """Ship and delete the journal of every ended process under `root`. May raise DatabaseError.

    `publish_totals` gets the new totals and the ids of the calls, before the journal drops them; `release_worker`
    gets the name of each journal before it is deleted. A TimeoutError of theirs ends this run, and the next run does
    the rest. Any other of their errors leaves the journal to the next run, like a journal that cannot be read, and the
    journals after it are still adopted.
    """
    adopted = []
    for path in directories(root):
        try:
            found = _recover_one(path, using, publish_totals or _ignore, release_worker or _ignore)
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


def incomplete(call: OpenCall, ended_at: float) -> Close:
    """Return the CLOSE of a call whose process crashed: estimated, and the rest of its hold unsettled."""
    opened = call.record
    answered, usage = call.answered, crashed_usage(call)
    sheet = answered.sheet if answered is not None and answered.sheet is not None else opened.sheet
    costs = _attempt_costs(call, usage, sheet)
    bill, bounds = costs.charged.bill, Bounds.for_call(opened, sheet, costs)
    unsettled = bounds.rest(bill.total_nanousd) if bounds is not None else 0
    if costs.is_estimated:
        usage = msgspec.structs.replace(usage, estimated=True)
    finished_at = max(opened.started_at, ended_at)
    return Close(
        id=opened.id,
        finished_at=finished_at,
        status="incomplete",
        http_status=0,
        error_code=DIED,
        provider=(answered and answered.provider) or opened.provider,
        deployment=(answered and answered.deployment) or opened.deployment,
        upstream_model=(answered and answered.upstream_model) or opened.upstream_model,
        usage=as_stored(usage, sheet),
        cost_nanousd=bill.total_nanousd,
        unsettled_nanousd=unsettled,
        price_id=sheet.id,
        receipt=[msgspec.to_builtins(line) for line in bill.lines],
        latency_ms=round((finished_at - opened.started_at) * 1000, 3),
        decision=[bounds.facts()] if bounds is not None and unsettled else [],
    )


def _attempt_costs(call: OpenCall, usage: Usage, sheet: PriceSheet) -> AttemptCosts:
    """Return the bill of a call whose process crashed: of its last attempt, and of earlier ones that may be billed."""
    opened = call.record
    is_known = not usage.estimated
    limit = ChargeLimit(opened.most_output, opened.hold_of_one if opened.is_bound else None)
    own = charge(usage, sheet, limit)
    if not is_known:  # no provider has claimed the excess
        own = Charge(own.bill)
    lost = Attempt(opened.provider, opened.deployment, DIED, None, 0.0, opened.model)
    attempts = [lost] * opened.tries
    hold = opened.hold_nanousd if opened.is_bound else None
    prompt = opened.input_tokens
    return add_attempt_costs(
        own, usage, attempts, lambda _: opened.sheet, prompt, limit, hold, is_known=is_known
    )


def crashed_usage(call: OpenCall) -> Usage:
    """Return the usage of a call whose process crashed: as reported, if its response had come, else estimated.

    Most providers send a token an event; where the events of a stream are larger than that, their bytes are counted.
    """
    opened, answered, mark = call.record, call.answered, call.mark
    if answered is not None and answered.usage is not None:
        return answered.usage
    text = sound = 0
    if answered is not None:
        text = answered.size // BYTES_A_TOKEN if opened.has_output else 0
    elif mark is not None:
        is_token_each = mark.output_bytes <= mark.output_tokens * LONGEST_TOKEN
        text = mark.output_tokens if is_token_each else mark.output_bytes // BYTES_A_TOKEN
        sound = mark.sound_chars // SOUND_CHARS_IN_A_TOKEN
    return Usage(
        input_tokens=opened.input_tokens, output_tokens=text, audio_output_tokens=sound, estimated=True
    )


def _ignore(*_: object) -> None:
    """Do nothing: before serving there is no receiver, and totals are read afterwards."""


def _recover_one(
    path: Path, using: str, publish_totals: PublishTotals, release_worker: ReleaseWorker
) -> RecoveredJournal | None:
    """Adopt one journal; None if its process is live, or if another process took it first."""
    directory = Directory.take_over(path)
    if directory is None:
        return None
    try:
        return _load(JournalLoader(directory, using), publish_totals, release_worker)
    finally:
        directory.release()


def _load(
    loader: JournalLoader, publish_totals: PublishTotals, release_worker: ReleaseWorker
) -> RecoveredJournal:
    reader, until = loader.reader, loader.reader.end()
    ended_at = _last_write(loader.directory)
    finished = 0
    while (batch := loader.write(until)).calls:
        finished += len(batch.calls)
        publish_totals(batch.posts, [call.open.id for call in batch.calls])
        loader.settle()
    running = list(reader.running.values())
    for start in range(0, len(running), BATCH):
        part = running[start : start + BATCH]
        posts = loader.insert([Call(call.record, incomplete(call, ended_at)) for call in part])
        publish_totals(posts, [call.record.id for call in part])
    release_worker(loader.directory.path.name)
    loader.remove()
    return RecoveredJournal(
        journal=loader.directory.path.name,
        finished=finished,
        incomplete=len(running),
        torn_bytes=sum(d.gap.end - d.gap.start for d in reader.damages if d.gap.torn),
        damaged_bytes=sum(d.gap.end - d.gap.start for d in reader.damages if not d.gap.torn),
        lost_ids=tuple(reader.lost_ids),
        rejected_ids=tuple(loader.rejected),
    )


def _last_write(directory: Directory) -> float:
    """Return when the process last wrote: the best estimate of when it ended."""
    return max((directory.segment(n).stat().st_mtime for n in directory.segments()), default=0.0)
