"""The page of experiments in the back office: every alias that splits its callers, arm by arm, side by side.

One query for the aliases and one for each of them, at most SHOWN; all use the index of experiments.
"""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING, Any, NamedTuple

from django.core.exceptions import PermissionDenied
from django.db.models import Q
from django.template.response import TemplateResponse
from django.urls import reverse
from django.utils.http import urlencode
from django.utils.timezone import now

from catalog.models import Model
from catalog.routing.experiments import BadExperiment, experiment_of
from gateway.values.money import in_usd
from metering.explain.text import milliseconds
from metering.models import UsageEvent
from metering.reports.experiments import Arm, results

if TYPE_CHECKING:
    from collections.abc import Sequence
    from datetime import datetime

    from django.contrib.admin import ModelAdmin
    from django.http import HttpRequest

    from catalog.snapshot import Experiment

SHOWN = 50
PERIODS = {1: "24 hours", 7: "7 days", 30: "30 days"}
USUAL = 7
HEADERS = (
    "arm",
    "share",
    "calls",
    "failed",
    "tokens",
    "USD",
    "USD a call",
    "latency",
    "first token",
)
UNKNOWN = "-"
NOTHING = Arm(
    name="",
    calls=0,
    failed=0,
    input_tokens=0,
    output_tokens=0,
    cost_nanousd=0,
    latency_p50_ms=None,
    latency_p95_ms=None,
    ttft_p50_ms=None,
    ttft_p95_ms=None,
)


class Shown(NamedTuple):
    """One experiment as the page shows it. `by` is empty when the alias splits no callers any more."""

    alias: str
    by: str
    problem: str
    model_url: str
    calls_url: str
    calls: int
    table: dict[str, Any]


def page(request: HttpRequest, admin: ModelAdmin[Any]) -> TemplateResponse:
    """Show the experiments, or the one of `?alias=`. Raises PermissionDenied."""
    if not admin.has_view_permission(request):
        raise PermissionDenied
    until, alias = now(), request.GET.get("alias", "")
    asked = request.GET.get("days", "")
    days = next((each for each in PERIODS if str(each) == asked), USUAL)
    since = until - timedelta(days=days)
    models = {model.alias: model for model in Model.objects.filter(removed=False)}
    aliases = [alias] if alias else _aliases(models.values(), since, until)
    request.current_app = admin.admin_site.name
    context = {
        **admin.admin_site.each_context(request),
        "title": f"Experiment of {alias}" if alias else "Experiments",
        "alias": alias,
        "period": PERIODS[days],
        "periods": [
            {"title": title, "link": _link(each, alias), "active": each == days}
            for each, title in PERIODS.items()
        ],
        "shown": [_shown(each, models.get(each), since, until) for each in aliases[:SHOWN]],
        "more": len(aliases[SHOWN:]),
    }
    return TemplateResponse(request, "metering/experiments.html", context)


def _link(days: int, alias: str) -> str:
    return "?" + urlencode({"days": days} | ({"alias": alias} if alias else {}))


def _aliases(models: Any, since: datetime, until: datetime) -> list[str]:
    """Return the aliases that split callers now, and those that did in the period."""
    met = UsageEvent.objects.filter(~Q(arm=""), started_at__gte=since, started_at__lt=until)
    now_split = {model.alias for model in models if model.metadata.get("experiment")}
    return sorted(now_split | set(met.order_by().values_list("model", flat=True).distinct()))


def _shown(alias: str, model: Model | None, since: datetime, until: datetime) -> Shown:
    experiment, problem = None, ""
    try:
        experiment = experiment_of(model.metadata.get("experiment")) if model is not None else None
    except BadExperiment as error:
        problem = str(error)
    arms = results(alias, since, until)
    return Shown(
        alias=alias,
        by=experiment.by if experiment is not None else "",
        problem=problem,
        model_url=reverse("admin:catalog_model_change", args=[model.pk]) if model is not None else "",
        calls_url=f"{reverse('admin:metering_usageevent_changelist')}?{urlencode({'model': alias})}",
        calls=sum(arm.calls for arm in arms),
        table={"headers": HEADERS, "rows": _rows(experiment, arms)},
    )


def _rows(experiment: Experiment | None, arms: Sequence[Arm]) -> list[tuple[str, ...]]:
    """Return the arms in the order of the experiment, then those it had before."""
    shares = dict(experiment.arms) if experiment is not None else {}
    met = {arm.name: arm for arm in arms}
    whole, calls = sum(shares.values()), sum(arm.calls for arm in arms)
    return [
        _row(name, _percent(shares.get(name), whole), met.get(name, NOTHING), calls)
        for name in (*shares, *(name for name in met if name not in shares))
    ]


def _row(name: str, share: str, arm: Arm, calls: int) -> tuple[str, ...]:
    return (
        name,
        f"{share} / {_percent(arm.calls, calls)}",
        f"{arm.calls:,}",
        f"{arm.failed:,} ({_percent(arm.failed, arm.calls)})" if arm.failed else "0",
        f"{arm.input_tokens:,} / {arm.output_tokens:,}",
        f"{in_usd(arm.cost_nanousd):f}",
        f"{in_usd(arm.cost_nanousd // arm.calls):f}" if arm.calls else UNKNOWN,
        _waits(arm.latency_p50_ms, arm.latency_p95_ms),
        _waits(arm.ttft_p50_ms, arm.ttft_p95_ms),
    )


def _waits(middle: float | None, late: float | None) -> str:
    return (
        f"{milliseconds(middle)} / {milliseconds(late)}"
        if middle is not None and late is not None
        else UNKNOWN
    )


def _percent(part: int | None, whole: int) -> str:
    return UNKNOWN if part is None or not whole else f"{100 * part / whole:.1f}%"
