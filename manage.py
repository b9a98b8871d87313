#!/usr/bin/env python
"""Chooses gateway.settings and runs a command; a wrong configuration is told in words, with exit code 2."""

from __future__ import annotations

import gc
import os
import sys

# What is made while it starts lives for ever: looking through it again and again takes an eighth of the start.
gc.set_threshold(50_000, 50, 100)

FOR_OTHERS = frozenset({"collectstatic", "makemigrations", "config_reference"})  # files that are no secret


def main() -> None:
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "gateway.settings")
    from django.core.management import execute_from_command_line  # noqa: PLC0415 - after the environment is set

    from gateway.config import ConfigError  # noqa: PLC0415
    from gateway.data_dir import UMASK  # noqa: PLC0415

    if FOR_OTHERS.isdisjoint(sys.argv[1:2]):
        os.umask(UMASK)  # whichever command comes first makes the database
    try:
        execute_from_command_line(sys.argv)
    except ConfigError as error:
        print(error, file=sys.stderr)  # noqa: T201
        raise SystemExit(2) from None


if __name__ == "__main__":
    main()
