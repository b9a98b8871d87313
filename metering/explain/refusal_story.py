"""Explains a call of the request log in sentences: its caller, its request, what refused it or which attempts failed,
and how it ended. Pure.
"""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING, Any

from budgets.schedule_labels import named
from gateway.values.money import usd
from gateway.values.quantities import many
from metering.decision import read
from metering.explain.refusal_reasons import passed_over, reasons
from metering.explain.routing_text import attempt_sentences, candidates
from metering.explain.story import RULES, Section, held
from metering.explain.text import instant, listed, milliseconds

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from metering.models import LoggedRequest

NO_BILL = "It never reached a provider, so it cost nothing and is not in the ledger."
CAPACITY = {
    "full": "The process that took it was serving as many calls as it can.",
    "tenant_share": "The process that took it was nearly full, and this tenant had its share of it.",
    "batch": "The process that took it was busy, and calls of this key's priority are refused first.",
}
OF_CAUSES = {
    "reference": "The size of {names} is not known, so the model's whole context window{tokens} was reckoned.",
    "document": "The size of {names} was not measured, so the model's whole context window{tokens} was reckoned.",
    "unknown_member": "What {names} costs is not known here, so the model's whole context window{tokens} was reckoned.",
    "feature": "The provider itself uses {names}, so the model's whole context window{tokens} was reckoned.",
    "picture": "The size of {number} of its pictures is not known, so each was reckoned as the largest there is.",
    "no_output_cap": "It stated no limit of its output, so{tokens} were reckoned: a call that states "
    "max_completion_tokens needs less.",
    "choices": "It asked for {number} answers, and each was reckoned.",
    "prediction": "What it predicts of the output was reckoned too:{tokens}.",
    "service_tier": "It asked for the service tier {names}, at the price of that.",
    "prompt_bytes": "Its prompt was reckoned by its bytes:{tokens}, because it could not be counted.",
}


def explain_refusal(row: LoggedRequest) -> list[Section]:
    """Return the explanation of a call that has no row in the ledger."""
    decision = read(row.decision)
    parts = [Section("Who called", _caller(row)), Section("What was asked", _request(row))]
    if decision.trace is not None:
        parts += [
            Section("Where it could go", candidates(row.model, decision.trace)),
            Section("What was allowed and held", held(decision.trace)),
        ]
    if why := _reasons(row.error_code, row.figures):
        parts.append(Section("Why it was refused" if row.error_code else "Why no provider was called", why))
    if decision.attempts:
        parts.append(Section("What was tried", attempt_sentences(row.model, decision)))
    return [*parts, Section("How it ended", _end(row))]


def in_short(row: LoggedRequest) -> str:
    """Return what refused a call in a few words, for a list; "" where its code is enough."""
    limit, budget = row.figures.get("limit"), row.figures.get("budget")
    if limit:
        return f"{_rule(limit)} of the {limit['scope']}, {limit['remaining']:,} left"
    if budget:
        return (
            f"{named(budget['schedule'])} of the {budget['scope']}: {budget['limit_usd']} USD, needed "
            f"{budget['needed_usd']}"
        )
    last = next((each for each in reversed(row.decision) if "outcome" in each), None)
    if last:
        return f"{last['deployment']}: {last.get('reason') or last['outcome']}"
    return " ".join(passed_over(row.figures))


def _caller(row: LoggedRequest) -> tuple[str, ...]:
    origin = f" It came from {row.client}." if row.client else ""
    named = f" The client called it {row.client_request_id}." if row.client_request_id else ""
    if row.tenant_id:
        stale = (
            " The key is known, and is not in force any more." if row.error_code == "invalid_api_key" else ""
        )
        caller = f"Key {row.api_key_prefix} of tenant {row.tenant}.{stale}"
    elif row.api_key_prefix:
        caller = f"An unknown caller: the prefix of the key was {row.api_key_prefix}."
    else:
        caller = "An unknown caller: the request had no key, or something that cannot be one."
    return (f"{caller}{origin}{named}",)


def _request(row: LoggedRequest) -> tuple[str, ...]:
    model = f" The model {row.model}" if row.model else ""
    how = f"{model}, as a stream." if model and row.stream else f"{model}." if model else ""
    return (f"{row.method} {row.path} on {instant(row.at)}.{how}",)


def _reasons(code: str, figures: Mapping[str, Any]) -> tuple[str, ...]:
    is_described = any(name in figures for name in ("limit", "budget", "capacity"))  # described exactly below
    sentences = [] if is_described else [each for each in reasons(code, figures) if each]
    if limit := figures.get("limit"):
        sentences += _limit(limit)
    if budget := figures.get("budget"):
        sentences.append(_budget(budget))
    sentences += [_cause(cause) for cause in figures.get("enlarged_by", ())]
    if capacity := figures.get("capacity"):
        reason = capacity["reason"]
        sentences.append(CAPACITY.get(reason, f"The process that took it had no room ({reason})."))
    if replay := figures.get("replay"):
        sentences.append(
            f"It repeated call {replay['original']} with its Idempotency-Key, and was given the same answer again."
        )
    return tuple(sentences)


def _rule(limit: Mapping[str, Any]) -> str:
    return RULES.get(limit["rule"], f"{limit['rule']} {{:,}}").format(limit["limit"])


def _limit(limit: Mapping[str, Any]) -> Iterable[str]:
    yield f"The {limit['scope']} may make {_rule(limit)}; {limit['remaining']:,} were left."
    if limit["resets_in_ms"]:
        yield f"There was room again {milliseconds(limit['resets_in_ms'])} later, unless others took it."


def _budget(budget: Mapping[str, Any]) -> str:
    unknown = budget.get("unsettled_nanousd", 0)
    unsettled = f", {usd(unknown)} unsettled" if unknown else ""
    resets = instant(datetime.fromisoformat(budget["resets_at"]))
    return (
        f"It could have cost up to {usd(budget['needed_nanousd'])} USD. The {named(budget['schedule'])} of the "
        f"{budget['scope']} is {usd(budget['limit_nanousd'])} USD, of which {usd(budget['spent_nanousd'])} were spent"
        f"{unsettled} and {usd(budget['held_nanousd'])} held by running calls; {usd(budget['resets_nanousd'])} come "
        f"back on {resets}."
    )


def _cause(cause: Mapping[str, Any]) -> str:
    words = OF_CAUSES.get(cause["what"], "It asked for {names}.")
    names, tokens = cause.get("names", ()), cause.get("tokens")
    how_many = "" if tokens is None else f" {many(tokens, 'token')}"
    if cause["what"] in ("reference", "document", "unknown_member", "feature") and tokens is not None:
        how_many = f" of{how_many}"
    return words.format(names=listed(names) if names else "", tokens=how_many, number=tokens)


def _end(row: LoggedRequest) -> tuple[str, ...]:
    code = f" ({row.error_code})" if row.error_code else ""
    sentences = [
        f"The client got HTTP {row.http_status}{code}, {milliseconds(row.latency_ms)} after it came in."
    ]
    if row.message:
        sentences.append(f"Its message: {row.message}")
    sentences.append(NO_BILL)
    if row.alike:
        until = f" until {instant(row.until)}" if row.until is not None else ""
        sentences.append(f"{many(row.alike, 'more call')} like it came in{until}; they were only counted.")
    return tuple(sentences)
