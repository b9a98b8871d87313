"""Checks of `manage.py check` outside the configuration: the disk, the stores, and the rows of the catalog as the next
start would create them from the file. Blocking; a store that hangs costs a few seconds.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime

from django.conf import settings
from django.core.checks import CheckMessage, Error, Info
from django.core.checks import Warning as CheckWarning
from django.db import DatabaseError, InterfaceError, connections, transaction

from catalog import row_problems
from catalog.health.queries import failed_probes
from catalog.loaders import Source, load_snapshot
from catalog.models import Deployment, ManagedBy, Model
from catalog.snapshot import CatalogProblem, Snapshot
from catalog.sync import sync_catalog
from gateway.config import Config, ConfigError
from gateway.config.checks.reachable import hosts_of
from gateway.jobs.runs import runs_of
from gateway.management.database_errors import error_text
from gateway.schedule import every_job
from gateway.server.data_dir import refuse_ram_disk
from gateway.server.known_secret import check_secret
from gateway.server.published_secrets import refuse_stored
from gateway.site.first_steps import first_steps
from gateway.stores.databases import background_alias

SIMULATOR = "http://127.0.0.1/v1"  # placeholder for its address, which is known when it runs


def messages_around(config: Config) -> list[CheckMessage]:
    """Return the problems in the environment of a valid configuration."""
    found: list[CheckMessage] = [*_refusals("E002", lambda: refuse_ram_disk(config))]
    if not config.embedded:
        from gateway.stores.redis_check import redis_trouble  # noqa: PLC0415 - embedded mode does not use Redis

        if reason := redis_trouble(config.redis.url):
            hint = "check ROUTER_REDIS_URL (rediss:// with TLS, redis:// without), and that it may be reached from here"
            found.append(Error(f"Redis does not serve: {reason}", hint=hint, id="gateway.E003"))
    elif not (config.data_dir / "gateway.sqlite3").exists():
        return [*found, *_of_file(config)]  # the gateway was not started yet
    try:
        # Outside the pool, whose error reports only a timeout.
        with connections[background_alias()].cursor() as cursor:
            cursor.execute("SELECT 1")
        found += _of_database(config)
    except (DatabaseError, InterfaceError) as error:
        words, _, hint = error_text(error).partition(". Hint: ")
        found.append(Error(words, hint=hint or None, id="gateway.E004"))
    return found


def _of_database(config: Config) -> Iterator[CheckMessage]:
    now = datetime.now(UTC)
    yield from _refusals("E005", lambda: check_secret(now))
    yield from _refusals("E006", lambda: refuse_stored(*hosts_of(config)))
    with _as_after_the_next_start(config) as is_changed:
        found = list(_of_catalog(config, now))
    yield from found
    if is_changed:
        hint = "this judged the file as it is now; it takes effect with the next start"
        yield Info("model_catalog differs from the rows in the database", hint=hint, id="gateway.I035")
    yield from _of_jobs(config, now)
    yield from _of_steps(first_steps())


@contextmanager
def _as_after_the_next_start(config: Config) -> Iterator[bool]:
    """Apply the file to the rows as a start would, and roll back. Yields whether that changes anything.

    Holds the database's write lock meanwhile; nothing is committed, and no gateway is notified.
    """
    with transaction.atomic():
        yield sync_catalog(config)
        transaction.set_rollback(True)


def _of_catalog(config: Config, now: datetime) -> Iterator[CheckMessage]:
    snapshot = load_snapshot(Source(config, settings.SECRETS.encryption_key, SIMULATOR), 0, now)
    for problem in _of_people(snapshot):
        name = f"{problem.alias}/{problem.deployment}" if problem.deployment else problem.alias
        hint = "correct it in the back office, or disable it there"
        yield CheckWarning(f"{name} cannot serve: {problem.reason}", hint=hint, id="gateway.W030")
    for problem in failed_probes(now, snapshot):
        hint = "check its endpoint and key; the back office can probe it again"
        yield CheckWarning(
            f"{problem.alias}/{problem.deployment}: {problem.reason}", hint=hint, id="gateway.W033"
        )
    if (snapshot.models or snapshot.disabled) and not snapshot.serving:
        yield _no_model(is_named=bool(snapshot.problems))


def _of_file(config: Config) -> Iterator[CheckMessage]:
    """Yield the findings on the file's rows as a whole while there is no database; each row has its own check."""
    rows = [row for row in config.model_catalog if row.enabled]
    if config.model_catalog and all(row_problems.of_entry(row, config.providers) for row in rows):
        yield _no_model(is_named=bool(rows))
    elif rows:
        hint = "the first start tries them: then /readyz and this command name those that fail"
        yield Info("no endpoint and no key was tried yet", hint=hint, id="gateway.I036")


def _no_model(*, is_named: bool) -> CheckMessage:
    hint = (
        "the rows that cannot serve are named above" if is_named else "all are switched off: enabled: false"
    )
    return CheckWarning("no model can answer a call", hint=hint, id="gateway.W031")


def _of_steps(steps: Sequence[str]) -> Iterator[CheckMessage]:
    """Yield the first steps, numbered: Django sorts its output by text."""
    for turn, step in enumerate(steps, start=1):
        what, _, hint = step.partition(": ")
        place = f"step {turn} of {len(steps)}: " if len(steps) > 1 else ""
        yield CheckWarning(f"{place}{what}", hint=hint, id="gateway.W032")


def _of_jobs(config: Config, now: datetime) -> Iterator[CheckMessage]:
    """Yield the periodic jobs that failed last, or are overdue. Jobs that never ran are not reported."""
    for run in runs_of(every_job(config)):
        at = run.succeeded_at
        if run.error or (at and run.is_late(now.timestamp(), at)):
            done = (
                f"was last done at {datetime.fromtimestamp(at, UTC):%Y-%m-%d %H:%M:%S} UTC"
                if at
                else "has failed"
            )
            why = f": {run.error}" if run.error else ""
            hint = (
                "in production mode one `celery -A gateway beat` and a worker do the jobs (docs/workers.md)"
            )
            yield CheckWarning(f"the job {run.name} {done}{why}", hint=hint, id="gateway.W034")


def _of_people(snapshot: Snapshot) -> Iterator[CatalogProblem]:
    """Yield the problems of rows that do not follow the file; those of the file are checked in the file."""
    follows = {
        (row.model.alias, row.name)
        for row in Deployment.objects.filter(origin=ManagedBy.FILE, edited=False).select_related("model")
    }
    follows |= {(alias, "") for alias in _aliases_of_file()}
    yield from (
        problem for problem in snapshot.problems if (problem.alias, problem.deployment) not in follows
    )


def _aliases_of_file() -> Iterator[str]:
    yield from Model.objects.filter(origin=ManagedBy.FILE, edited=False).values_list("alias", flat=True)


def _refusals(number: str, look: Callable[[], object]) -> Iterator[CheckMessage]:
    """Yield the errors that would prevent startup."""
    try:
        look()
    except ConfigError as error:
        for problem in error.problems:
            if isinstance(problem, str):
                yield Error(problem, id=f"gateway.{number}")
            else:
                yield Error(f"{problem.where}: {problem.what}", hint=problem.hint, id=f"gateway.{number}")
