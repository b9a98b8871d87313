"""The route of a call in sentences: its candidates, its attempts, and why another model answered. Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from gateway.values.money import usd
from metering.explain.text import NOT_RECORDED, listed, milliseconds, price_row

if TYPE_CHECKING:
    from collections.abc import Iterable

    from metering.decision import Decision, DecisionTrace
    from providers.upstream import Attempt

OUTCOMES = {
    "cancelled": "the call was stopped while it waited",
    "upstream_refused": "refused the call",
}
REFUSALS = {
    "context_window": "its prompt was too long for {model}",
    "content_filter": "the provider's filter refused its prompt",
}


def candidates(model: str, trace: DecisionTrace | None) -> tuple[str, ...]:
    """Return the candidates of a call for this model, in order, and the others with the reason."""
    if trace is None:
        return (NOT_RECORDED,)
    own, more = _order(trace)
    sentences = []
    if trace.arm:
        sentences.append(f"Its caller is in the arm {trace.arm} of the model's experiment.")
    if trace.pinned:
        sentences.append(f"Pinned by {trace.pinned}: the provider's account that made it is asked first.")
    if own:
        first, *rest = own
        sentences.append(
            f"By strategy {trace.strategy.replace('_', ' ')}: {', then '.join((f'{first} first', *rest))}."
            if rest
            else f"To {first}."
        )
    if more and own:
        sentences.append(f"If the model is not available: {', then '.join(more)}.")
    elif more:
        why = REFUSALS.get(trace.reason, "no deployment of {model} was available").format(model=model)
        sentences.append(f"To another model, because {why}: {', then '.join(more)}.")
    resting = set[str]()
    if trace.panic:
        resting = {*own, *more}
        sentences += _resting(trace, resting)
    sentences += [
        f"Had it been refused for {reason.replace('_', ' ')}: to {listed(names)}."
        for reason, names in trace.instead.items()
    ]
    sentences += [
        f"Not to {row.deployment}: {row.reason.rstrip('.')}." if row.deployment else row.reason
        for row in trace.skipped
        if row.deployment not in resting
    ]
    if trace.price_ids:
        rows = listed(price_row(each) for each in trace.price_ids)
        sentences.append(f"By {rows}, in that order." if len(trace.price_ids) > 1 else f"By {rows}.")
    return tuple(sentences)


def _resting(trace: DecisionTrace, names: set[str]) -> list[str]:
    """Return that the candidates were tried although they rested, and the failure behind each rest."""
    was, subject = ("It was", "it") if len(names) == 1 else ("All of them were", "they")
    why = [
        f"Why {row.deployment} was resting: {row.reason.rstrip('.')}."
        for row in trace.skipped
        if row.deployment in names
    ]
    return [
        f"{was} resting after failures and nothing else was left, so {subject} could be asked all the same.",
        *why,
    ]


def attempt_sentences(model: str, decision: Decision, upstream_model: str = "") -> tuple[str, ...]:
    """Return what was tried, with which outcome, and what was not tried."""
    if not decision.attempts:
        return (NOT_RECORDED,)
    sentences = [f"{number}. {_try(attempt)}" for number, attempt in enumerate(decision.attempts, start=1)]
    last = decision.attempts[-1]
    if last.alias and last.outcome == "ok":
        sentences.append(f"So the model {last.alias} answered, because {_why_another(model, decision)}.")
    tried = {_named(attempt) for attempt in decision.attempts}
    order = [name for names in _order(decision.trace) for name in names] if decision.trace is not None else []
    if left := [name for name in order if name not in tried]:
        sentences.append(f"Not tried: {listed(left)}.")
    if upstream_model not in ("", model):
        sentences.append(f"There the model is called {upstream_model}.")
    return tuple(sentences)


def in_short(attempts: Iterable[Attempt], requested: str) -> list[str]:
    """Return each attempt in a few words, for a line of the log: the deployment, the outcome, and why."""
    return [_short(attempt, requested) for attempt in attempts]


def _short(attempt: Attempt, requested: str) -> str:
    other = f" of {attempt.alias}" if attempt.alias not in ("", requested) else ""
    status = f" {attempt.status}" if attempt.status is not None else ""
    kind = f" {attempt.kind}" if attempt.kind else ""
    why = f", {attempt.reason}" if attempt.reason else ""
    return f"{attempt.deployment}{other} ({attempt.provider}): {attempt.outcome}{kind}{status}{why}"


def _order(trace: DecisionTrace) -> tuple[list[str], list[str]]:
    """Return the names of the model's own candidates, and those of other models."""
    own = list(trace.order[: len(trace.order) - len(trace.others)])
    more = zip(trace.order[len(own) :], trace.others, strict=True)
    return own, [f"{name} of {alias}" for name, alias in more]


def _why_another(model: str, decision: Decision) -> str:
    """Return why a fallback answered: what a provider refused, or what was found before any call to one."""
    trace, before = decision.trace, decision.attempts[:-1]
    reason = trace.reason if trace is not None else ""
    if trace is not None and before and before[-1].outcome == "upstream_refused":
        here = _named(decision.attempts[-1])
        reason = next((each for each, names in trace.instead.items() if here in names), reason)
    return REFUSALS.get(reason, "no deployment of {model} could").format(model=model)


def _named(attempt: Attempt) -> str:
    return f"{attempt.deployment} of {attempt.alias}" if attempt.alias else attempt.deployment


def _try(attempt: Attempt) -> str:
    subject = f"{_named(attempt)} ({attempt.provider})"
    status = f" with HTTP {attempt.status}" if attempt.status is not None else ""
    if attempt.outcome == "ok":
        return f"{subject} answered{status} after {milliseconds(attempt.ms)}."
    why = OUTCOMES.get(attempt.outcome, f"failed as {attempt.outcome}")
    kind = f" ({attempt.kind})" if attempt.kind else ""
    words = attempt.reason.removeprefix(f"status {attempt.status}: ").rstrip(".")  # status is stated before
    reason = f" Reason: {words}." if words else ""
    return f"{subject}: {why}{kind}{status} after {milliseconds(attempt.ms)}.{reason}{_cost(attempt)}"


def _cost(attempt: Attempt) -> str:
    """Return the cost of an attempt that did not answer."""
    usage = attempt.usage
    if usage is None or not attempt.cost_nanousd:
        return ""
    how = "It may bill the prompt, so that is estimated" if usage.estimated else "It said what it used"
    return f" {how}: {usd(attempt.cost_nanousd)} USD."
