"""Random behavior of a provider on one call: any report, whole or cut at any byte, usage at any place."""

from __future__ import annotations

import random
from typing import Any

from tests.support.clients.random_bodies import Body

Script = dict[str, Any]  # of tests/support/provider/script.py
WHOLE = 60  # of a hundred calls
HIDDEN = (0, 7, 1_000_000, 1_000_000)  # a million: up to the cap


def behavior(dice: random.Random, body: Body) -> Script:
    """Return one. It never bills more than the body and the cap allow, unless it ignores the cap."""
    return _work(dice, body) | _manner(dice) | (_fault(dice) if dice.randrange(100) >= WHOLE else {})


def _work(dice: random.Random, body: Body) -> Script:
    """Return what is billed: any part of what could be, often all of it."""
    prompt = max(1, round(body.most_prompt * dice.choice((0.1, dice.random(), 1.0, 1.0))))
    sounds = min(body.sounds, prompt)
    return {
        "prompt_tokens": prompt,
        "embedded_tokens": prompt,
        "audio_input_tokens": sounds,
        "cached_tokens": dice.choice((0, 0, dice.randint(0, prompt - sounds))),
        "reasoning_tokens": dice.choice(HIDDEN),
        "audio_output_tokens": dice.choice((0, 50)) if body.speaks else 0,
        "chunks": dice.randint(1, 8),
        "tokens_per_chunk": dice.choice((1, 1, 3, 30)),
        "obeys": True,
        "bills": dice.choice(("sent", "all", "all")),
    }


def _manner(dice: random.Random) -> Script:
    return {
        "delay": dice.choice((0.0, 0.0, 0.01)),
        "pause": dice.choice((0.0, 0.0, 0.004)),
        "role_events": dice.choice((0, 1, 1)),
        "framing": dice.choice(("lf", "lf", "crlf")),
        "usage": dice.choice(("asked", "asked", "always")),
        "end": dice.choice(("done", "done", "done", "no_done")),
        "close_delimited": dice.random() < 0.15,
    }


def _fault(dice: random.Random) -> Script:
    kinds = (_usage, _early, _cut, _cut, _stream_end, _no_answer, _http_error, _beyond)
    return dice.choice(kinds)(dice)


def _usage(dice: random.Random) -> Script:
    return {"usage": dice.choice(("never", "zero", "double", "nonsense", "total", "prompt"))}


def _early(dice: random.Random) -> Script:
    """Usage comes before the last content, also at the end or not, and the stream may break behind it."""
    told = {
        "running_usage": dice.randint(1, 3),
        "is_told_beside": dice.random() < 0.5,
        "chunks": dice.randint(2, 8),
    }
    return {**told, "usage": dice.choice(("never", "always")), **dice.choice(({}, {}, _stream_end(dice)))}


def _cut(dice: random.Random) -> Script:
    at = round(2 ** (dice.random() * 12)) - 1
    return {"cut_at": at, "cut_by": dice.choice(("close", "close", "reset", "stall"))}


def _stream_end(dice: random.Random) -> Script:
    ends = ("cut", "drop", "reset", "error", "malformed", "stall")
    return {"end": dice.choice(ends), "after": dice.randint(0, 4)}


def _no_answer(dice: random.Random) -> Script:
    kinds = (
        "reset_before_head",
        "hang_before_head",
        "hang_after_head",
        "malformed",
        "empty",
        "truncated",
        "wrong_type",
    )
    return {"kind": dice.choice(kinds)}


def _http_error(dice: random.Random) -> Script:
    return dice.choice(
        ({"kind": "html"}, {"kind": "status", "status": dice.choice((400, 408, 429, 500, 503))})
    )


def _beyond(_: random.Random) -> Script:
    return {"ignore_cap": True, "obeys": False}
