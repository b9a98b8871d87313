"""A cache of keys in front of a shelf."""

from __future__ import annotations

import pytest

from tenants.api_keys.cache import KeyCache
from tenants.api_keys.known_prefixes import KnownPrefixes
from tests.unit.tenants.key_database import PEPPER, Clock, Shelf


@pytest.fixture
def shelf():
    return Shelf()


@pytest.fixture
def clock():
    return Clock()


@pytest.fixture
def cache(shelf, clock):
    return KeyCache(PEPPER, shelf, KnownPrefixes(shelf.prefixes, pace_s=0.0), clock)
