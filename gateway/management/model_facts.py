"""Compares what is known of an alias's models with what their vendors say now; `manage.py catalog facts` prints it."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from typing import Any, Final

import msgspec
from django.conf import settings

from catalog.facts.names import without_place
from catalog.facts.of_rows import facts_of_row, wrong_facts
from catalog.loaders import InvalidDeployment, Source
from catalog.models import Deployment, Model
from catalog.pricing.price_map import lookup
from catalog.prompt_limits import row_facts
from catalog.services import store_found_facts
from catalog.targets import target_of
from providers.model_pages.asking import Answer, ask
from providers.target import Target
from providers.transport.client import Transport
from tenants.audit import Actor

TIMEOUT_S: Final = 10.0
AT_ONCE: Final = 8
_HEAD: Final = ("Deployment", "Fact", "Stored", "Its vendor says")
_NONE: Final = "-"
_OWN: Final = " (the row's own goes first)"


class Difference(msgspec.Struct, frozen=True):
    """One fact that its vendor states otherwise. `is_own`: the row states it, which goes first whatever is stored."""

    deployment: str
    fact: str
    stored: Any
    stated: Any
    is_own: bool


class Compared(msgspec.Struct, frozen=True):
    """One deployment: what its vendor stated of its model, and where that differs from what is known."""

    id: int
    name: str
    answer: Answer
    found: dict[str, Any]  # what is stored of earlier answers, under this one
    differences: tuple[Difference, ...] = ()


def deployments_of(alias: str) -> list[Deployment]:
    """Return the deployments of an alias, in order. Raises Model.DoesNotExist. Blocking."""
    model = Model.objects.get(alias=alias, removed=False)
    rows = Deployment.objects.filter(model=model, removed=False).select_related("credential", "model")
    return list(rows.order_by("priority", "pk"))


def compare(rows: Sequence[Deployment]) -> list[Compared]:
    """Ask the vendor of each deployment. Blocking."""
    source = Source(settings.GATEWAY, settings.SECRETS.encryption_key)
    targets: list[Target | str] = []
    for row in rows:
        try:
            targets.append(target_of(source, row.model, row, lookup(row.provider, row.upstream_model)))
        except InvalidDeployment as error:
            targets.append(str(error))
    answers = asyncio.run(_ask_all(targets))
    return [_compared(row, answer) for row, answer in zip(rows, answers, strict=True)]


def store(compared: Sequence[Compared], *, actor: Actor) -> int:
    """Store what the vendors state; return at how many deployments that is new. Blocking."""
    answered = [each for each in compared if each.answer.facts]
    return sum(store_found_facts(each.id, each.found, actor=actor) for each in answered)


def table(compared: Sequence[Compared]) -> list[str]:
    """Return the differences as lines of a table; nothing where there are none."""
    rows = [
        (each.deployment, each.fact, _text(each.stored), f"{_text(each.stated)}{_OWN * each.is_own}")
        for one in compared
        for each in one.differences
    ]
    if not rows:
        return []
    widths = [max(len(row[column]) for row in (_HEAD, *rows)) for column in range(len(_HEAD))]
    return [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in (_HEAD, *rows)
    ]


async def _ask_all(targets: Sequence[Target | str]) -> list[Answer]:
    transport = Transport(egress_allow=settings.GATEWAY.server.egress_allow)
    await transport.open()
    turn = asyncio.Semaphore(AT_ONCE)

    async def one(target: Target | str) -> Answer:
        if isinstance(target, str):
            return Answer(error=target)
        async with turn:
            return await ask(transport, target, _page_name(target), TIMEOUT_S)

    try:
        return list(await asyncio.gather(*(one(target) for target in targets)))
    finally:
        await transport.aclose()


def _page_name(target: Target) -> str:
    """Return the model's name on its vendor's pages: Bedrock's have no place."""
    return without_place(target.upstream_model) if target.provider == "bedrock" else target.upstream_model


def _compared(row: Deployment, answer: Answer) -> Compared:
    if wrong_facts(answer.facts):  # a reader makes none; whatever it is, it is not stored
        answer = Answer(error="its answer cannot be used")
    known = facts_of_row(row_facts(row.model, row, lookup(row.provider, row.upstream_model)))
    differences = tuple(
        Difference(row.name, fact, getattr(known, fact), stated, fact in row.facts)
        for fact, stated in sorted(answer.facts.items())
        if _comparable(getattr(known, fact)) != _comparable(stated)
    )
    return Compared(row.pk, row.name, answer, {**row.found_facts, **answer.facts}, differences)


def _comparable(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


def _text(value: Any) -> str:
    if value is None or value == "":
        return _NONE
    if isinstance(value, list | tuple):
        return ", ".join(str(each) for each in value) or _NONE
    if isinstance(value, bool):
        return "yes" if value else "no"
    return f"{value:,}" if isinstance(value, int) else str(value)
