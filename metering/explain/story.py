"""Explains a call in sentences, from its ledger row: caller, request, route, hold, attempts, cost. Pure."""

from __future__ import annotations

from datetime import UTC, datetime
from decimal import ROUND_CEILING, Decimal
from typing import TYPE_CHECKING, Literal, NamedTuple

from budgets.admission.budget_windows import is_rolling
from budgets.schedule_labels import named
from gateway.values.money import usd, usd_exact
from gateway.values.quantities import many
from metering.decision import read
from metering.explain.refusal_reasons import reasons
from metering.explain.routing_text import attempt_sentences, candidates
from metering.explain.text import NOT_RECORDED, instant, listed, milliseconds, price_row

if TYPE_CHECKING:
    from collections.abc import Sequence

    from metering.decision import BudgetSeen, Decision, DecisionTrace, LimitSeen
    from metering.models import UsageEvent

BY_BYTES = "for its prompt at a token a byte or, for what has no bound of its own, the context window"
RULES = {
    "parallel": "{:,} at a time",
    "requests": "{:,} requests a minute",
    "tokens": "{:,} tokens a minute",
}
QUANTITIES = {
    "input": "input tokens",
    "cached_input": "input tokens read from the provider's cache",
    "cache_write": "input tokens written to the provider's cache",
    "cache_write_1h": "input tokens kept in the provider's cache for an hour or longer",
    "tool_call": "calls of a tool",
    "settled": "as settled",
    "lost_try": "tries whose outcome is not known, by their prompt",
    "beyond_hold": "reported beyond what was held, which is not charged",
    "audio_input": "input tokens of audio",
    "output": "output tokens",
    "reasoning": "reasoning tokens",
    "audio_output": "output tokens of audio",
    "image_input": "input tokens of pictures",
    "image_output": "output tokens of pictures",
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


SHADOW = "shadow:"


class Section(NamedTuple):
    """A heading and the sentences under it."""

    title: str
    sentences: tuple[str, ...]


class Sentence(NamedTuple):
    """A line of the receipt, in words; amounts are exact decimal strings of USD."""

    what: str
    quantity: str
    unit_usd: str
    amount_usd: str
    price: str


def explain(
    event: UsageEvent, source: Literal["ledger", "journal", "running", "void"] = "ledger"
) -> list[Section]:
    """Return the explanation of a call, in the order of its events."""
    decision = read(event.decision)
    parts = [
        Section("Who called", _caller(event)),
        Section("What was asked", _request(event, decision.trace)),
        Section("Where it could go", candidates(event.model, decision.trace)),
        Section("What was allowed and held", held(decision.trace)),
    ]
    if source == "running":
        return [
            *parts[:2],
            Section(
                "How it ended", ("It has not ended: a process is serving it, or was killed while it did.",)
            ),
        ]
    if source == "void":
        words = "It never reached a provider, so it cost nothing and is not in the ledger."
        return [*parts[:2], Section("How it ended", (words,))]
    return [
        *parts,
        Section("What was tried", attempt_sentences(event.model, decision, event.upstream_model)),
        Section(
            "What it cost",
            (
                *_cost(event, decision.trace),
                *_disputed(decision.disputed_nanousd),
                *_unsettled(event, decision),
            ),
        ),
        *([Section("Why it failed", tuple(reasons(event.error_code, {})))] if event.error_code else []),
        Section("How it ended", _end(event, source)),
    ]


def receipt_lines(event: UsageEvent) -> list[Sentence]:
    """Return the receipt line by line."""
    return [
        Sentence(
            " ".join(
                word for word in (QUANTITIES.get(line["kind"], line["kind"]), line.get("note", "")) if word
            ),
            f"{line['quantity']:,}",
            usd_exact(line["unit_price_nanousd"]),
            usd_exact(line["amount_nanousd"]),
            price_row(line.get("price_id", 0)),
        )
        for line in event.receipt
    ]


def _caller(event: UsageEvent) -> tuple[str, ...]:
    if event.endpoint.startswith(SHADOW):
        copied = event.client_request_id
        return (
            f"The operator: it is call {copied} once more, for a deployment on trial. Its answer was not used.",
        )
    named = f" The client called it {event.client_request_id}." if event.client_request_id else ""
    traced = f" Its trace is {event.trace_id}." if event.trace_id else ""
    return (f"Key {event.api_key_prefix} of tenant {event.tenant}.{named}{traced}",)


def _request(event: UsageEvent, trace: DecisionTrace | None) -> tuple[str, ...]:
    how = "as a stream" if event.stream else "as one answer"
    sentences = [f"The model {event.model} at {event.endpoint}, {how}, on {instant(event.started_at)}."]
    prompt = trace.prompt if trace is not None else 0
    if prompt:
        sentences.append(f"Its prompt was taken for {many(prompt, 'token')} when it came in.")
    if event.idempotency_key:
        sentences.append(
            f"It carried the Idempotency-Key {event.idempotency_key}, so it was made at most once."
        )
    return tuple(sentences)


def held(trace: DecisionTrace | None) -> tuple[str, ...]:
    if trace is None:
        return (NOT_RECORDED,)
    sentences = _limits(trace.limits)
    if trace.requests is not None:
        sentences.append(
            f"Of {trace.requests[0]:,} requests a minute {trace.requests[1]:,} were left after this one."
        )
    if trace.tokens is not None:
        sentences.append(
            f"Of {trace.tokens[0]:,} tokens a minute {trace.tokens[1]:,} were left after it took its share."
        )
    how = "for its prompt as counted or measured" if trace.counted else BY_BYTES
    if trace.counted_by_provider:
        how = "for its prompt as the provider counted it"
    sentences.append(f"{usd(trace.hold_nanousd)} USD was held, the most it could cost, {how}.")
    if trace.budget is not None:
        sentences.append(_budget(trace.budget))
    if trace.clamped:
        sentences.append(
            f"Its output was cut to {many(trace.cap or 0, 'token')}: more did not fit into the budget."
        )
    elif trace.cap is not None:
        sentences.append(
            f"A cap of {many(trace.cap, 'output token')} was sent along, so that the hold was enough."
        )
    return tuple(sentences)


def _limits(limits: Sequence[LimitSeen]) -> list[str]:
    if not limits:
        return ["No limit of rate bound it."]
    scopes: dict[str, list[str]] = {}
    for seen in limits:
        words = RULES.get(seen.rule, f"{seen.rule} {{:,}}").format(seen.limit)
        scopes.setdefault(_scope(seen.scope), []).append(words)
    return [f"The {scope} may make {listed(words)}." for scope, words in scopes.items()]


def _budget(budget: BudgetSeen) -> str:
    resets = instant(datetime.fromtimestamp(budget.resets_at, UTC))
    comes_back = "money comes back" if is_rolling(budget.schedule) else "it resets"
    unknown = budget.unsettled_nanousd
    unsettled = f", {usd(unknown)} unsettled" if unknown else ""
    return (
        f"The tightest budget was the {named(budget.schedule)} of the {_scope(budget.scope)}: "
        f"{usd(budget.limit_nanousd)} USD, of which {usd(budget.spent_nanousd)} were spent{unsettled} and "
        f"{usd(budget.held_nanousd)} held by running calls, this one included; {comes_back} on {resets}."
    )


def _cost(event: UsageEvent, trace: DecisionTrace | None) -> tuple[str, ...]:
    if not event.receipt:
        return (
            "Nothing." if not event.cost_nanousd else f"{usd(event.cost_nanousd)} USD, without a receipt.",
        )
    sentences = [
        f"{line.quantity} {line.what} at {line.unit_usd} USD each: {line.amount_usd} USD ({line.price})."
        for line in receipt_lines(event)
    ]
    exact = sum((Decimal(line["amount_nanousd"]) for line in event.receipt), Decimal(0))
    rounded = ", rounded up once" if exact != exact.to_integral_value(ROUND_CEILING) else ""
    sentences.append(f"Together {usd(event.cost_nanousd)} USD{rounded}.")
    if event.estimated:
        sentences.append("The provider did not say what was used; the gateway counted it.")
    if trace is not None and event.cost_nanousd > trace.hold_nanousd:
        sentences.append(f"That is {usd(event.cost_nanousd - trace.hold_nanousd)} USD more than was held.")
    return tuple(sentences)


def _disputed(nanousd: int) -> tuple[str, ...]:
    if not nanousd:
        return ()
    return (f"The provider reported {usd(nanousd)} USD more than it was allowed to: that is the operator's.",)


def _unsettled(event: UsageEvent, decision: Decision) -> tuple[str, ...]:
    """Return what is not known of the call, or how it became known."""
    if event.unsettled_nanousd:
        more = usd(event.unsettled_nanousd)
        return (f"Up to {more} USD more may have been used: that is unsettled, and budgets count it.",)
    settled = decision.settled
    if settled is None:
        return ()
    before = f"{usd(settled.cost_nanousd)} USD, with {usd(settled.unsettled_nanousd)} USD unsettled"
    return (f"It was settled {settled.how} by {settled.by} at {settled.at}; before it was {before}.",)


def _end(event: UsageEvent, source: str) -> tuple[str, ...]:
    code = f" ({event.error_code})" if event.error_code else ""
    words = ENDS.get(event.status, "It ended as " + event.status).format(status=event.http_status, code=code)
    first = f"; the first bytes left after {milliseconds(event.ttft_ms)}" if event.ttft_ms is not None else ""
    own = f", {milliseconds(event.overhead_ms)} of them the gateway's own" if event.overhead_ms else ""
    sentences = [f"{words}, {milliseconds(event.latency_ms)} after it came in{own}{first}."]
    if event.status == "incomplete" and event.error_code.startswith("upstream"):
        sentences.append(
            "A part of the answer had left by then, so no other provider could be asked; what had left is billed."
        )
    if source == "journal":
        sentences.append("It is in the journal and not in the ledger yet.")
    return tuple(sentences)


def _scope(scope: str) -> str:
    return scope.partition(":")[0]
