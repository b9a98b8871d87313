"""What this process serves, for pages and jobs. gateway/apps.py installs the reader; a shell serves nothing."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol

from catalog.snapshot import CatalogProblem, Snapshot
from providers.resilience.health import DeploymentHealth


class Served(Protocol):
    """The catalog in force, and what is known of its deployments."""

    snapshot: Snapshot
    failed_probes: tuple[CatalogProblem, ...]
    health: DeploymentHealth


Read = Callable[[], Served | None]


class _Installed:
    read: Read = staticmethod(lambda: None)


def install(read: Read) -> None:
    """Install the reader. Called once, when Django is ready."""
    _Installed.read = staticmethod(read)


def served() -> Served | None:
    """Return what this process serves, None where it serves nothing."""
    return _Installed.read()
