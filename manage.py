#!/usr/bin/env python
"""Chooses gateway.settings and runs a command; a wrong configuration is told in words, with exit code 2."""

from __future__ import annotations

import gc
import os
import signal
import sys
from typing import TYPE_CHECKING, NoReturn

from gateway import __version__

if TYPE_CHECKING:
    from types import FrameType

# What is made while it starts lives for ever: looking through it again and again takes an eighth of the start.
gc.set_threshold(50_000, 50, 100)

OF_PEOPLE = frozenset(
    {"createsuperuser", "changepassword"}
)  # of Django, which lets errors of the database be
FOR_OTHERS = frozenset(
    {"collectstatic", "makemigrations", "config_reference", "error_reference", "log_reference"}
)  # files that are no secret
INTERRUPTED = 130  # as a shell counts a process that Ctrl-C has ended


def leave(*_: int | FrameType | None) -> NoReturn:
    """End at once, and say nothing: what had begun to import, to migrate or to bind is as after a kill, which it bears.

    An exception would come out wherever the interpreter is, also where it can only be printed.
    """
    os._exit(INTERRUPTED)


def main() -> None:
    if "serve" in sys.argv[1:2]:  # until it serves: from then on the event loop takes both signals
        signal.signal(signal.SIGINT, leave)
    try:
        run()
    except KeyboardInterrupt:  # of the other commands, which may have something to put away
        raise SystemExit(INTERRUPTED) from None


def run() -> None:
    if sys.argv[1:] in (["version"], ["--version"]):  # Django would tell its own
        sys.stdout.write(f"open-model-gateway {__version__}\n")
        return
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - after the environment is set
    from django.db import DatabaseError, InterfaceError  # noqa: PLC0415

    from gateway.config import ConfigError  # noqa: PLC0415
    from gateway.server.data_dir import UMASK  # noqa: PLC0415

    if FOR_OTHERS.isdisjoint(sys.argv[1:2]):
        os.umask(UMASK)  # whichever command comes first makes the database
    try:
        execute_from_command_line(sys.argv)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None
    except (DatabaseError, InterfaceError) as error:
        if OF_PEOPLE.isdisjoint(sys.argv[1:2]) or "--traceback" in sys.argv:
            raise
        from gateway.management.database_errors import error_text  # noqa: PLC0415

        print(f"CommandError: {error_text(error)}", file=sys.stderr)  # noqa: T201
        raise SystemExit(1) from None


if __name__ == "__main__":
    main()
