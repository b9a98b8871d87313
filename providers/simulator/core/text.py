"""Text of the simulator and its token counts: deterministic English and its cost in tokens.

Cost: words are looked up in a cache; a response takes some tens of microseconds. No I/O.
"""

from __future__ import annotations

import functools
import hashlib
import re
from itertools import accumulate

import msgspec

from providers.tokens.count import count

# Cuts prose where OpenAI's tokenizers do, so that the pieces' tokens add up to the text's.
_PIECES = re.compile(r"[^\w\r\n]?[^\W\d_]+(?:'(?:s|t|re|ve|m|ll|d)\b)?|\d{1,3}| ?[^\s\w]+|_+|\s+")
_WORDS = re.compile(r"[^\W_]+(?:['-][^\W_]+)*")
TOPIC_WORDS = 6

_OPENINGS = (
    'You asked about "{topic}", and here is a short answer.',
    'Here is what I can say about "{topic}".',
    'Thank you for the question about "{topic}".',
    'Let me answer "{topic}" in a few plain sentences.',
)
_MIDDLES = (
    "The first thing to look at is what you want to reach, because everything else follows from it.",
    "It helps to split the matter into small parts and to look at each of them on its own.",
    "Most people start with a simple example and make it richer once it works.",
    "There is rarely one right way, but there is usually a simplest one.",
    "A good next step is to write down what you already know and what you still need to find out.",
    "Two things matter here: that the result is correct, and that somebody else can follow it.",
)
_CLOSINGS = (
    "This text comes from the simulator that is built into the gateway; no provider was called.",
    "I am the gateway's built-in simulator, so the words are made up but the token counts are real.",
    "Connect a real provider in the configuration to get a real answer from the same request.",
)


class Seed:
    """A stream of small numbers that depends only on the bytes of its seed."""

    __slots__ = ("_state",)

    def __init__(self, *material: bytes) -> None:
        self._state = int.from_bytes(hashlib.blake2b(b"\0".join(material), digest_size=16).digest())

    def below(self, limit: int) -> int:
        """Return the next number in range(limit)."""
        self._state = (self._state * 6364136223846793005 + 1442695040888963407) % (1 << 128)
        return (self._state >> 64) % limit

    def pick(self, options: tuple[str, ...]) -> str:
        return options[self.below(len(options))]


class Text(msgspec.Struct, frozen=True):
    """A text as its streamed pieces, its tokens, and whether a cap cut it."""

    pieces: tuple[str, ...]
    tokens: int
    cut: bool = False

    @property
    def whole(self) -> str:
        return "".join(self.pieces)


@functools.lru_cache(maxsize=8192)
def tokens_of_piece(piece: str) -> int:
    return count(piece)


@functools.lru_cache(maxsize=512)
def tokens_of(text: str) -> int:
    """Count the tokens of a prompt's text."""
    return count(text) if text else 0


def capped(text: str, cap: int | None) -> Text:
    """Split a text into pieces and keep as many as cost at most `cap` tokens."""
    pieces = _PIECES.findall(text)
    costs = [tokens_of_piece(piece) for piece in pieces]
    total = sum(costs)
    if cap is None or total <= cap:
        return Text(tuple(pieces), total)
    sums = list(accumulate(costs))
    kept = sum(1 for so_far in sums if so_far <= cap)
    return Text(tuple(pieces[:kept]), sums[kept - 1] if kept else 0, cut=True)


def words_of(text: str) -> list[str]:
    return _WORDS.findall(text[-4096:])


def reply(prompt: str, seed: Seed) -> str:
    """Return a few readable sentences that mention the prompt's last words."""
    topic = " ".join(words_of(prompt)[-TOPIC_WORDS:]) or "nothing in particular"
    first = seed.pick(_OPENINGS).format(topic=topic)
    second, third = seed.below(len(_MIDDLES)), seed.below(len(_MIDDLES) - 1)
    third += third >= second  # never the same sentence twice
    return " ".join((first, _MIDDLES[second], _MIDDLES[third], seed.pick(_CLOSINGS)))
