"""The admission of this process, for pages. gateway/apps.py installs the lookup; a shell has none."""

from __future__ import annotations

from collections.abc import Callable

from budgets.admission.interface import Admission

Read = Callable[[], Admission | None]


class _Installed:
    read: Read = staticmethod(lambda: None)


def install(read: Read) -> None:
    """Set the lookup. Called once, when Django is ready."""
    _Installed.read = staticmethod(read)


def admission() -> Admission | None:
    """Return the admission that decides calls here, None where no calls are served."""
    return _Installed.read()
