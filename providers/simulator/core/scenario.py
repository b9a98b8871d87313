"""The scenario of a call: words in square brackets in the user's last message (docs/simulator.md). Pure."""

from __future__ import annotations

import re

import msgspec

from providers.simulator.core import play

_WORD = re.compile(
    r"\[(refuse|filter|long|think|redact|cut|slow|error in stream|error (?P<status>[45]\d\d)"
    r"|(?:parallel )?tools(?: with text)?(?: (?P<rounds>\d{1,2}))?)\]"
)
_SEARCHED = 200_000  # characters; the words stand in the last ones of a longer message
SLOW_S = 0.1  # between two frames


class Scenario(msgspec.Struct, frozen=True, kw_only=True):
    """`rounds`: how many turns of tool calls are made before the text. `status`: of an error before the stream."""

    refuses: bool = False
    is_filtered: bool = False
    is_long: bool = False
    thinks: bool = False
    redacts: bool = False
    is_cut: bool = False
    is_slow: bool = False
    breaks: bool = False
    status: int = 0
    tools: bool = False
    parallel: bool = False
    with_text: bool = False
    rounds: int = 1

    @property
    def pause(self) -> float:
        return SLOW_S if self.is_slow else 0.0


def read(prompt: str) -> tuple[Scenario, str]:
    """Return the scenario of a prompt, and the prompt without its words and its play. Raises SimulatorError."""
    prompt = play.without(prompt)[-_SEARCHED:]
    if "[" not in prompt:
        return Scenario(), prompt
    found = list(_WORD.finditer(prompt))
    words = {match.group(1) for match in found}
    tools = [match for match in found if "tools" in match.group(1)]
    scenario = Scenario(
        refuses="refuse" in words,
        is_filtered="filter" in words,
        is_long="long" in words,
        thinks="think" in words,
        redacts="redact" in words,
        is_cut="cut" in words,
        is_slow="slow" in words,
        breaks="error in stream" in words,
        status=next((int(match["status"]) for match in found if match["status"]), 0),
        tools=bool(tools),
        parallel=any("parallel" in match.group(1) for match in tools),
        with_text=any("with text" in match.group(1) for match in tools),
        rounds=max((int(match["rounds"] or 1) for match in tools), default=1),
    )
    return scenario, _WORD.sub("", prompt).strip()
