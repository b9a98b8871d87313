"""The text of a stream, kept in bounded memory to count its tokens where the provider reports no usage. Pure.

The beginning is kept; after it, one piece in sixteen is counted as it passes, as an estimate for the others.
"""

from __future__ import annotations

from typing import Final

from providers.tokens.count import SAMPLE_MARGIN, count

PIECE: Final = 4_000  # characters; the texts of events are joined up to this size
KEPT: Final = 20_000  # with one more piece still counted in full (providers/tokens/count.py)
ONE_IN: Final = 16


class Produced:
    """`add` takes a piece; `tokens` are those of what `text` no longer holds. `model` selects the tokenizer."""

    __slots__ = ("_kept", "_passed", "_rate", "_size", "model", "tokens")

    def __init__(self) -> None:
        self.model = ""
        self.tokens = 0.0
        self._kept: list[str] = []
        self._size = self._passed = 0
        self._rate = 0.0  # tokens per character, in the last piece counted

    def add(self, piece: str) -> None:
        if self._size < KEPT:
            self._kept.append(piece[: KEPT - self._size])
            self._size += len(self._kept[-1])
            piece = piece[len(self._kept[-1]) :]
        for at in range(0, len(piece), PIECE):
            self._count(piece[at : at + PIECE])

    @property
    def text(self) -> str:
        return "".join(self._kept)

    def _count(self, piece: str) -> None:
        if self._passed % ONE_IN == 0:
            self._rate = count(piece, self.model) / len(piece)
            self.tokens += self._rate * len(piece)
        else:
            self.tokens += min(self._rate * SAMPLE_MARGIN, 1) * len(piece)
        self._passed += 1
