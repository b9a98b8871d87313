"""data_dir belongs to its owner, or the gateway does not start."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from gateway.config.errors import ConfigError
from gateway.server.data_dir import make_private
from tests.support.sources import ROOT

NOBODY = 65534
CONNECT = "from django.db import connection as c; c.ensure_connection()"
AS_NOBODY = """
import os, sys
from pathlib import Path
from gateway.server.data_dir import make_private
if os.geteuid() == 0:
    os.setgroups([]); os.setgid({nobody}); os.setuid({nobody})
try:
    make_private(Path(sys.argv[1]))
except Exception as error:
    print(type(error).__name__, error)
else:
    print("private")
"""


def mode(path):
    return stat.S_IMODE(path.stat().st_mode)


def as_nobody(path):
    """Return what becomes of a directory used by a user that does not own it."""
    code = AS_NOBODY.format(nobody=NOBODY)
    done = subprocess.run(
        [sys.executable, "-c", code, str(path)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_new_data_dir_is_private(tmp_path):
    make_private(tmp_path / "a" / "b")
    assert mode(tmp_path / "a" / "b") == 0o700


@pytest.mark.parametrize("before", [0o755, 0o750, 0o705, 0o777, 0o701])
def test_existing_data_dir_and_its_files_become_private(tmp_path, before):
    (tmp_path / "journal").mkdir(mode=0o755)
    files = [tmp_path / "gateway.sqlite3", tmp_path / "gateway.sqlite3-wal", tmp_path / "journal" / "segment"]
    for file in files:
        file.write_text("x")
        file.chmod(0o644)
    tmp_path.chmod(before)
    make_private(tmp_path)
    assert mode(tmp_path) == mode(tmp_path / "journal") == 0o700
    assert {mode(file) for file in files} == {0o600}


def test_a_link_to_a_file_elsewhere_is_not_followed(tmp_path):
    elsewhere = tmp_path / "elsewhere"
    elsewhere.write_text("x")
    elsewhere.chmod(0o644)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "link").symlink_to(elsewhere)
    make_private(tmp_path / "data")
    assert mode(elsewhere) == 0o644


def test_a_world_accessible_directory_is_refused_and_left_as_it_is(tmp_path):
    tmp_path.chmod(0o1777)
    with pytest.raises(ConfigError, match=r"every user may write to it.*chmod 700"):
        make_private(tmp_path)
    assert mode(tmp_path) == 0o1777


def test_a_directory_of_something_else_is_refused_and_left_as_it_is(tmp_path):
    (tmp_path / "etc").mkdir()
    tmp_path.chmod(0o755)
    with pytest.raises(ConfigError, match="something else"):
        make_private(tmp_path)
    assert mode(tmp_path) == 0o755


def test_what_belongs_to_another_user_is_refused():
    assert "ConfigError" in as_nobody(Path("/var"))
    assert "chmod 700" in as_nobody(Path("/usr"))


def test_serve_creates_private_files_and_refuses_what_it_cannot_make_so(gateway_factory):
    gateway = gateway_factory(start=False)
    gateway.data_dir.mkdir(mode=0o755)
    old = os.umask(0o022)
    try:
        gateway.start()
    finally:
        os.umask(old)
    assert mode(gateway.data_dir) == 0o700
    files = [path for path in gateway.data_dir.rglob("*") if path.is_file()]
    assert files
    assert not [(path, oct(mode(path))) for path in files if mode(path) & 0o077]
    gateway.stop()
    gateway.data_dir.chmod(0o1777)
    gateway.manage("serve", "--bind", "127.0.0.1:0", code=2)


@pytest.mark.parametrize(
    "command", [("migrate", "-v0"), ("shell", "-c", CONNECT), ("revoke", "--here", "abc")]
)
def test_files_are_private_whichever_command_creates_them(gateway_factory, command):
    gateway = gateway_factory(start=False)
    gateway.data_dir.mkdir(mode=0o755)
    old = os.umask(0o022)
    try:
        gateway.manage(*command)
    finally:
        os.umask(old)
    files = [path for path in gateway.data_dir.rglob("*") if path.is_file()]
    assert files
    assert {mode(path) for path in files} == {0o600}
