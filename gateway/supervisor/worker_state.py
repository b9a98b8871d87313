"""The state of a process in a few numbers, for /readyz, the front page and the gauges of stores.

Workers send it to their supervisor each second and receive the combined state of all, so that each of them gives the
same response (gateway/supervisor/supervisor_client.py). Reading it costs some microseconds and no message.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec


class State(msgspec.Struct, frozen=True, array_like=True, kw_only=True):
    """Of one process, or of several together. `redis_trouble` empty: it responds, or there is none.

    `can_admit`: some call could be admitted. False: Redis is away, no money is set aside, all calls need money.
    """

    has_room: bool = True
    is_database_up: bool = True
    ships: bool = True
    redis_trouble: str = ""
    can_admit: bool = True
    unshipped: int = 0
    oldest_s: float = 0.0


def combined(states: Iterable[State]) -> State:
    """Return the combined state of several processes of one machine: the worst of each, and what can still be done."""
    every = list(states) or [State()]
    return State(
        has_room=all(each.has_room for each in every),
        is_database_up=all(each.is_database_up for each in every),
        ships=all(each.ships for each in every),
        redis_trouble=next((each.redis_trouble for each in every if each.redis_trouble), ""),
        can_admit=any(each.can_admit for each in every),
        unshipped=sum(each.unshipped for each in every),
        oldest_s=max(each.oldest_s for each in every),
    )
