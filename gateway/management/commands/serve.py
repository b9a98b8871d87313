"""manage.py serve: migrate, bootstrap, serve in the foreground; SIGTERM drains and exits 0."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from argparse import SUPPRESS, ArgumentParser
from collections.abc import Sequence
from contextlib import ExitStack
from datetime import UTC, datetime
from functools import partial
from pathlib import Path
from typing import IO, Any

from django.conf import settings
from django.core.management import call_command
from django.core.management.base import BaseCommand
from django.db import connections
from typing_extensions import override

from gateway.config import Config, ConfigError
from gateway.config.checks.reachable import hosts_of, is_loopback, published_off_loopback, reached_at
from gateway.config.checks.store_urls import passwords_of
from gateway.config.checks.weak_secrets import weak_bootstrap_secrets
from gateway.config.fields import LAST_PORT
from gateway.http.request import Application
from gateway.observability import log_format
from gateway.server.data_dir import UMASK, make_private, refuse_ram_disk
from gateway.server.file_descriptors import raise_limit
from gateway.server.listeners import ServedListener, Serves
from gateway.server.startup_responder import Waiting, startup_responder
from gateway.server.uvicorn_server import CannotListen, announce, bind, run
from gateway.site.internal_access import may_see
from gateway.stores.data_dir_lock import DataDirInUse, lock_data_dir
from gateway.stores.database_setup import DatabaseAway, preparing, retry_until_up
from gateway.stores.redis_check import RedisAway, wait_for_redis
from gateway.supervisor.forked_worker import fork_workers
from gateway.supervisor.shutdown import end_within
from gateway.supervisor.supervisor import Supervisor
from gateway.supervisor.supervisor_client import SupervisorClient
from tenants.sign_in import login_throttle

ADDRESS = "{admin}"  # replaced once it is known
ESCAPED = "{{admin}}"


class Command(BaseCommand):
    help = "Migrate (if database.run_migrations), bootstrap, and serve until SIGTERM."
    requires_system_checks = ()  # the configuration was checked when it was read

    @override
    def add_arguments(self, parser: ArgumentParser) -> None:
        parser.add_argument("--bind", metavar="HOST:PORT", help="instead of server.listen_addr")
        parser.add_argument("--port", type=int, metavar="PORT", help="of server.listen_addr, another port")
        parser.add_argument("--welcome", type=Path, metavar="FILE", help="a text to print once it listens")
        parser.add_argument("--workers", type=int, metavar="N", help="instead of server.workers")
        for name in ("--listener-fd", "--line-fd"):  # how a supervisor starts its workers
            parser.add_argument(name, type=int, help=SUPPRESS)
        parser.add_argument("--back-office", action="store_true", help=SUPPRESS)  # and the separate one

    @override
    def handle(self, *_: Any, **options: Any) -> None:
        config = settings.GATEWAY
        os.environ["GATEWAY_MANAGED"] = "1"
        log_format.configure(config.observability.log_format, config.observability.log_level)
        workers = options["workers"] or config.server.workers
        os.environ[login_throttle.WORKERS] = str(workers)
        os.umask(UMASK)
        if options["listener_fd"] is not None:
            link = SupervisorClient.inherited(options["listener_fd"], options["line_fd"])
            _work(config, link, workers, is_back_office=options["back_office"])
            return
        host, port = _address(options["bind"], options["port"], config.server.bind)
        if workers > 1 and config.embedded:
            raise ConfigError(
                f"--workers {workers}: embedded mode runs one worker. Hint: set ROUTER_DB_URL and ROUTER_REDIS_URL."
            )
        raise_limit()
        _refuse_published(config, host)
        make_private(config.data_dir)
        refuse_ram_disk(config)
        try:
            with lock_data_dir(config.data_dir) as lock:
                doors = _open_doors(config, (host, port))
                waiting = Waiting(
                    partial(may_see, config), passwords_of(config.database.url, config.redis.url)
                )
                with ExitStack() as rooms:
                    for door in doors:
                        rooms.enter_context(startup_responder(door.listener, waiting))
                    prepare(host, waiting)
                    welcome = _welcome(options["welcome"])
                if workers > 1 or (len(doors) > 1 and not config.embedded):
                    supervise(config, doors, workers, welcome, lock)
                else:
                    run(config, doors, applications, welcome)
        except DataDirInUse as error:
            raise ConfigError(str(error)) from error
        except (CannotListen, DatabaseAway, RedisAway) as error:
            sys.stderr.write(f"{error}\n")
            raise SystemExit(1) from error


def prepare(host: str, waiting: Waiting) -> None:
    """Bring the database up to date and apply the configuration to it. Raises DatabaseAway, RedisAway, ConfigError.

    Redis comes first: changes in the database are announced over it.
    """
    from catalog.sync import sync_catalog  # noqa: PLC0415 - needs the loaded apps, not only their names
    from gateway.bootstrap import bootstrap  # noqa: PLC0415
    from gateway.server.known_secret import check_secret  # noqa: PLC0415
    from gateway.server.published_secrets import refuse_stored  # noqa: PLC0415

    config = settings.GATEWAY
    if not config.embedded:
        wait_for_redis(config.redis.url, config.database.start_timeout, waiting.reporter_for("Redis"))
    with preparing(config.database.start_timeout, waiting.reporter_for("the database")) as alias:
        if config.database.run_migrations:
            migrate = partial(call_command, "migrate", database=alias, verbosity=0, interactive=False)
            retry_until_up(migrate, config.database.start_timeout)
        for warning in config.warnings:
            sys.stderr.write(f"warning: {warning}\n")
        check_secret(datetime.now(UTC))
        for message in bootstrap(config):
            sys.stderr.write(f"{message}\n")
        sync_catalog(config)
        refuse_stored(host, *hosts_of(config)[1:])


def supervise(
    config: Config, doors: Sequence[ServedListener], workers: int, welcome: str, lock: IO[str]
) -> None:
    """Let worker processes serve until SIGTERM; this one only supervises them, and alone holds `lock`.

    If all but /v1 has a separate address, it has a separate process, so that unauthenticated traffic there takes no
    time from calls.
    """
    import gateway.asgi  # noqa: F401, PLC0415 - loaded once, for all workers

    for database in connections.all():
        database.close()
        if getattr(database, "pool", None):
            database.close_pool()  # type: ignore[attr-defined]  # of PostgreSQL: its threads are not needed here
    back_office = doors[1].listener if len(doors) > 1 else None
    forks = fork_workers([*(workers * [doors[0].listener]), *([back_office] if back_office else [])])
    if isinstance(forks, SupervisorClient):
        lock.close()
        _work(config, forks, workers, is_back_office=forks.listener is back_office)
        return
    manage = (sys.executable, sys.argv[0])
    supervisor = Supervisor(
        (*manage, "serve", "--workers", str(workers)),
        doors[0].listener,
        workers,
        drain_s=config.server.prestop_delay + config.server.graceful_shutdown_delay,
        prepare=(*manage, "bootstrap"),
        back_office=back_office,
        set_time_limit=end_within,
    )
    try:
        asyncio.run(supervisor.run(lambda: announce(doors, welcome), forks))
    finally:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # as in gateway/server/uvicorn_server.py


def _work(config: Config, link: SupervisorClient, workers: int, *, is_back_office: bool) -> None:
    """Serve as one of a supervisor's workers."""
    serves: Serves = "everything"
    if is_back_office:
        serves = "back office"
        os.environ[login_throttle.WORKERS] = "1"  # no other process takes sign-ins
    elif config.server.admin_bind is not None:
        serves = "calls"
    run(config, [ServedListener(link.listener, serves)], applications, link=link, workers=workers)


def applications() -> tuple[Application, Application]:
    """Return the ASGI applications; loading them needs Django, and is slow."""
    from gateway.asgi import application, no_socket  # noqa: PLC0415 - slow to load

    return application, no_socket


def _open_doors(config: Config, address: tuple[str, int]) -> list[ServedListener]:
    """Listen for calls, and on a separate address for all but /v1 if it is configured. Raises CannotListen."""
    host, admin = address[0], config.server.admin_bind
    doors = [ServedListener(bind(*address), "everything" if admin is None else "calls")]
    if admin is not None:
        host = admin[0]
        doors.append(ServedListener(bind(*admin), "back office"))
    _warn_of_the_network(config, *dict.fromkeys((address[0], host)))
    return doors


def _refuse_published(config: Config, host: str) -> None:
    """Raise ConfigError if other machines can reach a gateway with the secrets of the demo."""
    problems = list(published_off_loopback(config, host, *hosts_of(config)[1:]))
    if problems:
        raise ConfigError(*problems)


def _warn_of_the_network(config: Config, *hosts: str) -> None:
    """Warn if other machines can reach a gateway with publicly known secrets, such as those of the demo."""
    names = ", ".join(where for where, _, _ in weak_bootstrap_secrets(config))
    open_to = [host for host in hosts if not is_loopback(host)] or [reached_at(config)]
    for address in filter(None, open_to if names else ()):
        sys.stderr.write(
            f"WARNING: other machines reach {address} and strangers can guess {names}: they can sign in and call.\n"
        )


def _address(bind: str | None, port: int | None, default: tuple[str, int]) -> tuple[str, int]:
    if port is not None:
        if bind is not None:
            raise ConfigError("--port and --bind: give one of them. Hint: --bind 127.0.0.1:8080")
        if not 0 <= port <= LAST_PORT:
            raise ConfigError(f"--port {port}: a port is 0 to {LAST_PORT}. Hint: --port 8080")
        return default[0], port
    if bind is None:
        return default
    host, _, number = bind.rpartition(":")
    if not number.isdecimal() or int(number) > LAST_PORT:
        raise ConfigError(f"--bind {bind}: not HOST:PORT. Hint: --bind 127.0.0.1:8080")
    return host.strip("[]") or "0.0.0.0", int(number)  # noqa: S104 - ":8080" means every address


def _welcome(file: Path | None) -> str:
    """Return the text to print once the gateway listens: that of the file, and the next steps."""
    from gateway.management.startup_message import filled_in  # noqa: PLC0415
    from gateway.site.first_steps import first_steps  # noqa: PLC0415 - as above

    text = filled_in(file.read_text(encoding="utf-8")) if file is not None else ""
    steps = [step.replace("{", "{{").replace("}", "}}") for step in first_steps(ADDRESS)]
    return text + "".join(f"next: {step.replace(ESCAPED, ADDRESS)}\n" for step in steps)
