"""How many files and sockets this process may have open, and how many of them clients may take.

Systems usually start a process with a soft limit of 1,024 and a far higher hard one. The part that clients cannot take
is for the journal, the database, Redis, and one provider connection per call.
"""

from __future__ import annotations

import logging
import resource

logger = logging.getLogger(__name__)

HIGHEST = 1_048_576  # if there is no hard limit; the kernel's own default for one process
FEWEST_CLIENTS = 16


def raise_limit() -> int:
    """Raise the soft limit to the hard one, and return the new limit."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = HIGHEST if hard == resource.RLIM_INFINITY else hard
    if soft != resource.RLIM_INFINITY and soft < wanted:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))
        except (ValueError, OSError) as error:  # the kernel's own bound may be lower
            logger.warning("open_files.limit.kept", extra={"limit": soft, "error": str(error)})
        else:
            return wanted
    return wanted if soft == resource.RLIM_INFINITY else soft


def left_for_clients(limit: int, reserved: int, calls: int) -> int:
    """Return how many client connections fit beside `reserved` descriptors and `calls` provider connections."""
    free = limit - reserved
    return max(FEWEST_CLIENTS, free - min(calls, free // 2))
