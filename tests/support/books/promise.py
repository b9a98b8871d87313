"""The promise of docs/guarantees.md as a model: what providers bill is at most what budgets count, and that is at most
the limit.

The model covers exactly the promise. A provider that answers an attempt with an HTTP error is owed the usage that it
reports, else nothing. It is owed nothing for output beyond the cap that it was sent (the operator's dispute). A
provider that reports less than it bills is outside the promise, and not part of the model.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Mapping
from fractions import Fraction
from typing import Any

import msgspec

from tests.support.books.ledger import Row
from tests.support.clients.raw_calls import RawAnswer

Book = dict[str, Any]  # of one attempt, as the provider keeps it (tests/support/provider/expected.py)
ERRORS = frozenset({"status", "html"})
NANO = 10**9
PREFIX = "up-promise-"  # of the models at the provider


class Rates(msgspec.Struct, frozen=True, kw_only=True):
    """Nano-USD a token, and for each attempt."""

    reads: Fraction
    writes: Fraction
    cached: Fraction
    reasoning: Fraction
    sound_in: Fraction
    sound_out: Fraction
    request: Fraction

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Rates:
        """Read those of a catalog's row, whose prices are USD a million tokens."""
        own = {"input": row["price_input"], "output": row["price_output"], **row.get("pricing", {})}

        def rate(name: str, instead: str = "") -> Fraction:
            return Fraction(str(own.get(name, own.get(instead, 0)))) * 1_000

        return cls(
            reads=rate("input"),
            writes=rate("output"),
            cached=rate("cached_input", "input"),
            reasoning=rate("reasoning", "output"),
            sound_in=rate("audio_input", "input"),
            sound_out=rate("audio_output", "output"),
            request=Fraction(str(own.get("request", 0))) * NANO,
        )

    def price(self, bill: Mapping[str, int], most_output: int | None = None) -> Fraction:
        """Return what an attempt costs, with no more output than that: unseen output is left out first."""
        left = bill["completion_tokens"] if most_output is None else most_output
        sound, hidden = bill["audio_output_tokens"], bill["reasoning_tokens"]
        text = min(left, bill["completion_tokens"] - sound - hidden)
        sound = min(left - text, sound)
        hidden = min(left - text - sound, hidden)
        plain = bill["prompt_tokens"] - bill["cached_tokens"] - bill["audio_input_tokens"]
        read = plain * self.reads + bill["cached_tokens"] * self.cached
        read += bill["audio_input_tokens"] * self.sound_in
        return read + text * self.writes + sound * self.sound_out + hidden * self.reasoning + self.request


class Lane(msgspec.Struct, frozen=True, kw_only=True):
    """One client with its own model: every request for that model at a provider is this client's."""

    alias: str
    key: str
    tenant: str
    rates: Mapping[str, Rates]  # by upstream model
    makes: str = "chat"  # or words, embeddings
    window: int | None = None

    @property
    def prefix(self) -> str:
        return self.key.removeprefix("sk-").partition(".")[0]


def owed(book: Book, rates: Rates) -> Fraction:
    """Return what a budget must count for an attempt."""
    bill, most = book["bill"], book["most_output"]
    is_error = book["kind"] in ERRORS or not book["kind"]  # no kind: it was not understood, and answered so
    has_said = book["kind"] == "status" and book["usage"] == "always" and bill["completion_tokens"]
    if is_error and not (has_said and book["outcome"]):
        return Fraction(0)
    if not bill["prompt_tokens"]:  # it has not begun
        return Fraction(0)
    due = rates.price(bill, most)
    if book["usage"] == "double":  # what is left of a false report up to the cap may be of the cheaper kind
        said = {name: bill[name] * 2 for name in ("prompt_tokens", "completion_tokens")}
        return min(due, rates.price(bill | said, most))
    return due


def is_honest(book: Book) -> bool:
    """Say whether an attempt ended with a report of what its provider bills."""
    if book["kind"] in ERRORS or not book["kind"]:
        return True
    most, wrote = book["most_output"], book["bill"]["completion_tokens"]
    is_whole = (
        book["kind"] == "ok" and book["outcome"] in {"ok", "done", "no_done"} and not book["closed_early"]
    )
    return is_whole and book["usage"] in {"asked", "always"} and (most is None or wrote <= most)


class Accounts:
    """What is owed for each budget's scope, and the expected ledger."""

    def __init__(self, lanes: Iterable[Lane]) -> None:
        self._lanes = {model: lane for lane in lanes for model in lane.rates}

    def owed(self, books: Iterable[Book]) -> Counter[str]:
        """Return the sums by key and by tenant, rounded up."""
        sums: dict[str, Fraction] = {}
        for book in books:
            lane = self._lanes[book["model"]]
            for scope in (lane.prefix, lane.tenant):
                sums[scope] = sums.get(scope, Fraction(0)) + owed(book, lane.rates[book["model"]])
        return Counter({scope: math.ceil(exact) for scope, exact in sums.items()})

    def compare(self, rows: Mapping[str, Row], books: Iterable[Book]) -> tuple[int, dict[str, str]]:
        """Compare each call's row with its provider's books. Return how many were billed exactly, and what is wrong."""
        calls: dict[str, list[Book]] = {}
        for book in books:
            calls.setdefault(book["id"], []).append(book)
        lost = calls.keys() - rows.keys()
        assert not lost, f"reached a provider, and no row: {[calls[call] for call in lost]}"
        faults: dict[str, str] = {}
        exact = 0
        for call, attempts in calls.items():
            row, lane = rows[call], self._lanes[attempts[0]["model"]]
            assert (row["tenant"], row["api_key_prefix"]) == (lane.tenant, lane.prefix)
            due = math.ceil(sum((owed(each, lane.rates[each["model"]]) for each in attempts), Fraction(0)))
            cost, unsettled = row["cost_nanousd"], row["unsettled_nanousd"]
            is_exact = all(map(is_honest, attempts)) and not row["estimated"]
            if due > cost + unsettled or (is_exact and (cost, unsettled) != (due, 0)):
                faults[call] = f"{due} is billed, {cost} + {unsettled} counted: {row} {attempts}"
            exact += is_exact
        return exact, faults


def is_served(answer: RawAnswer, row: Row | None, attempts: Iterable[Book]) -> None:
    """Insist that a call whose client saw its end is in the ledger as such, and exact where its provider was honest."""
    assert row is not None, f"answered, and no row: {answer}"
    assert row["status"] == "ok", row
    assert row["estimated"] is False or not all(map(is_honest, attempts)), row


def adds_up(answer: RawAnswer) -> None:
    """Insist that a refusal for lack of money says why, and that it was right."""
    said = answer.error["budget"]
    counted = sum(said[f"{name}_nanousd"] for name in ("spent", "held", "unsettled"))
    assert counted <= said["limit_nanousd"] < counted + said["needed_nanousd"], said
