"""Django's models and what serving imports, loaded before a fork (tests/support/servers/fork_server.py).

They are loaded with settings of no gateway, and those settings are forgotten: each child reads its own, and its
`django.setup()` finds the modules imported. No `ready()` is called here: it is where settings are kept, and where
the pages of the back office are registered.
"""

from __future__ import annotations

import gc
import importlib
import os
import sys
import tempfile
import weakref
from typing import Any

from asgiref.local import Local
from django.apps import AppConfig, apps
from django.conf import settings
from django.core.cache import caches
from django.db import connections
from django.utils.functional import empty

from tests.support.stores import stores

BESIDE_THE_MODELS = (
    "budgets.bootstrap",
    "budgets.forms",
    "budgets.back_office.owner_links",
    "budgets.back_office.spending",
    "catalog.alias_lists",
    "catalog.back_office.deployment_form",
    "catalog.forms",
    "catalog.sync",
    "catalog.back_office.model_problems",
    "channels.generic.websocket",
    "channels.routing",
    "cryptography.hazmat.primitives.ciphers.aead",
    "django.contrib.auth.backends",
    "django.contrib.auth.middleware",
    "django.contrib.messages.middleware",
    "django.contrib.sessions.middleware",
    "django.contrib.staticfiles.storage",
    "django.core.asgi",
    "django.core.management.commands.migrate",
    "django.db.backends.sqlite3.base",
    "django.db.models.sql.compiler",
    "django.middleware.clickjacking",
    "django.middleware.common",
    "django.middleware.security",
    "django.templatetags.cache",
    "gateway.api",
    "gateway.bootstrap",
    "gateway.server.config_signal",
    "gateway.checks",
    "gateway.site.first_steps",
    "gateway.api.handler",
    "gateway.server.known_secret",
    "gateway.server.lifespan",
    "gateway.management.commands.serve",
    "gateway.site.security_headers",
    "gateway.server.published_secrets",
    "gateway.server.uvicorn_server",
    "gateway.site.session_expiry",
    "gateway.site.without_session",
    "gateway.site.session_store",
    "gateway.site.body_limit",
    "gateway.site.page_timeout",
    "gateway.site.page_request",
    "gateway.site.static_files",
    "gateway.site.status_socket",
    "gateway.supervisor.supervisor",
    "gateway.api.urls",
    "gateway.management.startup_message",
    "metering.ledger.crash_recovery",
    "metering.back_office.call_lists",
    "metering.reports.experiments",
    "metering.ledger.lookup",
    "metering.explain.refusal_story",
    "providers.dialects.lenient.large_responses",
    "providers.simulator.server",
    "tenants.bootstrap",
    "tenants.back_office.confirmation",
    "tenants.back_office.form_fields",
    "tenants.back_office.forms",
    "tenants.back_office.history",
    "tenants.back_office.list_filters",
    "tenants.back_office.paging",
    "unfold.contrib.filters.admin",
    "uvicorn.lifespan.off",
    "uvicorn.protocols.http.auto",
    "uvicorn.protocols.http.httptools_impl",
    "uvicorn.protocols.websockets.auto",
    "uvloop",
)
IN_PRODUCTION = ("django.db.backends.postgresql.base", "psycopg_pool", "redis.asyncio")


def load() -> None:
    """Import them, and forget the settings. Raises AssertionError where something has kept one of those."""
    with tempfile.TemporaryDirectory() as nowhere:
        os.environ |= {"ROUTER_DATA_DIR": nowhere, "DJANGO_SETTINGS_MODULE": "gateway.settings"}
        _import_apps()
        for name in (*BESIDE_THE_MODELS, *(IN_PRODUCTION if stores.workers() else ())):
            importlib.import_module(name)
        secrets = settings.SECRETS
        kept = weakref.ref(settings.GATEWAY), weakref.ref(sys.modules["gateway.settings"])
        _forget_settings()
        gc.collect()
        assert [of() for of in kept] == [None, None], (
            "an import has kept the settings: its children would use them"
        )
        assert sys.getrefcount(secrets) == 2, "an import has kept the secrets"


def _import_apps() -> None:
    """The first two of the three phases of django.apps.registry.Apps.populate."""
    for entry in settings.INSTALLED_APPS:
        app = AppConfig.create(entry)
        app.apps = apps
        apps.app_configs[app.label] = app
    apps.apps_ready = True
    for app in apps.get_app_configs():
        app.import_models()
    apps.models_ready = True


def _forget_settings() -> None:
    apps.app_configs.clear()
    apps.apps_ready = apps.models_ready = False
    apps.clear_cache()
    opened: Any
    for opened in (connections, caches):  # as they were at first: some imports look at the database's kind
        opened.__dict__.pop("settings", None)
        opened._settings, opened._connections = None, Local(opened.thread_critical)  # noqa: SLF001
    settings._wrapped = empty  # noqa: SLF001 - as django.test does
    del sys.modules["gateway.settings"]
    del sys.modules["gateway"].settings
