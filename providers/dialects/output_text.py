"""The text of a stream, kept for counting its tokens where the provider does not say: in bounded memory. Pure.

The beginning is kept; of what follows one part in sixteen is counted as it passes, and stands for the others.
"""

from __future__ import annotations

from typing import Final

from providers.tokens.count import SAMPLE_MARGIN, count

PIECE: Final = 4_000  # characters, of which the events' texts become one
KEPT: Final = 20_000  # with a piece beyond it still counted as a whole (providers/tokens/count.py)
ONE_IN: Final = 16


class Produced:
    """`add` takes a piece; `tokens` are those of what is not in `text` any more. `model` has the tokenizer."""

    __slots__ = ("_kept", "_passed", "_rate", "_size", "model", "tokens")

    def __init__(self) -> None:
        self.model = ""
        self.tokens = 0.0
        self._kept: list[str] = []
        self._size = self._passed = 0
        self._rate = 0.0  # tokens a character, of the last piece that was counted

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
