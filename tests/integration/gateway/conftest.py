"""A signed-in administrator and their tenant."""

from __future__ import annotations

import pytest
from django.test import Client

from tenants.models import Tenant, User


@pytest.fixture
def client() -> Client:
    client = Client()
    client.force_login(User.objects.create_superuser("root@example.com"))
    return client


@pytest.fixture
def acme() -> Tenant:
    return Tenant.objects.create(name="acme")
