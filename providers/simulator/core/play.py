"""A play: the calls and the text of a whole job, which a user wrote down in a message (docs/simulator.md). Pure."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import msgspec

from providers.simulator.core.errors import SimulatorError

_OPENS = "[play:"
_SHAPE = 'a list of {"tool": name, "input": object or text}, {"text": text}, or lists of calls'
_decoder = json.JSONDecoder()


class Called(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    """`input` is a text for a tool whose input is one."""

    tool: str
    input: dict[str, Any] | str = {}


class Spoken(msgspec.Struct, frozen=True, forbid_unknown_fields=True):
    text: str


class Step(msgspec.Struct, frozen=True):
    """One turn: calls, or a text."""

    calls: tuple[Called, ...] = ()
    text: str = ""


def step(texts: Iterable[str], results: int) -> Step | None:
    """Return the turn that is next after `results` results of tools, of the first play in the user's texts.

    None without a play, and behind its end. Raises SimulatorError.
    """
    for text in texts:
        place = text.find(_OPENS)
        if place >= 0:
            return _next(_steps(text, place)[0], results)
    return None


def without(text: str) -> str:
    """Return a text without its play. Raises SimulatorError."""
    place = text.find(_OPENS)
    return text if place < 0 else text[:place] + text[_steps(text, place)[1] :]


def _next(steps: list[Step], results: int) -> Step | None:
    for each in steps:
        if results <= 0 or not each.calls:
            return each
        results -= len(each.calls)
    return None


def _steps(text: str, place: int) -> tuple[list[Step], int]:
    """Return the steps of the play that begins at `place`, and where it ends."""
    begins = place + len(_OPENS)
    begins += len(text[begins:]) - len(text[begins:].lstrip())
    try:
        found, ends = _decoder.raw_decode(text, begins)
        if text[ends : ends + 1] != "]":
            raise ValueError("no ] behind its list")
        return [_step(each) for each in msgspec.convert(found, list[Any])], ends + 1
    except (ValueError, RecursionError) as error:
        raise SimulatorError(f"Invalid play: {error}. Expected {_SHAPE}.", code="invalid_play") from error


def _step(given: Any) -> Step:
    if isinstance(given, list):
        return Step(tuple(msgspec.convert(given, list[Called])))
    if isinstance(given, dict) and "text" in given:
        return Step(text=msgspec.convert(given, Spoken).text)
    return Step((msgspec.convert(given, Called),))
