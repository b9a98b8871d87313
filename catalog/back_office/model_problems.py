"""What keeps a model from serving, in sentences for its page. Blocking."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.utils.timezone import now

from catalog.loaders import Source, problems_of
from catalog.prompt_limits import missing_figures
from catalog.serving import served
from catalog.snapshot import CatalogProblem

if TYPE_CHECKING:
    from catalog.models import Deployment, Model

SIMULATOR = "http://simulator"  # any address will do: this only checks whether it would be called


def figures_to_state(model: Model, rows: Iterable[Any]) -> list[str]:
    """Return what the operator should state for these rows, once each; `is_free` rows need nothing."""
    text = [words for row in rows if not row.is_free for words in missing_figures(model, row)]
    return list(dict.fromkeys(text))


def known_problems(alias: str) -> list[str]:
    """Return all problems this process found when it read an alias; those of a deployment begin with its name."""
    return [_sentence(each) for each in _known() if each.alias == alias]


def problem_of(row: Deployment) -> str:
    """Return the problem this process found when it read a deployment; "" if none."""
    own = (row.model.alias, row.name)
    return " ".join(each.reason for each in _known() if (each.alias, each.deployment) == own)


def problems_now(model: Model) -> list[str]:
    """Return the problems of an alias if it were read now, before any process has read it. Three queries."""
    source = Source(settings.GATEWAY, settings.SECRETS.encryption_key, simulator_url=SIMULATOR)
    return [_sentence(each) for each in problems_of(source, model, now())]


def _known() -> tuple[CatalogProblem, ...]:
    live = served()
    return (*live.snapshot.problems, *live.failed_probes) if live is not None else ()


def _sentence(problem: CatalogProblem) -> str:
    text = problem.reason if problem.reason.endswith((".", "?")) else f"{problem.reason}."
    return f"{problem.deployment}: {text}" if problem.deployment else text
