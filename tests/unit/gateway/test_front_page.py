"""How the front page counts models, and what it shows of a problem."""

from __future__ import annotations

from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from django.test import RequestFactory

from catalog.pricing.prices import PriceSheet
from catalog.snapshot import CatalogProblem, Deployment, Model, Snapshot
from gateway import runtime
from gateway.site import views
from providers.target import Secret, Target

if TYPE_CHECKING:
    from django.http import HttpRequest


def model(alias: str, *names: str) -> Model:
    targets = [
        Target(
            id=number,
            alias=alias,
            name=name,
            provider="openai",
            upstream_model="m",
            base_url="http://x",
            secret=Secret(""),
        )
        for number, name in enumerate(names)
    ]
    return Model(
        alias=alias,
        deployments=tuple(Deployment(target=target, sheet=PriceSheet()) for target in targets),
    )


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Return a function that gives the page of a gateway with two models and these failed probes."""
    request: HttpRequest = RequestFactory().get("/", headers={"host": "127.0.0.1"})
    models = {"a": model("a", "a-1"), "b": model("b", "b-1", "b-2")}

    def shown(*failed: tuple[str, str], reason: str = "http://x failed its probe: status 401") -> str:
        problems = tuple(CatalogProblem(alias, name, reason) for alias, name in failed)
        live = SimpleNamespace(snapshot=Snapshot(models=models), failed_probes=problems)
        monkeypatch.setattr(runtime, "is_open", lambda: True)
        monkeypatch.setattr(runtime, "current", lambda: live)
        told = [
            {"alias": each.alias, "deployment": each.deployment, "reason": each.reason} for each in problems
        ]
        body = {"status": "ready", "checks": {"models": 2}, "problems": told}
        monkeypatch.setattr(views, "readiness", lambda: (200, body))
        return views.home(request).content.decode()

    return shown


def test_a_model_whose_deployments_all_failed_their_probe_is_not_among_those_that_can_be_called(
    page: Any,
) -> None:
    assert "Ready: 2 models can be called." in page()
    assert "Ready: 2 models can be called." in page(("b", "b-1"))
    assert "Ready: 1 model can be called, 1 more failed its probe." in page(("a", "a-1"))
    none = page(("a", "a-1"), ("b", "b-1"), ("b", "b-2"))
    assert "No model answers: 2 models failed their probe." in none
    assert 'class="state bad"' in none


def test_the_first_problem_is_on_the_page_and_escaped(page: Any) -> None:
    shown = page(("a", "a-1"), ("b", "b-1"), reason="<script>alert(1)</script>")
    assert "a/a-1: &lt;script&gt;alert(1)" in shown
    assert "<script" not in shown
    assert "2 parts of the catalog have a problem, the first: <code>" in shown
    assert "1 part of the catalog has a problem: <code>" in page(("a", "a-1"))
