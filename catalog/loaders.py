"""Reads the whole catalog into a Snapshot. Blocking: three queries. An invalid row disables only itself."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import msgspec
from django.db.models import Q

from catalog.facts.of_rows import known_facts, permitted_modalities
from catalog.models import RATES, Price, UnknownMembers
from catalog.models import Deployment as DeploymentRow
from catalog.models import Model as ModelRow
from catalog.pricing.price_map import Known, lookup
from catalog.pricing.price_terms import NO_TERMS, Terms
from catalog.pricing.prices import ImageRate, PriceSheet, missing_price, missing_side
from catalog.prompt_limits import row_facts, widest, window_of
from catalog.routing.experiments import BadExperiment, experiment_of
from catalog.row_problems import of_alias
from catalog.snapshot import Capabilities, CatalogProblem, Deployment, Experiment, Model, Snapshot
from catalog.targets import InvalidDeployment, Source, target_of, with_same_account
from providers.media.image_tokens import stated_media_limits

__all__ = [
    "InvalidDeployment",
    "PriceMissing",
    "Source",
    "load_snapshot",
    "next_price_change",
    "problems_of",
]

Problems = list[CatalogProblem]


class PriceMissing(InvalidDeployment):
    """It could serve, but its cost is unknown, so no budget could be enforced. `missing`: the side without a price."""

    def __init__(self, why: str, missing: str) -> None:
        super().__init__(why)
        self.missing = missing


def load_snapshot(source: Source, version: int, now: datetime) -> Snapshot:
    """Return the catalog as it is in force at `now`."""
    prices = _prices(now)
    rows: dict[int, list[DeploymentRow]] = defaultdict(list)
    deployments = DeploymentRow.objects.filter(removed=False).select_related("credential")
    for row in deployments.order_by("priority", "pk"):
        rows[row.model_id].append(row)
    models: dict[str, Model] = {}
    problems: Problems = []
    disabled: set[str] = set()
    for model in ModelRow.objects.filter(removed=False).order_by("alias"):
        if model.enabled:
            problems += of_alias(model.alias, model.model_type, rows[model.pk])
            models[model.alias] = _model(source, model, rows[model.pk], prices, problems)
        else:
            disabled.add(model.alias)
    for alias, found in models.items():
        if found.fallbacks:
            models[alias] = _with_live_fallbacks(found, models, disabled, problems)
    models = with_same_account(models)
    return Snapshot(version=version, models=models, problems=tuple(problems), disabled=frozenset(disabled))


def problems_of(source: Source, model: ModelRow, now: datetime) -> Problems:
    """Return the problems of one alias if it were read now, as load_snapshot would find them."""
    rows = list(DeploymentRow.objects.filter(model=model, removed=False).select_related("credential"))
    problems = of_alias(model.alias, model.model_type, rows)
    _model(source, model, rows, _prices(now, [row.pk for row in rows]), problems)
    return problems


def next_price_change(now: datetime) -> datetime | None:
    """Return when a price row begins or ends next, so that the snapshot can be renewed then."""
    later = Price.objects.filter(active_from__gt=now)
    return later.order_by("active_from").values_list("active_from", flat=True).first()


def _model(
    source: Source,
    model: ModelRow,
    rows: list[DeploymentRow],
    prices: dict[int, Price],
    problems: Problems,
) -> Model:
    found: list[Deployment] = []
    most, missing, windows = model.max_output_tokens, list[str](), list[int | None]()
    disabled = tuple(row.name for row in rows if not row.enabled and not row.problem)
    for row in (each for each in rows if each.name not in disabled):
        known = lookup(row.provider, row.upstream_model)
        try:
            found.append(_deployment(source, model, row, prices.get(row.pk), known))
        except InvalidDeployment as reason:
            missing += [reason.missing] if isinstance(reason, PriceMissing) else []
            problems.append(CatalogProblem(model.alias, row.name, str(reason)))
        else:
            most = most or found[-1].target.facts.max_output_tokens
            windows.append(window_of(model, row, known))
    usable = tuple(deployment for deployment in found if not deployment.shadow_percent)
    return Model(
        alias=model.alias,
        model_type=model.model_type,
        strategy=model.strategy,
        context_window=widest(windows),
        max_output_tokens=most,
        owned_by=model.owned_by or (rows[0].provider if rows else "open-model-gateway"),
        created=int(model.created_at.timestamp()),
        deployments=usable,
        shadows=tuple(deployment for deployment in found if deployment.shadow_percent),
        sticky=str(model.metadata.get("sticky") or ""),
        fallbacks={str(reason): tuple(aliases) for reason, aliases in model.fallbacks.items()},
        experiment=_experiment(model, rows, problems),
        is_unpriced=not usable and bool(missing),
        missing_price=missing[0] if len(set(missing)) == 1 else "",
        disabled=disabled,
    )


def _with_live_fallbacks(
    model: Model, models: dict[str, Model], disabled: set[str], problems: Problems
) -> Model:
    """Leave out the fallbacks that do not exist (any more); the alias and its other fallbacks still serve."""
    live: dict[str, tuple[str, ...]] = {}
    for reason, aliases in model.fallbacks.items():
        wrong = {alias: _dead_end(model, alias, models, disabled) for alias in aliases}
        live[reason] = tuple(alias for alias in aliases if not wrong[alias])
        problems += [
            CatalogProblem(model.alias, "", f"Its fallback {alias} ({reason}) is left out: {why}.")
            for alias, why in wrong.items()
            if why
        ]
    return msgspec.structs.replace(
        model, fallbacks={reason: aliases for reason, aliases in live.items() if aliases}
    )


def _dead_end(model: Model, alias: str, models: dict[str, Model], disabled: set[str]) -> str:
    other = models.get(alias)
    if other is None:
        return "it is disabled" if alias in disabled else "there is no such model"
    if alias == model.alias:
        return "it is the model itself"
    return "" if other.model_type == model.model_type else f"it is of type {other.model_type}"


def _deployment(
    source: Source, model: ModelRow, row: DeploymentRow, price: Price | None, known: Known | None
) -> Deployment:
    target = target_of(source, model, row, known)
    sheet = _sheet(price, known.sheet if known is not None else None)
    known_of_it = sheet or PriceSheet()
    why = missing_price(known_of_it, model.model_type)
    if sheet is None or why:
        raise PriceMissing(why, missing_side(known_of_it, model.model_type))
    return Deployment(
        target=target,
        priority=row.priority,
        weight=row.weight,
        shadow_percent=row.shadow_percent,
        sheet=sheet,
        capabilities=_capabilities(model, row, known),
        media_limits=stated_media_limits(row.provider, row.upstream_model, row.facts),
    )


def _experiment(model: ModelRow, rows: list[DeploymentRow], problems: Problems) -> Experiment | None:
    """An experiment that cannot be read splits no callers; the alias still serves."""
    try:
        found = experiment_of(model.metadata.get("experiment"))
        unknown = (
            {name for name, _ in found.arms} - {row.name for row in rows} if found is not None else set()
        )
        if unknown:
            raise BadExperiment(
                f"The experiment names deployments that do not exist: {', '.join(sorted(unknown))}."
            )
    except BadExperiment as error:
        problems.append(CatalogProblem(model.alias, "", str(error)))
        return None
    else:
        return found


def _capabilities(model: ModelRow, row: DeploymentRow, known: Known | None) -> Capabilities:
    """Return what the row states, else what its alias states, else what is known of its model.

    An administrator's values at the alias go first.
    """
    stated, facts = row.capabilities, known_facts(row_facts(model, row, known))
    modalities = stated.get("modalities") or model.modalities
    return Capabilities(
        modalities=frozenset(modalities) if modalities else permitted_modalities(facts),
        tools=bool(stated.get("tools", model.supports_tools and facts.get("tools", True))),
        json_schema=bool(stated.get("json_schema", facts.get("json_schema") != "none")),
        unknown_members=row.unknown_members == UnknownMembers.TAKE,
        refused_members=frozenset(row.refused_members),
        context_window=None if model.edited and not row.edited else facts.get("context_window"),
    )


def _prices(now: datetime, deployments: list[int] | None = None) -> dict[int, Price]:
    of_these = Q() if deployments is None else Q(deployment__in=deployments)
    in_force = Price.objects.filter(of_these, Q(active_to=None) | Q(active_to__gt=now), active_from__lte=now)
    return {price.deployment_id: price for price in in_force.order_by("active_from")}


def _sheet(price: Price | None, known: PriceSheet | None) -> PriceSheet | None:
    """The catalog's price goes first; the vendored map is used only for a deployment without one."""
    if price is None:
        return known
    rates = {rate: getattr(price, rate) for rate in RATES}
    images = tuple(ImageRate(*image) for image in price.images)
    terms = msgspec.convert(price.terms, Terms) if price.terms else NO_TERMS
    return PriceSheet(id=price.pk, source=price.source, free=price.free, images=images, terms=terms, **rates)
