"""The candidates: each is a context manager that runs a service on one core and makes it ready for requests."""

from __future__ import annotations

import contextlib
import sys
from typing import TYPE_CHECKING, Any

import msgspec
import yaml

from tests.bench.processes import ROOT, Cores, family, running, until_answering
from tests.bench.workloads import WORKLOADS, Workload
from tests.support.servers.ports import free_port

if TYPE_CHECKING:
    from collections.abc import AsyncIterator
    from pathlib import Path

KEY = "sk-bench.only-for-the-bench-on-loopback"
_PLENTY = 1_000_000_000


class Service(msgspec.Struct, frozen=True):
    """A service that answers on loopback; `watch` are the processes whose CPU and memory are its cost."""

    name: str
    port: int
    alias: str = ""
    headers: dict[str, str] = {}
    watch: tuple[int, ...] = ()

    def model(self, workload: Workload) -> str:
        return self.alias + workload.model


class Site(msgspec.Struct, frozen=True):
    """Where a candidate runs: its scratch folder, the cores, the upstream."""

    folder: Path
    cores: Cores
    upstream: int
    profile: str = ""
    rows: tuple[dict[str, Any], ...] = ()  # of the catalog, besides the workloads'


def gateway_config(site: Site) -> dict[str, object]:
    """Everything on: limits and a budget for tenant and key, prices, the durable ledger, the access log."""
    limits = {
        "requests_per_minute": _PLENTY,
        "tokens_per_minute": _PLENTY * 1000,
        "parallel_requests": _PLENTY // 1000,
    }
    key = {"tenant": "bench", "prefix": "bench", "secret": KEY.partition(".")[2], "name": "bench"}
    return {
        "data_dir": str(site.folder / "data"),
        "model_catalog": [
            *(_catalog_row(workload, site.upstream) for workload in WORKLOADS.values()),
            *site.rows,
        ],
        "bootstrap": {
            "tenants": [{"name": "bench", "status": "active"}],
            "api_keys": [{**key, "budget_usd": 1_000_000.0, "rate_limit": limits}],
            "tenant_limits": [{"tenant": "bench", "limits": limits}],
            "tenant_budgets": [
                {"tenant": "bench", "budget_usd": 2_000_000.0, "refresh_schedule": "calendar_month"}
            ],
        },
    }


def _catalog_row(workload: Workload, upstream: int) -> dict[str, object]:
    row: dict[str, object] = {
        "alias": f"bench-{workload.model}",
        "provider": "openai-compatible",
        "provider_model": workload.model,
        "endpoint": f"http://127.0.0.1:{upstream}/v1",
        "api_key": "sk-upstream",
        "price_input": 0.00015,
        "price_output": 0.0006,
    }
    if workload.name.startswith("translated"):
        row |= {"provider": "anthropic", "endpoint": f"http://127.0.0.1:{upstream}"}
    if workload.path.endswith("embeddings"):
        return {**row, "model_type": "embedding"}
    return {**row, "model_type": "llm", "context_window": 128_000, "max_output_tokens": 4096}


def gateway_environment(site: Site) -> dict[str, str]:
    return {"ROUTER_CONFIG_FILE": str(site.folder / "router.yaml")}


@contextlib.asynccontextmanager
async def direct(site: Site) -> AsyncIterator[Service]:
    """The upstream itself: what the load costs without a gateway in between."""
    yield Service("direct", site.upstream)


@contextlib.asynccontextmanager
async def gateway(site: Site) -> AsyncIterator[Service]:
    """Our gateway in embedded mode on a real disk, as `manage.py serve` runs it."""
    (site.folder / "router.yaml").write_text(yaml.safe_dump(gateway_config(site), sort_keys=False))
    port, log = free_port(), site.folder / "gateway.log"
    profiler = ["-m", "tests.bench.profiled", site.profile] if site.profile else []
    argv = [sys.executable, *profiler, str(ROOT / "manage.py"), "serve", "--bind", f"127.0.0.1:{port}"]
    async with running(argv, core=site.cores.gateway, log=log, env=gateway_environment(site)) as process:
        await until_answering(f"http://127.0.0.1:{port}/readyz", process, log)
        headers = {"Authorization": f"Bearer {KEY}"}
        yield Service("gateway", port, "bench-", headers, family(process.pid))
