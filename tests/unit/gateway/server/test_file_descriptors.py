"""The limit of open files is raised as far as it goes, and clients do not get all of it."""

from __future__ import annotations

import subprocess
import sys

import pytest

from gateway.server.file_descriptors import left_for_clients

PRINTED = """
import resource
resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, {hard}))
from gateway.server.file_descriptors import raise_limit
print(raise_limit(), resource.getrlimit(resource.RLIMIT_NOFILE)[0])
"""


@pytest.mark.parametrize(("soft", "hard"), [(100, 900), (64, 64), (256, 1000)])
def test_the_soft_limit_is_raised_to_the_hard_one(soft, hard):
    code = PRINTED.format(soft=soft, hard=hard)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [str(hard), str(hard)]


@pytest.mark.parametrize(
    ("limit", "calls", "clients"),
    [(1_048_576, 2000, 1_046_320), (1024, 2000, 384), (1024, 100, 668), (300, 2000, 22), (200, 2000, 16)],
)
def test_clients_get_what_calls_and_stores_leave(limit, calls, clients):
    assert left_for_clients(limit, 256, calls) == clients
