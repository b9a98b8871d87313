"""manage.py settle REQUEST_ID: settle a call whose usage was not reported. Runs beside serving gateways."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import msgspec
from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser
from typing_extensions import override

from gateway.management.confirmation import confirmed
from gateway.management.database_errors import database_errors_as_text
from gateway.management.money_arguments import nanousd_of
from gateway.values.money import usd
from metering.ledger.lookup import find
from metering.models import LoggedRequest
from metering.settlement.late_settlement import ByCost, ByUsage, Known, NoPrice, Outcome, UnknownCall, settle
from providers.reported_usage.reading import UsageJson, usage_of
from tenants.audit import at_the_shell


class Command(BaseCommand):
    help = "Make an unsettled call exact: by the usage that its provider reports, or by what it billed."

    @override
    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("request_id", help="the X-Request-ID of the answer")
        known = parser.add_mutually_exclusive_group(required=True)
        known.add_argument(
            "--usage", help="the provider's usage object as JSON, priced as the call would have been"
        )
        known.add_argument("--cost-usd", help="what the provider billed for the call, in USD")
        parser.add_argument("--yes", action="store_true", help="do not ask")

    @override
    def handle(self, *args: Any, **options: Any) -> None:
        request_id = options["request_id"].strip()
        known = _by_usage(options["usage"]) if options["usage"] is not None else _by_cost(options["cost_usd"])
        text = options["usage"] if options["usage"] is not None else f"{options['cost_usd']} USD"
        if not (options["yes"] or confirmed(f"Settle {request_id} for good by {text}?")):
            raise CommandError("Nothing was changed.", returncode=1)
        with database_errors_as_text():
            outcome = _settled(request_id, known)
        if outcome.was_exact:
            raise CommandError(
                f"{request_id} is exact already: {usd(outcome.cost_nanousd)} USD. Nothing was changed.",
                returncode=1,
            )
        self.stdout.write(_sentence(request_id, outcome))


def _settled(request_id: str, known: Known) -> Outcome:
    try:
        return settle(request_id, known, at_the_shell(), datetime.now(UTC))
    except UnknownCall:
        raise CommandError(_why_not(request_id), returncode=1) from None
    except NoPrice:
        raise CommandError(
            "The price of this call was not kept. Hint: say what it cost, with --cost-usd.", returncode=1
        ) from None


def _by_usage(text: str) -> Known:
    try:
        usage = usage_of(msgspec.json.decode(text, type=UsageJson))
    except msgspec.DecodeError as error:
        raise CommandError(f"--usage is not a usage object: {error}", returncode=2) from None
    if usage is None:
        raise CommandError(
            'There is nothing to price in it. Hint: {"prompt_tokens": 12, "completion_tokens": 34}',
            returncode=2,
        )
    return ByUsage(usage)


def _by_cost(text: str) -> Known:
    nanousd = nanousd_of(text)
    if nanousd is None:
        raise CommandError(
            f"{text!r} is not an amount in whole nano-USD from 0 up. Hint: 0.0125", returncode=2
        )
    return ByCost(nanousd)


def _why_not(request_id: str) -> str:
    found = find(request_id, settings.DATA_DIR / "journal")
    if isinstance(found, LoggedRequest):
        return f"{request_id} never reached a provider: there is nothing to settle."
    if found is None:
        return f"No call {request_id} is known. The id is the answer's X-Request-ID."
    if found.source == "running":
        return f"{request_id} has not ended yet."
    if found.source == "void":
        return f"{request_id} never reached a provider: there is nothing to settle."
    return f"{request_id} is not in the ledger yet. Try again in a moment."


def _sentence(request_id: str, outcome: Outcome) -> str:
    text = (
        f"{request_id} cost {usd(outcome.cost_nanousd)} USD; {usd(outcome.freed_nanousd)} USD are free again."
    )
    if outcome.disputed_nanousd:
        text += f" {usd(outcome.disputed_nanousd)} USD more than could be charged are the operator's."
    return text
