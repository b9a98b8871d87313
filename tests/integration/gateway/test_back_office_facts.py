"""Staff state facts of a deployment's model in Django admin; wrong ones are refused with a reason."""

from __future__ import annotations

import pytest
from django.urls import reverse

from catalog.models import Deployment
from catalog.services import store_found_facts
from catalog.sync import sync_catalog
from gateway.config import Config
from tenants.audit import at_the_shell
from tests.support.clients.forms import ROW, deployment_fields, post, refusal

pytestmark = pytest.mark.django_db


@pytest.mark.parametrize(
    ("facts", "why"),
    [
        ('{"images": 1}', "Not known: images. There are vendor,"),
        ('{"image_max_tokens": 0}', "image_max_tokens is a whole number above 0."),
        ('{"image_max_tokens": true}', "image_max_tokens is a whole number above 0."),
        ('{"thinking": "deep"}', "thinking is one of none, budget, adaptive,"),
        ('{"effort": [1]}', "effort: Expected"),
        ('{"vision": "no"}', "vision: Expected"),
        ("[900]", "Facts by name"),
    ],
)
def test_form_refuses_invalid_facts(client, facts, why):
    sync_catalog(Config.model_validate({"model_catalog": [ROW]}))
    row = Deployment.objects.get()
    fields = deployment_fields(row.model, facts=facts)
    assert why in refusal(client, "catalog_deployment_change", fields, row.pk)
    assert Deployment.objects.get().facts == {}


def test_what_a_picture_costs_can_be_stated(client):
    sync_catalog(Config.model_validate({"model_catalog": [ROW]}))
    row = Deployment.objects.get()
    fields = deployment_fields(row.model, facts='{"image_max_tokens": 900, "pdf_page_max_tokens": 1200}')
    post(client, "catalog_deployment_change", fields, row.pk)
    assert Deployment.objects.get().facts == {"image_max_tokens": 900, "pdf_page_max_tokens": 1200}


def test_what_the_vendor_said_stays_when_the_form_is_saved(client):
    sync_catalog(Config.model_validate({"model_catalog": [ROW]}))
    row = Deployment.objects.get()
    store_found_facts(row.pk, {"effort": ["low"]}, actor=at_the_shell())
    post(client, "catalog_deployment_change", deployment_fields(row.model, facts='{"tools": false}'), row.pk)
    row = Deployment.objects.get()
    assert (row.facts, row.found_facts) == ({"tools": False}, {"effort": ["low"]})


def test_the_page_shows_what_is_known_of_the_model(client):
    own = {**ROW, "provider_model": "o3-mini", "facts": {"max_batch": 3}}
    sync_catalog(Config.model_validate({"model_catalog": [own]}))
    row = Deployment.objects.get()
    store_found_facts(row.pk, {"shutdown_date": "2026-10-23"}, actor=at_the_shell())
    page = client.get(reverse("admin:catalog_deployment_change", args=[row.pk])).content.decode()
    for fact in (
        "thinking: always",
        "effort: low, medium, high",
        "vision: no",
        "max_batch: 3",
        "shutdown_date: 2026",
    ):
        assert fact in page
