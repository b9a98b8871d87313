from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from budgets.admission import AdmissionUnavailable
from gateway.chores import Chores


class Streams(list[Any]):
    def mark(self, journal: object) -> None:
        """Nothing is written down here."""


def stream(name: str) -> Any:
    return SimpleNamespace(record=SimpleNamespace(id=name), held_nanousd=5, cost_so_far=lambda: 10)


async def test_a_stream_that_nobody_can_judge_now_keeps_no_other_from_being_judged():
    asked: list[str] = []

    async def top_up(name: str, _: int) -> bool:
        asked.append(name)
        if name == "first":
            raise AdmissionUnavailable
        return True

    streams = Streams([stream("first"), stream("second")])
    live: Any = SimpleNamespace(running=streams, journal=None, admission=SimpleNamespace(top_up=top_up))
    await Chores(live, in_database=top_up)._mark_streams()  # noqa: SLF001
    assert asked == ["first", "second"]
    assert [each.held_nanousd for each in streams] == [5, 20]
