"""A process that keeps a journal and can be killed: `python -m tests.support.servers.journal_process ROOT serve|adopt`.

"serve" prints "over ID" when a call has ended (its client has everything), and "running ID" for calls without an end.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

import django

from budgets.admission.interface import WindowKey
from metering.journal.journal import Journal
from metering.journal.records import Mark
from metering.ledger.crash_recovery import recover
from metering.ledger.shipper import Shipper
from metering.ledger.spend_windows import load_windows
from tests.support.books.calls import DAY, closed, opened

CALLS, GROUP = 120, 20


class NoAdmission:
    """Takes posts and does nothing with them."""

    async def publish_totals(self, *_: object) -> bool:
        return True


def main() -> None:
    root, what = Path(sys.argv[1]), sys.argv[2]
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    django.setup()
    if what == "adopt":
        say(str(recover(root)))
    else:
        load_windows([WindowKey("tenant:3", "daily", "UTC", DAY)])
        asyncio.run(serve(root))


async def serve(root: Path) -> None:
    """Serve calls in groups, some of which never end, until killed or done; then wait to be killed."""
    journal = Journal(root, reserve_bytes=0, segment_bytes=8192, allow_volatile=True)
    shipper = Shipper(journal, NoAdmission())
    shipper.start()
    for start in range(0, CALLS, GROUP):
        await asyncio.gather(*(call(journal, number) for number in range(start, start + GROUP)))
        await shipper.flush()
    say("done")
    await asyncio.Event().wait()


async def call(journal: Journal, number: int) -> None:
    request_id = f"req_{number:04d}"
    journal.open_call(opened(request_id))
    journal.mark(Mark(request_id, number))
    if number % 10 == 0:
        say(f"running {request_id}")
    elif number % 10 == 1:
        journal.void(request_id)
    else:
        await journal.close_call(closed(request_id))
        say(f"over {request_id}")


def say(line: str) -> None:
    print(line, flush=True)  # noqa: T201 - its report


if __name__ == "__main__":
    main()
