"""Filling in Django admin's forms, for the tests of the back office."""

from __future__ import annotations

from datetime import UTC, datetime

from django.conf import settings
from django.urls import reverse

from catalog.secrets.sealing import API_KEY, open_metadata
from catalog.services import seal_of

KEY = settings.SECRETS.encryption_key
NOW = datetime(2026, 3, 1, 12, tzinfo=UTC)
ROW = {
    "alias": "gpt-4o",
    "provider": "openai",
    "provider_model": "gpt-4o",
    "deployment": "east",
    "price_input": 1,
    "price_output": 1,
}
NO_INLINES = {
    f"{prefix}-{name}": 0
    for prefix in ("memberships", "ratelimits", "budgets", "deployments", "prices")
    for name in ("TOTAL_FORMS", "INITIAL_FORMS")
}


def post(client, page, fields, *arguments):
    answer = client.post(reverse(f"admin:{page}", args=arguments), NO_INLINES | fields)
    errors = answer.context["errors"] if answer.status_code == 200 else ""
    assert answer.status_code == 302, errors
    return answer


def refusal(client, page, fields, *arguments) -> str:
    answer = client.post(reverse(f"admin:{page}", args=arguments), NO_INLINES | fields)
    assert answer.status_code == 200
    return str(answer.content.decode())


def deployment_fields(model, **changes):
    plain = {
        "model": model.pk,
        "name": "east",
        "provider": "openai",
        "upstream_model": "gpt-4o",
        "endpoint": "",
        "priority": 0,
        "weight": 100,
        "shadow_percent": 0,
        "enabled": "on",
        "unknown_members": "pass",
        "timeouts": "{}",
        "metadata": "{}",
    }
    return plain | changes


def api_key_of(row) -> str:
    """Return the stored key of a deployment, opened as the gateway opens it."""
    return seal_of(row, KEY).open(API_KEY, row.credential.ciphertext)


def metadata_of(row) -> dict[str, str]:
    return open_metadata(seal_of(row, KEY), row.metadata)


def said_after(client, answer) -> list[str]:
    """Return the messages of the page that a form led to."""
    return [str(each) for each in client.get(answer.url).context["messages"]]
