"""What a request asks of the simulator, whatever its API. Pure."""

from __future__ import annotations

from typing import Any

import msgspec

from providers.simulator.core.play import Step
from providers.simulator.core.scenario import Scenario

AUTO, NONE, ANY = "auto", "none", "any"


class Tool(msgspec.Struct, frozen=True):
    """`schema` is None for a tool whose input is text."""

    name: str
    schema: dict[str, Any] | None


class Asked(msgspec.Struct, frozen=True, kw_only=True):
    """`material`: all that the reply depends on. `results`: the texts of tool results, if they come last.

    `rounds`: turns of tool results since the user's last text. `choice`: auto | none | any | =<name of a tool>.
    `step`: the turn that a play says is next.
    `cap`: the most output tokens, thinking included.
    """

    model: str
    material: bytes
    prompt: str
    scenario: Scenario = Scenario()
    step: Step | None = None
    results: str | None = None
    rounds: int = 0
    tools: tuple[Tool, ...] = ()
    choice: str = AUTO
    parallel: bool = True
    schema: dict[str, Any] | None = None
    wants_json: bool = False
    thinks: bool = False
    cap: int | None = None
    stops: tuple[str, ...] = ()
