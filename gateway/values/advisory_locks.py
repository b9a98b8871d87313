"""PostgreSQL's advisory locks of the gateway. Any numbers, but no two the same, and the same in every release: machines
of two releases use one database during an upgrade.
"""

from __future__ import annotations

from typing import Final

PREPARING: Final = 0x6F6D6770  # of a machine that starts: migrations, bootstrap
ROLL_UPS: Final = 0x6F6D6775  # of a transaction that changes roll-ups
WINDOWS: Final = 0x6F6D6777  # exclusive to create a window, shared to write a batch of calls
