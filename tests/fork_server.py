"""Starts Python processes by a fork of one that has imported the gateway's libraries: half of a start is that import.

A process of its own, started by tests/forked.py, which asks it over a socket. What is forked is a child like any other:
its own files, environment, directory and arguments, and it runs the script from its first line. Modules that read the
settings are imported by the child, because each one has settings of its own.
"""

from __future__ import annotations

import gc
import importlib
import json
import os
import resource
import runpy
import socket
import sys
import time
from typing import Any

from metering import failpoints
from providers import tokens
from tests import stores

LONGEST_REQUEST = 256 * 1024
MODULES = (  # of what a gateway imports all that reads no settings: importing them without settings is the proof
    "budgets.admission_local",
    "budgets.holds",
    "catalog.sealing",
    "cryptography.hazmat.primitives.ciphers.aead",
    "cryptography.hazmat.primitives.kdf.hkdf",
    "django.contrib.admin.templatetags.admin_list",
    "django.contrib.auth.apps",
    "django.contrib.auth.password_validation",
    "django.contrib.contenttypes.apps",
    "django.contrib.messages.middleware",
    "django.contrib.postgres.fields",
    "django.contrib.sessions.middleware",
    "django.contrib.sites.shortcuts",
    "django.contrib.staticfiles.apps",
    "django.core.asgi",
    "django.core.management.commands.migrate",
    "django.core.servers.basehttp",
    "django.db.backends.sqlite3.base",
    "django.db.models.sql.compiler",
    "django.middleware.common",
    "django.middleware.security",
    "django.template.backends.django",
    "django.template.loaders.app_directories",
    "django.template.loaders.cached",
    "django.templatetags.cache",
    "django.test.signals",
    "django_prometheus.exports",
    "django_prometheus.middleware",
    "django_prometheus.migrations",
    "gateway.changes",
    "gateway.checks",
    "gateway.config",
    "gateway.content_coding",
    "gateway.data_dir",
    "gateway.database",
    "gateway.endings",
    "gateway.forwarded",
    "gateway.health_registry",
    "gateway.http_protocol",
    "gateway.jobs",
    "gateway.logs",
    "gateway.page_security",
    "gateway.request_log",
    "gateway.secrets",
    "gateway.sessions",
    "gateway.standing",
    "gateway.status_socket",
    "gateway.supervisor",
    "gateway.token_counter",
    "gateway.watchdog",
    "metering.adoption",
    "metering.explanation",
    "metering.json_fields",
    "metering.shipper",
    "prometheus_client",
    "providers.dialects.large_answers",
    "providers.probe",
    "providers.requests.reading",
    "providers.simulator",
    "pydantic.dataclasses",
    "pydantic.networks",
    "pydantic.type_adapter",
    "servestatic.middleware",
    "tenants.differences",
    "tenants.keys",
    "tenants.login_throttle",
    "unfold.components",
    "unfold.dataclasses",
    "unfold.sections",
    "uvicorn.protocols.http.httptools_impl",
    "uvloop",
)
IN_PRODUCTION = ("django.db.backends.postgresql.base", "psycopg_pool", "redis.asyncio")


def serve(control: socket.socket) -> list[str] | None:
    """Answer until the tests end: None then; in each child, the arguments of what it is to run."""
    while True:
        message, files, _, _ = socket.recv_fds(control, LONGEST_REQUEST, 3)
        if not message:
            return None
        request = json.loads(message)
        if "reap" in request:
            _, status = os.waitpid(request["reap"], 0)
            control.send(json.dumps(os.waitstatus_to_exitcode(status)).encode())
            continue
        pid = os.fork()
        if pid == 0:
            control.close()
            _become(request, files)
            return list(request["arguments"])
        for file in files:
            os.close(file)
        control.send(json.dumps(pid).encode())


def _become(request: dict[str, Any], files: list[int]) -> None:
    for place, file in enumerate(files):
        os.dup2(file, place)
        os.close(file)
    os.chdir(request["cwd"])
    os.environ.clear()
    os.environ.update(request["env"])
    importlib.reload(failpoints)  # the one module that reads the environment as it is imported
    time.tzset()
    if request["files"] is not None:
        resource.setrlimit(resource.RLIMIT_NOFILE, request["files"])


def main() -> None:
    control = socket.socket(fileno=int(sys.argv[1]))
    for name in (*MODULES, *(IN_PRODUCTION if stores.workers() else ())):
        importlib.import_module(name)
    tokens.warm()  # the vocabulary was half of what a start still took
    gc.collect()
    gc.freeze()  # so that no child touches, and thereby copies, what all of them share
    arguments = serve(control)
    if arguments is None:
        return
    if arguments[0] == "-m":
        sys.argv[1:] = arguments[2:]
        runpy.run_module(arguments[1], run_name="__main__", alter_sys=True)
        return
    sys.argv[:] = arguments
    sys.path[0] = os.path.dirname(arguments[0])  # noqa: PTH120 - as the interpreter sets it
    runpy.run_path(arguments[0], run_name="__main__")


if __name__ == "__main__":
    main()
