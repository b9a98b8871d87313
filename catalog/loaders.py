"""Reads the whole catalog into a Snapshot. Blocking: three queries. An invalid row disables only itself."""

from __future__ import annotations

from collections import defaultdict
from datetime import datetime

import msgspec
from django.db.models import Q

from catalog.models import RATES, ManagedBy, Price, UnknownMembers
from catalog.models import Deployment as DeploymentRow
from catalog.models import Model as ModelRow
from catalog.pricing.price_map import Known, lookup
from catalog.pricing.price_terms import NO_TERMS, Terms
from catalog.pricing.prices import ImageRate, PriceSheet, missing_price, missing_side
from catalog.prompt_limits import widest, window_of
from catalog.routing.experiments import BadExperiment, experiment_of
from catalog.row_problems import of_alias, of_provider, of_target
from catalog.secrets.encryption import CredentialUnreadable, key_id
from catalog.secrets.sealing import API_KEY, Seal, destination, open_metadata
from catalog.snapshot import Capabilities, CatalogProblem, Deployment, Experiment, Model, Snapshot
from gateway.config import Config
from gateway.config.normalization import bare
from providers.media.image_tokens import stated_media_limits
from providers.registry import default_base_url, default_secret, family_of, wire_model
from providers.target import Secret, Target, Timeouts

Problems = list[CatalogProblem]


class InvalidDeployment(Exception):
    """Why a deployment cannot serve; the text is for administrators."""


class PriceMissing(InvalidDeployment):
    """It could serve, but its cost is unknown, so no budget could be enforced. `missing`: the side without a price."""

    def __init__(self, why: str, missing: str) -> None:
        super().__init__(why)
        self.missing = missing


class Source(msgspec.Struct, frozen=True):
    """What a snapshot is built from, besides the rows."""

    config: Config
    encryption_key: bytes
    simulator_url: str = ""
    trusted_endpoints: frozenset[str] = frozenset()  # those that the operator wrote into the configuration

    def __post_init__(self) -> None:
        written = frozenset(row.endpoint for row in self.config.model_catalog if row.endpoint)
        msgspec.structs.force_setattr(self, "trusted_endpoints", written)


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
            most = most or (known.max_output_tokens if known is not None else None)
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
    target = _target(source, model, row)
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
        capabilities=_capabilities(model, row, known.context_window if known is not None else None),
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


def _capabilities(model: ModelRow, row: DeploymentRow, known_window: int | None) -> Capabilities:
    """Return what the row states, else what its alias states; an administrator's values at the alias go first."""
    stated = row.capabilities
    modalities = stated.get("modalities") or model.modalities
    return Capabilities(
        modalities=frozenset(modalities) if modalities else None,
        tools=bool(stated.get("tools", model.supports_tools)),
        json_schema=bool(stated.get("json_schema", True)),
        unknown_members=row.unknown_members == UnknownMembers.TAKE,
        refused_members=frozenset(row.refused_members),
        context_window=None
        if model.edited and not row.edited
        else stated.get("context_window") or known_window,
    )


def _target(source: Source, model: ModelRow, row: DeploymentRow) -> Target:
    if why := row.problem or of_provider(row.provider):
        raise InvalidDeployment(why)
    base_url = _base_url(source, row)
    secret = _secret(source, row, base_url)
    if why := of_target(row.provider, base_url, secret):
        raise InvalidDeployment(why)
    target = Target(
        id=row.pk,
        alias=model.alias,
        name=row.name,
        provider=row.provider,
        upstream_model=row.upstream_model,
        base_url=base_url,
        secret=Secret(secret),
        api_version=row.api_version
        or (source.config.providers.azure_openai_version if row.provider == "azure" else ""),
        region=row.region,
        timeouts=_timeouts(source, row),
        metadata=_metadata(source, row),
        is_guarded=_is_guarded(source, row),
    )
    return msgspec.structs.replace(target, wire_model=wire_model(target), api=family_of(target))


def _is_guarded(source: Source, row: DeploymentRow) -> bool:
    """Whether a person may have typed the address; an edited row may still have the configured one."""
    may_be_typed = row.edited or row.origin != ManagedBy.FILE
    return may_be_typed and bool(row.endpoint) and row.endpoint not in source.trusted_endpoints


def _timeouts(source: Source, row: DeploymentRow) -> Timeouts:
    """`first_byte` of a row holds for every call; without it a whole response may take `server.provider_timeout`."""
    own = {name: float(value) for name, value in row.timeouts.items()}
    return Timeouts(**{"answer": own.get("first_byte", source.config.server.provider_timeout), **own})


def _base_url(source: Source, row: DeploymentRow) -> str:
    if row.provider == "simulator":
        if source.config.server.production:
            raise InvalidDeployment("the simulator is refused in production")
        return source.simulator_url
    return (row.endpoint or default_base_url(row.provider, source.config.providers)).rstrip("/")


def _secret(source: Source, row: DeploymentRow, base_url: str) -> str:
    if row.credential is None:
        return default_secret(row.provider, base_url, source.config.providers)
    try:
        return bare(_seal(source, row).open(API_KEY, row.credential.ciphertext))
    except CredentialUnreadable as error:
        raise _unreadable(source, error, "credential") from error


def _metadata(source: Source, row: DeploymentRow) -> dict[str, str]:
    try:
        return open_metadata(_seal(source, row), row.metadata)
    except CredentialUnreadable as error:
        raise _unreadable(source, error, f"'{error.name}'") from error


def _seal(source: Source, row: DeploymentRow) -> Seal:
    origin = destination(row.provider, row.endpoint, source.config.providers)
    return Seal(source.encryption_key, row.seal_id or "", origin)


def _unreadable(source: Source, error: CredentialUnreadable, what: str) -> InvalidDeployment:
    if error.sealed_with == key_id(source.encryption_key):
        fault = "was given for another address: type it again for this one"
        return InvalidDeployment(f"the stored {what} {fault}")
    return InvalidDeployment(f"the stored {what} cannot be read with this encryption key")


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
