"""What `manage.py check` says of a configuration that loads: each with an id and a hint."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING, Any

from django.conf import settings
from django.core.checks import CheckMessage, Error, register
from django.core.checks import Warning as CheckWarning

from gateway.config.crosschecks import notes_of

if TYPE_CHECKING:
    from pathlib import Path

    from gateway.config import Config


@register
def check_configuration(**_: Any) -> list[CheckMessage]:
    """Return the configuration's warnings, and an error where the data directory cannot be used."""
    return messages_of(settings.GATEWAY)


def messages_of(config: Config) -> list[CheckMessage]:
    found: list[CheckMessage] = [
        CheckWarning(note.what, hint=note.hint, id=f"gateway.{note.id}") for note in notes_of(config)
    ]
    if not _writable(config.data_dir):
        hint = "set ROUTER_DATA_DIR to a directory this user may write to"
        found.append(Error(f"data_dir {config.data_dir} cannot be written", hint=hint, id="gateway.E001"))
    return found


def _writable(directory: Path) -> bool:
    """Tell whether the directory, or the nearest one above that exists, may be written."""
    there = next((place for place in (directory, *directory.parents) if place.exists()), directory)
    return there.is_dir() and os.access(there, os.W_OK | os.X_OK)
