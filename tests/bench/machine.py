"""The facts of the machine and the software a figure was measured on; a figure without them means nothing."""

from __future__ import annotations

import os
import platform
import subprocess
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path

import msgspec

from tests.bench.processes import ROOT

_PACKAGES = (
    "django",
    "django-ninja",
    "uvicorn",
    "uvloop",
    "httptools",
    "pyreqwest",
    "msgspec",
    "orjson",
    "granian",
)


class Machine(msgspec.Struct, frozen=True):
    at: str
    commit: str
    cpu: str
    cores: int
    memory_mib: int
    kernel: str
    python: str
    load_average: tuple[float, float, float]
    packages: dict[str, str]


def facts() -> Machine:
    return Machine(
        at=datetime.now(UTC).isoformat(timespec="seconds"),
        commit=_commit(),
        cpu=_field("/proc/cpuinfo", "model name") or platform.machine(),
        cores=os.cpu_count() or 1,
        memory_mib=int(_field("/proc/meminfo", "MemTotal").removesuffix(" kB") or 0) // 1024,
        kernel=platform.release(),
        python=platform.python_version(),
        load_average=os.getloadavg(),
        packages=dict(_versions()),
    )


def _versions() -> list[tuple[str, str]]:
    installed = {dist.name.lower(): dist.version for dist in metadata.distributions()}
    return [(name, installed[name]) for name in _PACKAGES if name in installed]


def _field(path: str, name: str) -> str:
    for line in Path(path).read_text().splitlines():
        key, _, value = line.partition(":")
        if key.strip() == name:
            return value.strip()
    return ""


def _commit() -> str:
    answer = subprocess.run(
        ["git", "describe", "--always", "--dirty"], cwd=ROOT, capture_output=True, text=True, check=False
    )
    return answer.stdout.strip()
