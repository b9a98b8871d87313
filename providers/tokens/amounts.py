"""Two kinds of token counts that cannot be mixed: an upper bound, and an estimate that is probably about right.

Holds are made of bounds only. Estimates serve display, rates, routing and bills of calls without reported usage.
Neither is an `int`, so that mypy refuses one where the other is expected.
"""

from __future__ import annotations

import msgspec


class Bound(msgspec.Struct, frozen=True):
    """Never below the tokens that a provider bills by its own rules."""

    tokens: int

    def __add__(self, other: Bound) -> Bound:
        return Bound(self.tokens + other.tokens)

    def lower(self, other: Bound | None) -> Bound:
        """Return the lower of two bounds of the same thing."""
        return self if other is None or self.tokens <= other.tokens else other


class PromptCount(msgspec.Struct, frozen=True):
    """What was counted of a prompt. `text`: its text, by a vocabulary that the gateway has, without its media.

    `whole`: all of it, media included, as the largest of its providers says. Both: each of some deployments of the
    call, so that the larger one bounds it.
    """

    text: Bound | None = None
    whole: Bound | None = None

    @property
    def estimate(self) -> Estimate:
        return Estimate(max([each.tokens for each in (self.text, self.whole) if each is not None], default=0))


class Estimate(msgspec.Struct, frozen=True):
    """About what will be billed; may be too low as well as too high."""

    tokens: int
