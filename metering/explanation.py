"""A call told in sentences, from what the ledger keeps of it: who, what, where to, what was held, tried, paid. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple

from metering.trace import Decision, read

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from metering.models import UsageEvent
    from metering.trace import BudgetSeen, LimitSeen, Trace
    from providers.upstream import Attempt

NANO = Decimal(10**9)
PER_MILLION = Decimal(10**6)
RULES = {
    "parallel": "{:,} at a time",
    "requests": "{:,} requests a minute",
    "tokens": "{:,} tokens a minute",
}
QUANTITIES = {
    "input": "input tokens",
    "cached_input": "input tokens read from the provider's cache",
    "cache_write": "input tokens written to the provider's cache",
    "audio_input": "input tokens of audio",
    "output": "output tokens",
    "reasoning": "reasoning tokens",
    "audio_output": "output tokens of audio",
    "request": "requests",
    "image": "images",
    "audio_ms": "milliseconds of audio",
    "character": "characters",
}
ENDS = {
    "ok": "It ended well, with HTTP {status}{code}",
    "error": "It failed: the client got HTTP {status}{code}",
    "cancelled": "It was stopped before its end{code}",
    "incomplete": "It broke off before its end{code}",
}
OUTCOMES = {"cancelled": "the call was stopped while it waited"}
UNTOLD = (
    "This was not kept: the call is of an older release, or the process that served it died before its end."
)


class Part(NamedTuple):
    """A heading and what is said under it."""

    title: str
    sentences: tuple[str, ...]


class Line(NamedTuple):
    """A line of the receipt, in words; amounts are exact decimal strings of USD."""

    what: str
    quantity: str
    unit_usd: str
    amount_usd: str
    price: str


def explain(
    event: UsageEvent, place: Literal["ledger", "journal", "running", "void"] = "ledger"
) -> list[Part]:
    """Return the story of a call, in the order in which it happened."""
    decision = read(event.decision)
    parts = [
        Part("Who called", _who(event)),
        Part("What was asked", _what(event, decision.trace)),
        Part("Where it could go", _where(decision.trace)),
        Part("What was allowed and held", _held(decision.trace)),
    ]
    if place == "running":
        return [
            *parts[:2],
            Part("How it ended", ("It has not ended: a process is serving it, or died doing so.",)),
        ]
    if place == "void":
        words = "It never reached a provider, so it cost nothing and is not in the ledger."
        return [*parts[:2], Part("How it ended", (words,))]
    return [
        *parts,
        Part("What was tried", _tried(event, decision)),
        Part("What it cost", _cost(event, decision.trace)),
        Part("How it ended", _end(event, place)),
    ]


def receipt_lines(event: UsageEvent) -> list[Line]:
    """Return the receipt line by line."""
    return [
        Line(
            " ".join(
                word for word in (QUANTITIES.get(line["kind"], line["kind"]), line.get("note", "")) if word
            ),
            f"{line['quantity']:,}",
            usd(line["unit_price_nanousd"]),
            usd(line["amount_nanousd"]),
            _price(line.get("price_id", 0)),
        )
        for line in event.receipt
    ]


def usd(nanousd: int | str) -> str:
    """Return an exact amount in USD, at least to the cent."""
    whole, _, rest = f"{Decimal(nanousd) / NANO:f}".partition(".")
    return f"{whole}.{rest.rstrip('0').ljust(2, '0')}"


def _who(event: UsageEvent) -> tuple[str, ...]:
    named = f" The client called it {event.client_request_id}." if event.client_request_id else ""
    traced = f" Its trace is {event.trace_id}." if event.trace_id else ""
    return (f"Key {event.api_key_prefix} of tenant {event.tenant}.{named}{traced}",)


def _what(event: UsageEvent, trace: Trace | None) -> tuple[str, ...]:
    how = "as a stream" if event.stream else "as one answer"
    said = [f"The model {event.model} at {event.endpoint}, {how}, on {_instant(event.started_at)}."]
    prompt = trace.prompt if trace is not None else 0
    if prompt:
        said.append(f"Its prompt was taken for {_many(prompt, 'token')} when it came in.")
    if event.idempotency_key:
        said.append(f"It carried the Idempotency-Key {event.idempotency_key}, so it was made at most once.")
    return tuple(said)


def _where(trace: Trace | None) -> tuple[str, ...]:
    if trace is None:
        return (UNTOLD,)
    own = trace.order[: len(trace.order) - len(trace.others)]
    more = [f"{name} of {alias}" for name, alias in zip(trace.order[len(own) :], trace.others, strict=False)]
    said = []
    if own:
        first, *rest = own
        said.append(
            f"By strategy {trace.strategy}: {', then '.join((f'{first} first', *rest))}."
            if rest
            else f"To {first}."
        )
    if more:
        said.append(f"If the model is not available: {', then '.join(more)}.")
    if trace.panic:
        said.append("All of them were resting after failures, so they were asked all the same.")
    said += [
        f"Had it been refused for {reason.replace('_', ' ')}: to {_and(names)}."
        for reason, names in trace.instead.items()
    ]
    said += [f"Not to {row.deployment}: {row.reason.rstrip('.')}." for row in trace.skipped]
    return tuple(said)


def _held(trace: Trace | None) -> tuple[str, ...]:
    if trace is None:
        return (UNTOLD,)
    said = _limits(trace.limits)
    if trace.requests is not None:
        said.append(
            f"Of {trace.requests[0]:,} requests a minute {trace.requests[1]:,} were left after this one."
        )
    if trace.tokens is not None:
        said.append(
            f"Of {trace.tokens[0]:,} tokens a minute {trace.tokens[1]:,} were left after it took its share."
        )
    how = "for its prompt as counted" if trace.counted else "for its prompt at a token a byte"
    said.append(f"{usd(trace.hold_nanousd)} USD was held, the most it could cost, {how}.")
    if trace.budget is not None:
        said.append(_budget(trace.budget))
    if trace.clamped:
        said.append(
            f"Its output was cut to {_many(trace.cap or 0, 'token')}: more did not fit into the budget."
        )
    elif trace.cap is not None:
        said.append(
            f"A cap of {_many(trace.cap, 'output token')} was sent along, so that the hold was enough."
        )
    return tuple(said)


def _limits(limits: Sequence[LimitSeen]) -> list[str]:
    if not limits:
        return ["No limit of rate bound it."]
    scopes: dict[str, list[str]] = {}
    for seen in limits:
        words = RULES.get(seen.rule, f"{seen.rule} {{:,}}").format(seen.limit)
        scopes.setdefault(_scope(seen.scope), []).append(words)
    return [f"The {scope} may make {_and(words)}." for scope, words in scopes.items()]


def _budget(budget: BudgetSeen) -> str:
    resets = _instant(datetime.fromtimestamp(budget.resets_at, UTC))
    return (
        f"The tightest budget was the {budget.schedule} one of the {_scope(budget.scope)}: "
        f"{usd(budget.limit_nanousd)} USD, of which {usd(budget.spent_nanousd)} were spent and "
        f"{usd(budget.held_nanousd)} held by running calls, this one included; it resets on {resets}."
    )


def _tried(event: UsageEvent, decision: Decision) -> tuple[str, ...]:
    if not decision.attempts:
        return (UNTOLD,)
    said = [f"{turn}. {_attempt(attempt)}" for turn, attempt in enumerate(decision.attempts, start=1)]
    tried = {attempt.deployment for attempt in decision.attempts}
    left = [name for name in decision.trace.order if name not in tried] if decision.trace is not None else []
    if left:
        said.append(f"Not tried: {_and(left)}.")
    if event.upstream_model != event.model:
        said.append(f"There the model is called {event.upstream_model}.")
    return tuple(said)


def _attempt(attempt: Attempt) -> str:
    who = f"{attempt.deployment} ({attempt.provider})"
    status = f" with HTTP {attempt.status}" if attempt.status is not None else ""
    if attempt.outcome == "ok":
        return f"{who} answered{status} after {milliseconds(attempt.ms)}."
    why = OUTCOMES.get(attempt.outcome, f"failed as {attempt.outcome}")
    return f"{who}: {why}{status} after {milliseconds(attempt.ms)}."


def _cost(event: UsageEvent, trace: Trace | None) -> tuple[str, ...]:
    if not event.receipt:
        return (
            "Nothing." if not event.cost_nanousd else f"{usd(event.cost_nanousd)} USD, without a receipt.",
        )
    said = [
        f"{line.quantity} {line.what} at {line.unit_usd} USD each: {line.amount_usd} USD ({line.price})."
        for line in receipt_lines(event)
    ]
    exact = sum((Decimal(line["amount_nanousd"]) for line in event.receipt), Decimal(0))
    rounded = ", rounded up once" if exact != exact.to_integral_value(ROUND_CEILING) else ""
    said.append(f"Together {usd(event.cost_nanousd)} USD{rounded}.")
    if event.estimated:
        said.append("The provider did not say what was used; the gateway counted it.")
    if trace is not None and event.cost_nanousd > trace.hold_nanousd:
        said.append(f"That is {usd(event.cost_nanousd - trace.hold_nanousd)} USD more than was held.")
    return tuple(said)


def _end(event: UsageEvent, place: str) -> tuple[str, ...]:
    code = f" ({event.error_code})" if event.error_code else ""
    words = ENDS.get(event.status, "It ended as " + event.status).format(status=event.http_status, code=code)
    first = (
        f"; the first bytes left {milliseconds(event.ttft_ms)} after it came in"
        if event.ttft_ms is not None
        else ""
    )
    own = f", {milliseconds(event.overhead_ms)} of them the gateway's own" if event.overhead_ms else ""
    said = [f"{words}, {milliseconds(event.latency_ms)} after it was admitted{own}{first}."]
    if place == "journal":
        said.append("It is in the journal and not in the ledger yet.")
    return tuple(said)


def _scope(scope: str) -> str:
    return scope.partition(":")[0]


def _price(price_id: int) -> str:
    return f"price row {price_id}" if price_id else "no price row"


def _many(number: int, noun: str) -> str:
    return f"{number:,} {noun}" + ("" if number == 1 else "s")


def _and(words: Iterable[str]) -> str:
    *most, last = words
    return f"{', '.join(most)} and {last}" if most else last


def milliseconds(milliseconds: float) -> str:
    return f"{milliseconds:,.1f} ms" if milliseconds < 10 else f"{milliseconds:,.0f} ms"  # noqa: PLR2004


def _instant(at: datetime) -> str:
    return at.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
