"""Streams as the scenario wants them: whole, cut, or with an error in the middle. Pure."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from providers.simulator.core.exchange import Frame
from providers.simulator.core.scenario import Scenario


def staged(frames: Iterable[Frame], broken: Callable[[], Frame], scenario: Scenario) -> Iterator[Frame]:
    """Yield the frames; of a stream that is cut or breaks their first half, and then the error if it breaks."""
    if not (scenario.is_cut or scenario.breaks):
        yield from frames
        return
    every = list(frames)
    half = max(1, len(every) // 2)
    yield from every[:half]
    if scenario.breaks:
        yield Frame(broken().data, every[half - 1].tokens)
